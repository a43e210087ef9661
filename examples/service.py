"""A small web service that answers with a base model and rolls a tuned one out: shadow, then a share of its users.

Run it with two workers:

    uvicorn service:app --workers 2

with `FINETUNER_WORKSPACE` pointing at the workspace in which the rollout was made, and `ROLLOUT` naming it:

    fine-tuner-cc rollout start tickets --base local:… --tuned local:…

Every worker follows the rollout: `fine-tuner-cc rollout ramp tickets --share 0.05` reaches each within a second.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import finetuner as ft


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """One router for each worker, drained when the worker stops."""
    rollout = ft.Rollout.get(os.environ.get("ROLLOUT", "tickets"))
    async with ft.Router(rollout) as router:
        app.state.router = router
        yield


async def answer(request: Request) -> Response:
    """Answer a customer; the same customer gets the same model while the share doesn't fall."""
    asked = await request.json()
    found = await request.app.state.router.complete_async(asked["text"], unit=asked["customer"])
    return JSONResponse({"text": found.text, "request_id": found.request_id})


async def feedback(request: Request) -> Response:
    """Take the customer's thumb up (1) or down (0), now or days later."""
    given = await request.json()
    request.app.state.router.feedback(given["request_id"], quality=given["quality"])
    return Response(status_code=204)


async def health(request: Request) -> Response:
    """How this worker's router fares."""
    return JSONResponse(attrs.asdict(request.app.state.router.health))


app = Starlette(
    routes=[
        Route("/answer", answer, methods=["POST"]),
        Route("/feedback", feedback, methods=["POST"]),
        Route("/health", health),
    ],
    lifespan=lifespan,
)
