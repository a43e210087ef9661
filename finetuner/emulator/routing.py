"""Calls, answers and addresses: what the services of the emulator are written in.

A service is a `Family`: its routes, how it refuses, and who may ask. Handlers are plain functions that run in a thread.
"""

import hmac
import io
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final

import attrs
from starlette.responses import Response

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.errors import FinetunerError

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class RefusedError(FinetunerError):
    """An answer that is an error, raised by a handler and sent in its family's envelope.

    Args:
        status: HTTP status.
        message: For people.
        code: For programs.
        param: The parameter that is wrong.
        type: The coarse kind of error, in the service's words.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.headers = headers


@attrs.frozen
class Part:
    """One field of a form.

    Attributes:
        content: Its bytes, spooled to disk where they are many.
        filename: As sent, None for a plain field.
    """

    content: BinaryIO = attrs.field(repr=False)
    filename: str | None = None

    @classmethod
    def of(cls, text: str) -> "Part":
        """A plain field."""
        return cls(io.BytesIO(text.encode()))

    @property
    def text(self) -> str:
        """The bytes as text."""
        self.content.seek(0)
        return self.content.read().decode("utf-8", "replace")


_NO_PARTS: Final[Mapping[str, Part]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Call:
    """A request that has been read.

    Attributes:
        method: HTTP method.
        path: Decoded path, without the query.
        query: Values of the query, the last of each name.
        headers: Names in lower case.
        body: Bytes; empty for a form.
        form: Fields of a `multipart/form-data` body by name.
        parameters: Variable parts of the route's path.
        address: Scheme, host and port at which the emulator was called, such as `http://127.0.0.1:8000`.
    """

    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: bytes = attrs.field(default=b"", repr=False)
    form: Mapping[str, Part] = _NO_PARTS
    parameters: Mapping[str, str] = _NOTHING
    address: str = ""

    def json(self) -> JsonObject:
        """The body, an object. Raises `RefusedError` where it is none."""
        try:
            value: Json = codec.decode(self.body)
        except ValueError as error:
            raise RefusedError(400, f"The body isn't JSON: {error}") from error
        if not is_object(value):
            raise RefusedError(400, "The body isn't a JSON object")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of the query, from 1 to `most`. Raises `RefusedError` where it is out of range."""
        text = self.query.get(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= most:
            raise RefusedError(400, f"'{name}' must be from 1 to {most}", param=name)
        return int(text)


Handler = Callable[[Call], Response]
"""Answers, or raises `RefusedError`. Runs in a thread."""


@attrs.frozen
class Route:
    """Which calls a handler answers.

    Attributes:
        method: HTTP method.
        path: As Starlette writes it: `{name}` is one step, `{name:path}` any number of them.
        handler: See `Handler`.
    """

    method: str
    path: str
    handler: Handler = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Family:
    """One service of the emulator.

    Attributes:
        prefixes: What its addresses begin with: an unknown one below it is refused in its words.
        routes: Its addresses.
        refusal: An error in the service's envelope.
        authorize: Raises `RefusedError` where these headers don't hold this token (None: any will do).
    """

    prefixes: tuple[str, ...]
    routes: tuple[Route, ...]
    refusal: Callable[[RefusedError], Response]
    authorize: Callable[[Mapping[str, str], str | None], None]


def answer(value: Json, status: int = 200, headers: Mapping[str, str] = _NOTHING) -> Response:
    """A JSON answer."""
    return Response(codec.encode(value), status, dict(headers), "application/json")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a call, None where there is none (RFC 6750)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that doesn't tell where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())
