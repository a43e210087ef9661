"""Faults played on the wire: between the server and the application."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final

import attrs
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator.app import family_of, identified
from finetuner.emulator.faults import Fault, Faults
from finetuner.emulator.routing import Family, RefusedError

CONTROL: Final = "/emulator/"
"""What the addresses of the emulator itself begin with."""

CLOSE: Final = "finetuner.close"
"""Name of the extension by which the server lets an application close a connection without an answer."""


@attrs.frozen(eq=False)
class Faulty:
    """An application that fails on order.

    Attributes:
        app: Answers where no fault is ordered.
        faults: What is ordered.
        families: For the words of a refusal.
        stopping: Set when the server stops: whoever hangs is let go.
    """

    app: ASGIApp
    faults: Faults
    families: tuple[Family, ...]
    stopping: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or fail as ordered."""
        spared = scope["type"] != "http" or scope["path"].startswith(
            CONTROL
        )  # who orders faults must be able to end them
        fault = None if spared else self.faults.take(scope["method"], scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.handles:
            sent = await _collected(self.app, scope, receive)
        else:
            await _drain(receive)
            sent = []
        if fault.delay:
            await self._pause(fault.delay, receive)
        if fault.drop:
            await _close(scope)
            return
        if fault.status is not None:
            await self._refuse(fault, fault.status, scope, receive, send)
            return
        await _play(fault, sent, scope, send)

    async def _pause(self, seconds: float, receive: Receive) -> None:
        """Wait; until the server stops or the caller hangs up, at most."""
        waits = [asyncio.ensure_future(self.stopping.wait()), asyncio.ensure_future(_hung_up(receive))]
        timeout = None if math.isinf(seconds) else seconds
        _, pending = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()

    async def _refuse(self, fault: Fault, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.body is not None:
            response = Response(fault.body, status, dict(fault.headers), fault.content_type)
        else:
            refused = RefusedError(
                status, fault.message, code=fault.code, param=fault.param, type=fault.type, headers=fault.headers
            )
            response = family_of(self.families, scope["path"]).refusal(refused)
        await identified(response)(scope, receive, send)


async def _collected(app: ASGIApp, scope: Scope, receive: Receive) -> list[Message]:
    messages: list[Message] = []

    async def keep(message: Message) -> None:  # the protocol's signature
        messages.append(message)

    await app(scope, receive, keep)
    return messages


async def _play(fault: Fault, sent: list[Message], scope: Scope, send: Send) -> None:
    start, body = sent[0], b"".join(message.get("body", b"") for message in sent[1:])
    if fault.merge:
        body = _merged(body, fault.merge)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        start = {**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
    await send(start)
    if fault.cut is None:
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.body", "body": body[: fault.cut], "more_body": True})
    await _close(scope)


def _merged(body: bytes, merge: Mapping[str, Json]) -> bytes:
    """A JSON object with fields laid over it: over each item, where it is a list of objects."""
    value: Json = codec.decode(body)
    if not is_object(value):
        return body
    items: Json = value.get("data")
    if value.get("object") == "list" and is_list(items):
        laid_over: list[Json] = [{**item, **merge} for item in items]
        return codec.encode(value | {"data": laid_over})
    return codec.encode(value | dict(merge))


async def _close(scope: Scope) -> None:
    close: Callable[[], None] = scope["extensions"][CLOSE]
    close()
    for _ in range(3):  # the server hears of it in the next turns of the loop
        await asyncio.sleep(0)


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
