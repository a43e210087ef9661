"""The emulator's server: its application under uvicorn, in a thread, on the loopback address."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.emulator.app import application
from finetuner.emulator.backend import Backend
from finetuner.emulator.faults import Faults
from finetuner.emulator.faulty import CLOSE, Faulty
from finetuner.emulator.services import environment, families
from finetuner.errors import UsageError
from finetuner.providers import registry
from finetuner.providers.ports import Provider

_ANY_KEY: Final = "sk-emulator"
_HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 520 * 1024 * 1024
_SILENCE: Final = 60
_PATIENCE: Final = 10.0


@attrs.define(eq=False, kw_only=True)
class Emulator:
    """A server that answers as OpenAI, Vertex AI and Cloud Storage do, and trains with another provider.

    Models are named as theirs; each is played by one of the provider's base models, the smaller by the smaller.

    Attributes:
        provider: Trains and answers; the embedded provider by default.
        workspace: Folder for files and jobs, kept; a temporary one by default, removed by `stop`.
        port: Where to listen; 0 takes a free one.
        token: If set, requests must carry it as a bearer token.
        faults: Failures on order.
        organization: Part of the names of tuned models.
        clock: Says when something was made, and when it expires.
        max_body_bytes: Larger requests are refused with 413.
    """

    provider: Provider | None = None
    workspace: Path | None = None
    port: int = 0
    token: str | None = attrs.field(default=None, repr=False)
    faults: Faults = attrs.field(factory=Faults)
    organization: str = "emulated"
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    max_body_bytes: int = _MOST_BYTES
    _running: "_Running | None" = attrs.field(default=None, init=False, repr=False)
    _temporary: Path | None = attrs.field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """What to give an OpenAI client as `base_url`.

        Raises:
            UsageError: It isn't started.
        """
        return f"{self.address}/v1"

    @property
    def address(self) -> str:
        """Scheme, host and port, for services that aren't OpenAI's.

        Raises:
            UsageError: It isn't started.
        """
        if self._running is None:
            raise UsageError("the emulator isn't started; use it as a context manager, or call start()")
        return f"http://{_HOST}:{self._running.socket.getsockname()[1]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What the services' SDKs read from the environment to find this server; any key, where it has no token.

        Raises:
            UsageError: It isn't started.
        """
        return environment(self.address, self.token or _ANY_KEY)

    def start(self) -> Self:
        """Listen and answer in threads of its own, until `stop`.

        Raises:
            UsageError: The port is taken.
        """
        if self._running is None:
            listener = _listening(self.port)
            folder = self.workspace
            if folder is None:
                folder = self._temporary = Path(tempfile.mkdtemp(prefix="finetuner-emulator-"))
            provider = self.provider or registry.connect("local", workspace=folder)
            served = families(Backend(provider, folder / "emulator", self.organization, self.clock), self.faults)
            app = application(served, token=self.token, max_body_bytes=self.max_body_bytes)
            self._running = _Running(listener, Faulty(app, self.faults, served))
        return self

    def stop(self) -> None:
        """Stop answering; stopping twice is no error."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()
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


def _listening(port: int) -> socket.socket:
    # With its protocol named, asyncio sends small pieces at once; else each answer would wait 40 ms for a late ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)  # who calls before the server runs waits here
    except OSError as error:
        listener.close()
        raise UsageError(f"can't listen at {_HOST}:{port}: {error.strerror}; choose another port, or 0") from error
    return listener


class _Protocol(H11Protocol):
    """HTTP/1.1 whose application can close the connection without an answer, as a broken service does."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app: Any = self.app

        async def closable(scope: Scope, receive: Receive, send: Send) -> None:
            extensions = {**scope.get("extensions", {}), CLOSE: transport.close}
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = closable


@attrs.define(eq=False)
class _Running:
    """A server in a thread of its own."""

    socket: socket.socket
    app: Faulty
    _server: uvicorn.Server = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        config = uvicorn.Config(
            self.app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_SILENCE,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let go who hangs, answer who asks, and end."""
        self._server.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.app.stopping.set)
        self._thread.join(_PATIENCE)
        self.socket.close()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve([self.socket]))
