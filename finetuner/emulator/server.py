"""The emulator's HTTP: a threaded server on the loopback address."""

import contextlib
import hmac
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import parse_qsl, unquote

import attrs

from finetuner.emulator.faults import Fault, Faults
from finetuner.emulator.http import RefusedError, Request, Response, Route, dispatch, refusal
from finetuner.emulator.openai_routes import openai_routes
from finetuner.emulator.state import State
from finetuner.errors import ProviderError, UsageError
from finetuner.providers import registry
from finetuner.providers.catalog import load_catalog
from finetuner.providers.ports import Provider

_HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 256 * 1024 * 1024
_SILENCE: Final = 60.0
_CHUNK_LINE: Final = 1_024


@attrs.define(eq=False, kw_only=True)
class Emulator:
    """A server that answers as OpenAI does, and trains with another provider.

    Models are named as OpenAI's; each is played by one of the provider's base models, the smaller by the smaller.

    Attributes:
        provider: Trains and answers; the embedded provider by default.
        workspace: Folder for files and jobs, kept; a temporary one by default, removed by `stop`.
        port: Where to listen; 0 takes a free one.
        token: If set, requests must carry it as a bearer token.
        faults: Failures on order.
        organization: Part of the names of tuned models.
        max_body_bytes: Larger requests are refused with 413.
    """

    provider: Provider | None = None
    workspace: Path | None = None
    port: int = 0
    token: str | None = attrs.field(default=None, repr=False)
    faults: Faults = attrs.field(factory=Faults)
    organization: str = "emulated"
    max_body_bytes: int = _MOST_BYTES
    _server: "_Server | None" = attrs.field(default=None, init=False, repr=False)
    _temporary: Path | None = attrs.field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """What to give an OpenAI client as `base_url`.

        Raises:
            UsageError: It isn't started.
        """
        if self._server is None:
            raise UsageError("the emulator isn't started; use it as a context manager, or call start()")
        return f"http://{_HOST}:{self._server.server_address[1]}/v1"

    def start(self) -> Self:
        """Listen and answer in threads of its own, until `stop`."""
        if self._server is None:
            folder = self.workspace
            if folder is None:
                folder = self._temporary = Path(tempfile.mkdtemp(prefix="finetuner-emulator-"))
            provider = self.provider or registry.connect("local", workspace=folder)
            state = State(provider, folder / "emulator", load_catalog("openai"), self.organization)
            routes = openai_routes(state)
            self._server = _Server((_HOST, self.port), routes, self.faults, self.token, self.max_body_bytes)
            threading.Thread(target=self._server.serve_forever, name="emulator", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop answering; stopping twice is no error."""
        server, self._server = self._server, None
        if server is not None:
            server.stopping.set()
            server.shutdown()
            server.server_close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # threads that hold an idle connection end with it, or with the process

    def __init__(
        self,
        address: tuple[str, int],
        routes: tuple[Route, ...],
        faults: Faults,
        token: str | None,
        max_body_bytes: int,
    ) -> None:
        super().__init__(address, _Handler)
        self.routes = routes
        self.faults = faults
        self.token = token
        self.max_body_bytes = max_body_bytes
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that hangs up is its own business; other errors were answered with a 500."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    @property
    def _emulator(self) -> _Server:
        server: Any = self.server
        return cast("_Server", server)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the emulator is part of somebody's program."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            request = Request(
                method=self.command,
                path=unquote(path),
                query=dict(parse_qsl(query, max_num_fields=64)),
                headers=headers,
                body=b"".join(self._body(headers)),
            )
        except (RefusedError, ValueError) as error:
            self.close_connection = True  # the rest of the body is still on its way
            self._send(refusal(error if isinstance(error, RefusedError) else RefusedError(400, str(error))))
            return
        fault = self._emulator.faults.take(request.method, request.path.removeprefix("/v1"))
        response = self._answer(request) if fault is None or fault.handles else Response()
        if fault is not None:
            self._emulator.stopping.wait(fault.delay)
            if fault.drop:
                self.close_connection = True
                return
            response = response if fault.status is None else _ordered(fault, fault.status)
        self._send(response)

    def _answer(self, request: Request) -> Response:
        try:
            self._authorize(request.headers)
            return dispatch(self._emulator.routes, request)
        except RefusedError as refused:
            return refusal(refused)
        except ProviderError as error:
            return refusal(RefusedError(500, f"{type(error).__name__}: {error}", code=error.code, type="server_error"))
        except Exception as error:  # noqa: BLE001  # a bug must be seen by the caller, not end the connection
            return refusal(RefusedError(500, f"{type(error).__name__}: {error}", type="server_error"))

    def _authorize(self, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        expected = self._emulator.token
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "You didn't provide an API key", code="missing_api_key")
        if expected is not None and not hmac.compare_digest(token.encode(), expected.encode()):
            raise RefusedError(401, "Incorrect API key provided", code="invalid_api_key")

    def _body(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        most = self._emulator.max_body_bytes
        too_large = RefusedError(413, f"The body is larger than {most} bytes", code="request_too_large")
        if headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(headers.get("content-length", "0"))
            if not 0 <= length <= most:
                raise too_large
            yield self.rfile.read(length)
            return
        while size := int(self.rfile.readline(_CHUNK_LINE).split(b";")[0], 16):
            most -= size
            if size < 0 or most < 0:
                raise too_large
            yield self.rfile.read(size)
            self.rfile.readline(_CHUNK_LINE)
        while self.rfile.readline(_CHUNK_LINE).strip():
            pass  # trailers

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("x-request-id", f"req_{secrets.token_hex(8)}")
        for name, value in response.headers.items():
            self.send_header(name, value)
        with contextlib.suppress(ConnectionError):  # the client hung up: nobody is left to tell
            if isinstance(response.body, bytes):
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in response.body:
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()


def _ordered(fault: Fault, status: int) -> Response:
    refused = RefusedError(status, fault.message, code=fault.code, param=fault.param, type=fault.type)
    return refusal(refused, fault.headers)
