"""The lean transport: whole answers or clear errors, connections used again, one answer for each request."""

import asyncio
import gzip
from contextlib import asynccontextmanager

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.transport import Place, Pool, ProtocolViolationError, Response, _chunked

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@attrs.define
class Server:
    """Answers each request with the next of some byte strings; an empty one closes the connection."""

    answers: list[bytes]
    requests: list[bytes] = attrs.field(factory=list)
    connections: int = 0
    delay: float = 0.0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await asyncio.sleep(self.delay)
                answer = self.answers.pop(0)
                if not answer:
                    return
                for byte in (answer[:7], answer[7:]):  # in two pieces, wherever they fall
                    writer.write(byte)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def connected(*answers, delay=0.0):
    server = Server(list(answers), delay=delay)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    place = Place(host="127.0.0.1", port=port, path="/v1/x?y=1", secure=False, headers=(("Authorization", "k"),))
    async with listening, Pool(place) as pool:
        yield server, pool


def answered(*answers):
    """The response to one request."""

    async def run():
        async with connected(*answers) as (_, pool):
            return await pool.post(b"{}", 5.0)

    return asyncio.run(run())


def test_a_request_is_sent_whole():
    async def run():
        async with connected(OK) as (server, pool):
            await pool.post(b'{"a":1}', 5.0)
            return server.requests[0]

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    first, host, *rest = head.split(b"\r\n")
    assert first == b"POST /v1/x?y=1 HTTP/1.1"
    assert host.startswith(b"Host: 127.0.0.1:")
    assert rest == [b"Authorization: k", b"Content-Length: 7"]
    assert body == b'{"a":1}'


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"ok", mtime=0))
        + gzip.compress(b"ok", mtime=0),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_answers_are_read_in_every_form(answer):
    assert answered(answer).body == b"ok"


def test_a_body_may_end_with_the_connection():
    """Without a length, the server's closing is the end."""

    async def serve(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nok")
        writer.close()

    async def run():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            async with Pool(Place(host="127.0.0.1", port=port, path="/", secure=False, headers=())) as pool:
                return await pool.post(b"{}", 5.0)

    assert asyncio.run(run()) == Response(200, {"connection": "close"}, b"ok")


def test_a_refusal_is_an_answer():
    response = answered(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")
    assert (response.status, response.headers["retry-after"], response.body) == (429, "3", b"")


def test_connections_are_used_again():
    """As many connections as there were calls at once, not as there were calls."""

    async def run():
        async with connected(*[OK] * 30) as (server, pool):
            for _ in range(10):
                await asyncio.gather(*(pool.post(b"{}", 5.0) for _ in range(3)))
            return server.connections

    assert asyncio.run(run()) == 3


def test_a_closed_connection_is_replaced():
    async def run():
        async with connected(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), OK) as (server, pool):
            await pool.post(b"{}", 5.0)
            await pool.post(b"{}", 5.0)
            return server.connections

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionResetError),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ProtocolViolationError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", ProtocolViolationError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ProtocolViolationError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ProtocolViolationError),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok", ProtocolViolationError),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", ProtocolViolationError),
        (b"x" * 70_000, ProtocolViolationError),
    ],
)
def test_what_is_no_answer_is_an_error(answer, error):
    """Never a guess, never a hang."""
    with pytest.raises(error):
        answered(answer)


def test_no_answer_in_time_closes_the_connection():
    """A late answer must not be taken for the next one's."""

    async def run():
        async with connected(OK, OK, delay=0.2) as (server, pool):
            with pytest.raises(TimeoutError):
                await pool.post(b"{}", 0.05)
            server.delay = 0.0
            await pool.post(b"{}", 5.0)
            return server.connections

    assert asyncio.run(run()) == 2


def test_a_cancelled_request_closes_the_connection():
    async def run():
        async with connected(OK, OK, delay=0.2) as (server, pool):
            call = asyncio.create_task(pool.post(b"1", 5.0))
            await asyncio.sleep(0.05)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            server.delay = 0.0
            await pool.post(b"2", 5.0)
            return server.connections

    assert asyncio.run(run()) == 2


def test_nobody_there_is_a_connection_error():
    async def run():
        async with Pool(Place(host="127.0.0.1", port=1, path="/", secure=False, headers=())) as pool:
            await pool.post(b"", 1.0)

    with pytest.raises(ConnectionError):
        asyncio.run(run())


def test_headers_cannot_be_smuggled():
    with pytest.raises(ProtocolViolationError, match="line break"):
        Place(host="h", port=80, path="/", secure=False, headers=(("X", "a\r\nY: b"),)).head()


def test_keys_are_in_no_repr():
    assert "secret" not in repr(Place(host="h", port=1, path="/", secure=True, headers=(("Authorization", "secret"),)))


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(0, 400))
def test_chunks_are_joined_and_half_a_body_is_none(chunks, cut):
    """Whatever the chunks hold, the body is whole or not there yet."""
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert _chunked(bytearray(wire)) == b"".join(chunks)
    if cut < len(wire):
        assert _chunked(bytearray(wire[:cut])) is None
