"""How every page and server here runs: on this machine only, behind a token, with nothing from outside."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http.cookies import SimpleCookie
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST: Final = "127.0.0.1"
"""Servers are reachable from this machine alone."""

_NAMES: Final = (HOST, "localhost")
_COOKIE: Final = "finetuner_token"
_LARGEST_BODY: Final = 4 * 2**20  # bytes
_TOO_LARGE: Final = 413
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


def application(routes: Sequence[BaseRoute], *, token: str, errors: dict[Any, ErrorHandler] | None = None) -> Starlette:
    """Routes behind the token, for callers on this machine.

    A browser shows the token once, as `?token=` of the first address, and keeps it as a cookie that no script and no
    other site can use; programs send it as `Authorization: Bearer`.

    Args:
        routes: What to serve.
        token: What callers must show.
        errors: Handlers by the exception's class.
    """
    guards = [
        # A page of another site can't reach us through a name of its own that resolves to this machine.
        Middleware(TrustedHostMiddleware, allowed_hosts=list(_NAMES), www_redirect=False),
        Middleware(_Guard, token=token),
    ]
    return Starlette(routes=list(routes), middleware=guards, exception_handlers=errors)


def new_token() -> str:
    """A token that can't be guessed: 128 random bits, safe in an address."""
    return secrets.token_urlsafe(16)


def address(port: int, token: str) -> str:
    """What to open in a browser."""
    return f"http://{HOST}:{port}/?token={token}"


def serve(app: ASGIApp, port: int) -> None:
    """Serve until interrupted, which is the ordinary end. Access isn't logged: addresses may hold the token."""
    with suppress(KeyboardInterrupt):
        uvicorn.run(app, host=HOST, port=port, log_level="warning", access_log=False)


class _Guard:
    """Lets in who shows the token; limits bodies; adds the headers that keep browsers strict."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        if refusal is not None:
            await refusal(scope, receive, _strict(send))
            return
        await self._app(scope, receive, _strict(send))

    def _refusal(self, request: Request) -> Response | None:
        length = request.headers.get("content-length", "0")
        if request.method not in {"GET", "HEAD"} and not (length.isdigit() and int(length) <= _LARGEST_BODY):
            return PlainTextResponse(f"send at most {_LARGEST_BODY} bytes, and say how many\n", _TOO_LARGE)
        shown = request.query_params.get("token")
        if shown is not None and self._right(shown):
            return self._welcome(request)
        if self._right(_bearer(request)) or self._right(_cookie(request)):
            return None
        return PlainTextResponse("open the address that the command printed: it holds the token\n", 401)

    def _right(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), self._token.encode())

    def _welcome(self, request: Request) -> Response:
        """The same page without the token in its address, which would stay in the browser's history."""
        response = RedirectResponse(request.url.path, status_code=303)
        response.set_cookie(_COOKIE, self._token, httponly=True, samesite="strict")
        return response


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _cookie(request: Request) -> str:
    jar = SimpleCookie(request.headers.get("cookie", ""))
    return jar[_COOKIE].value if _COOKIE in jar else ""


def _strict(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
