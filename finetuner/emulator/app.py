"""The emulator as one Starlette application: families of routes, behind limits, request ids and faults."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Message, Receive

from finetuner.emulator.routing import Call, Family, Handler, Part, RefusedError
from finetuner.errors import ProviderError

HOSTS: Final = ("127.0.0.1", "localhost")
_FORM: Final = "multipart/form-data"
_MOST_FIELDS: Final = 64
_REQUEST_ID: Final = "x-request-id"

Endpoint = Callable[[Request], Awaitable[Response]]


def application(families: tuple[Family, ...], *, token: str | None, max_body_bytes: int) -> Starlette:
    """All families as one application.

    Args:
        families: In the order in which they are asked; the last refuses what nobody knows.
        token: What callers must show; None takes any.
        max_body_bytes: Larger requests are refused with 413.
    """
    routes = [
        StarletteRoute(route.path, _endpoint(family, route.handler, token, max_body_bytes), methods=[route.method])
        for family in families
        for route in family.routes
    ]

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = f"{request.method} {request.url.path}"
        refused = (
            RefusedError(404, f"Unknown request URL: {what}", code="unknown_url")
            if error.status_code == 404  # noqa: PLR2004  # HTTP's own number
            else RefusedError(error.status_code, f"{error.detail}: {what}", code="method_not_supported")
        )
        return identified(family_of(families, request.url.path).refusal(refused))

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {HTTPException: unknown}
    # Pages of other hosts can't reach a loopback server through a name of theirs.
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[guard])


def family_of(families: tuple[Family, ...], path: str) -> Family:
    """The family whose words suit an address."""
    return next((family for family in families if path.startswith(family.prefixes)), families[-1])


def identified(response: Response) -> Response:
    """The response with a request id."""
    response.headers[_REQUEST_ID] = f"req_{secrets.token_hex(8)}"
    return response


def _endpoint(family: Family, handler: Handler, token: str | None, most: int) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            family.authorize(request.headers, token)
            return identified(await _answered(request, handler, most))
        except RefusedError as refused:
            return identified(family.refusal(refused))
        except Exception as error:  # noqa: BLE001  # a bug must be seen by the caller, not end the connection
            code = error.code if isinstance(error, ProviderError) else None
            broken = RefusedError(500, f"{type(error).__name__}: {error}", code=code, type="server_error")
            return identified(family.refusal(broken))

    return endpoint


async def _answered(request: Request, handler: Handler, most: int) -> Response:
    limited = Request(request.scope, _limited(request, most))
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        return await run_in_threadpool(handler, _call(request, body=await limited.body()))
    try:
        async with limited.form(max_files=1, max_fields=_MOST_FIELDS) as form:
            parts = {
                name: Part.of(value) if isinstance(value, str) else Part(value.file, value.filename)
                for name, value in form.items()
            }
            return await run_in_threadpool(handler, _call(request, form=parts))
    except HTTPException as error:
        raise RefusedError(400, f"The form can't be read: {error.detail}") from error


def _call(request: Request, **content: Any) -> Call:
    return Call(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers=dict(request.headers),
        parameters=dict(request.path_params),
        address=str(request.base_url).rstrip("/"),
        **content,
    )


def _limited(request: Request, most: int) -> Receive:
    """The body, refused where it grows too large: bodies in chunks don't say their length before."""
    refused = RefusedError(413, f"The body is larger than {most} bytes", code="request_too_large")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise refused
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise refused
        return message

    return receive
