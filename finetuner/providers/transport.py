"""A lean HTTP/1.1 client for thousands of small POST requests at once: one asyncio protocol for each connection.

It does what bulk requests to a JSON service need, and nothing else: no redirects, no cookies, no proxies. Whoever needs
those takes the SDK. Source of the format: RFC 9112.
"""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from typing import Final, Self, cast

import attrs

_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_BODY: Final = 256 * 1024 * 1024
_CONNECT_SECONDS: Final = 10.0
_RACE_SECONDS: Final = 0.25  # between IPv6 and IPv4, RFC 8305
_OK: Final = 200
_NO_BODY: Final = frozenset({204, 304})


class ProtocolViolationError(ConnectionError):
    """What came back isn't HTTP, or is too long."""


@attrs.frozen
class Response:
    """What a server answered.

    Attributes:
        status: HTTP status.
        headers: Names in lower case; of a repeated one, the last.
        body: Decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@attrs.frozen(kw_only=True)
class Place:
    """Where requests go, always the same.

    Attributes:
        host: Name or address.
        port: TCP port.
        path: With its query.
        secure: Whether TLS is spoken.
        headers: Of each request, `Host` and `Content-Length` aside. They may hold keys.
    """

    host: str
    port: int
    path: str
    secure: bool
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)

    def head(self) -> bytes:
        """All of a request's head but its last line's value, which is the body's length."""
        port = "" if self.port == (443 if self.secure else 80) else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if any("\r" in line or "\n" in line for line in lines):
            raise ProtocolViolationError("a header holds a line break")
        return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Response] | None = None
        self._head: tuple[int, dict[str, str]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.usable = False

    def send(self, data: bytes, seconds: float) -> "asyncio.Future[Response]":
        """Send a whole request and get its answer.

        Raises:
            TimeoutError: There was none in so many seconds; the connection is closed then.
            ConnectionError: It broke.
        """
        assert self._transport is not None
        assert self._waiting is None, "one request at a time"
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        self._timer = loop.call_later(seconds, self._fail, TimeoutError("no answer in time"))
        self._transport.write(data)
        return self._waiting

    def close(self) -> None:
        """Close at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.usable = False
        if self._waiting is not None:
            if exc is None and self._until_closed():
                self._finish(bytes(self._buffer))
            else:
                self._fail(exc or ConnectionResetError("the server closed the connection without an answer"))

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._waiting is None:  # nobody asked: whatever this is, it must not answer the next request
            self.close()
            return
        self._buffer += data
        try:
            self._read()
        except (ValueError, ProtocolViolationError) as error:
            self._fail(ProtocolViolationError(f"the answer isn't HTTP: {error}"))

    def _read(self) -> None:
        if self._head is None and not self._read_head():
            return
        assert self._head is not None
        status, headers = self._head
        if status in _NO_BODY:
            self._finish(b"")
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = _chunked(self._buffer)
            if body is not None:
                self._finish(body)
        elif "content-length" in headers:
            length = int(headers["content-length"])
            if not 0 <= length <= _LONGEST_BODY:
                raise ProtocolViolationError(f"a body of {length} bytes")
            if len(self._buffer) >= length:
                self._finish(bytes(self._buffer[:length]))
        if len(self._buffer) > _LONGEST_BODY:
            raise ProtocolViolationError(f"more than {_LONGEST_BODY} bytes")

    def _read_head(self) -> bool:
        """Whether the head is there; interim answers (1xx) are passed over."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise ProtocolViolationError(f"a head of more than {_LONGEST_HEAD} bytes")
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, code, *_ = first.split(" ", 2)
        if not version.startswith("HTTP/1."):
            raise ProtocolViolationError(f"{first[:40]!r}")
        if int(code) < _OK:
            return self._read_head()
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        self._head = int(code), headers
        return True

    def _until_closed(self) -> bool:
        """Whether the body ends where the connection does."""
        if self._head is None:
            return False
        return "content-length" not in self._head[1] and "chunked" not in self._head[1].get("transfer-encoding", "")

    def _finish(self, body: bytes) -> None:
        assert self._head is not None
        (status, headers), self._head = self._head, None
        self._buffer.clear()
        if headers.get("connection", "").lower() == "close":
            self.close()
        try:
            response = Response(status, headers, _plain(body, headers.get("content-encoding", "")))
        except (ValueError, zlib.error) as error:
            self._fail(ProtocolViolationError(f"the answer's body can't be unpacked: {error}"))
            return
        waiting = self._settled()
        if waiting is not None:
            waiting.set_result(response)

    def _fail(self, error: Exception) -> None:
        waiting = self._settled()
        self.close()
        if waiting is not None:
            waiting.set_exception(error)

    def _settled(self) -> "asyncio.Future[Response] | None":
        """The future that somebody still waits for."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, None
        return None if waiting is None or waiting.done() else waiting


class Pool:
    """Connections to one place, opened as needed and used again. Of one event loop."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._head = place.head()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._tls = ssl.create_default_context() if place.secure else None

    async def post(self, body: bytes, seconds: float) -> Response:
        """Send a body; get the answer, whatever its status.

        Raises:
            TimeoutError: There was none in so many seconds.
            OSError: No connection, or one that broke.
        """
        connection = await self._connection()
        try:
            response = await connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), seconds)
        except BaseException:  # a cancelled request's answer must not reach the next one
            self._open.discard(connection)
            connection.close()
            raise
        if connection.usable:
            self._idle.append(connection)
        else:
            self._open.discard(connection)
        return response

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._idle.clear()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._open.discard(connection)
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection,
                self._place.host,
                self._place.port,
                ssl=self._tls,
                happy_eyeballs_delay=_RACE_SECONDS,
            )
        self._open.add(connection)
        return connection

    async def __aenter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, and let the loop take notice."""
        self.close()
        await asyncio.sleep(0)


def _chunked(buffer: bytearray) -> bytes | None:
    """The body of whole chunks (RFC 9112, section 7.1); None while some are missing."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(bytes(buffer[at:end]).partition(b";")[0], 16)
        if not 0 <= size <= _LONGEST_BODY:
            raise ProtocolViolationError(f"a chunk of {size} bytes")
        if size == 0:
            rest = buffer[end:]
            return b"".join(parts) if rest.startswith(b"\r\n\r\n") or b"\r\n\r\n" in rest else None
        if len(buffer) < end + 2 + size + 2:
            return None
        parts.append(bytes(buffer[end + 2 : end + 2 + size]))
        at = end + 2 + size + 2


def _plain(body: bytes, encoding: str) -> bytes:
    """A body without its compression, of bounded size."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise ValueError(f"unknown content encoding {encoding!r}")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    plain = unpacking.decompress(body, _LONGEST_BODY)
    if unpacking.unconsumed_tail:
        raise ValueError(f"more than {_LONGEST_BODY} bytes")
    return plain
