"""Requests, answers and routes: HTTP as plain values."""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.errors import FinetunerError

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_JSON: Final = "application/json"


class RefusedError(FinetunerError):
    """An answer that is an error, raised by a route and sent in OpenAI's envelope.

    Args:
        status: HTTP status.
        message: For people.
        code: For programs.
        param: The parameter that is wrong.
        type: OpenAI's coarse kind of error.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type


@attrs.frozen(kw_only=True)
class Request:
    """A request whose body has been read.

    Attributes:
        method: HTTP method.
        path: Path as it was sent, without the query.
        query: Values of the query, the last of each name.
        headers: Names in lower case.
        body: Bytes.
        parameters: Named groups of the route's pattern.
    """

    method: str
    path: str
    query: Mapping[str, str] = _NO_HEADERS
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes = attrs.field(default=b"", repr=False)
    parameters: Mapping[str, str] = _NO_HEADERS

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


@attrs.frozen(kw_only=True)
class Response:
    """An answer.

    Attributes:
        status: HTTP status.
        body: Bytes, or pieces that are sent as they come.
        content_type: MIME type.
        headers: More headers.
    """

    status: int = 200
    body: bytes | Iterator[bytes] = attrs.field(default=b"", repr=False)
    content_type: str = _JSON
    headers: Mapping[str, str] = _NO_HEADERS


Handler = Callable[[Request], Response]


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@attrs.frozen
class Route:
    """Which requests a handler answers.

    Attributes:
        method: HTTP method.
        pattern: For the whole path; named groups become `Request.parameters`.
        handler: Answers, or raises `RefusedError`.
    """

    method: str
    pattern: re.Pattern[str] = attrs.field(converter=_compiled)
    handler: Handler = attrs.field(repr=False)


def dispatch(routes: tuple[Route, ...], request: Request) -> Response:
    """The answer of the first route that fits. Raises `RefusedError` where none does."""
    for route in routes:
        found = route.pattern.fullmatch(request.path)
        if found and route.method == request.method:
            parameters = {name: value for name, value in found.groupdict().items() if value is not None}
            return route.handler(attrs.evolve(request, parameters=parameters))
    raise RefusedError(404, f"Unknown request URL: {request.method} {request.path}", code="unknown_url")


def answer(value: Json, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status=status, body=codec.encode(value))


def refusal(refused: RefusedError, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """An error in OpenAI's envelope."""
    error = {"message": refused.message, "type": refused.type, "param": refused.param, "code": refused.code}
    return Response(status=refused.status, body=codec.encode({"error": error}), headers=headers)
