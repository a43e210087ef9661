"""Google's clients, each opened when it is first used, with the credentials and the host that they need."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from finetuner._core.extras import require
from finetuner.errors import UsageError
from finetuner.providers.vertex.settings import EMULATED_STORAGE, Settings

T = TypeVar("T")

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_GENAI_VERSION: Final = "v1"

_Loop: TypeAlias = "tuple[asyncio.AbstractEventLoop, str]"
_Kept: TypeAlias = "tuple[Any, AsyncGenerator[None]]"


def _nothing_opened() -> dict[tuple[object, ...], Any]:
    return {}


def _no_loops() -> dict[_Loop, _Kept]:
    return {}


@attrs.frozen(kw_only=True, eq=False)
class Connection:
    """The clients of Vertex AI and Cloud Storage. Safe in threads, in event loops and after a fork.

    Attributes:
        settings: Where to.
    """

    settings: Settings
    _token: str | None = attrs.field(default=None, repr=False, alias="access_token")
    _opened: dict[tuple[object, ...], Any] = attrs.field(factory=_nothing_opened, init=False, repr=False)
    _loops: dict[_Loop, _Kept] = attrs.field(factory=_no_loops, init=False, repr=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False)

    @property
    def project(self) -> str:
        """The project, else that of the application default credentials.

        Raises:
            UsageError: Nothing names one.
        """
        found = self.settings.project
        if found is None and not self.settings.anonymous and self._token is None:
            found = self._default()[1]
        if not found:
            raise UsageError("no Google Cloud project is known; set GOOGLE_CLOUD_PROJECT, or pass project=")
        return found

    def tuning(self, location: str) -> Any:
        """The generated client of tuning jobs, over REST."""
        return self._generated("GenAiTuningServiceClient", location)

    def jobs(self, location: str) -> Any:
        """The generated client of other jobs, such as batch predictions, over REST."""
        return self._generated("JobServiceClient", location)

    @property
    def session(self) -> Any:
        """HTTP with credentials, for addresses that no generated client knows."""

        def opened() -> Any:
            return _required("google.auth.transport.requests").AuthorizedSession(self._credentials())

        return self._once("session", opened=opened)

    @property
    def storage(self) -> Any:
        """The client of Cloud Storage; it follows `STORAGE_EMULATOR_HOST` by itself."""
        emulated = os.environ.get(EMULATED_STORAGE)

        def opened() -> Any:
            storage = _required("google.cloud.storage")
            given = None
            if not emulated:
                given = self._credentials() if self._token is not None else self._default()[0]
            return storage.Client(project=self.settings.project, credentials=given)

        return self._once("storage", emulated, opened=opened)

    def genai(self, location: str) -> Any:
        """The client of models' answers."""
        return self._once("genai", location, opened=lambda: self._genai(location, None))

    async def genai_of_this_loop(self, location: str) -> Any:
        """The client of models' answers in the running loop: its connections belong to the loop, and end with it."""
        key = (asyncio.get_running_loop(), location)
        if key in self._loops:
            return self._loops[key][0]
        # The SDK would choose between HTTP libraries by what else is installed; httpx always comes with it.
        connections = _required("httpx").AsyncClient(follow_redirects=True)
        client = self._genai(location, connections)

        async def keep_open() -> AsyncGenerator[None]:
            # A loop that ends closes its async generators, as asyncio.run does: this one closes the connections.
            try:
                yield
            finally:
                self._loops.pop(key, None)
                await connections.aclose()
                client.close()

        keeper = keep_open()
        self._loops[key] = client, keeper
        await anext(keeper)
        return client

    def _generated(self, kind: str, location: str) -> Any:
        def opened() -> Any:
            client = getattr(vertex_ai(), kind)
            options = {"api_endpoint": self.settings.host(location)}
            return client(transport="rest", credentials=self._credentials(), client_options=options)

        return self._once(kind, location, opened=opened)

    def _genai(self, location: str, connections: Any) -> Any:
        genai = _required("google.genai")
        # The SDK would refresh anonymous credentials, which can't be; over plain HTTP the token means nothing.
        anonymous = self.settings.anonymous and self._token is None
        return genai.Client(
            vertexai=True,
            project=self.project,
            location=location,
            credentials=_of_token("anonymous") if anonymous else self._credentials(),
            http_options=genai.types.HttpOptions(
                base_url=self.settings.host(location),
                api_version=_GENAI_VERSION,
                timeout=int(self.settings.seconds * 1000),
                httpx_async_client=connections,
            ),
        )

    def _credentials(self) -> Any:
        if self._token is not None:
            return _of_token(self._token)
        if self.settings.anonymous:
            return _required("google.auth.credentials").AnonymousCredentials()
        return self._default()[0]

    def _default(self) -> tuple[Any, str | None]:
        auth = _required("google.auth")
        found: tuple[Any, str | None] = self._once("default", opened=lambda: auth.default(scopes=_SCOPES))
        return found

    def _once(self, *name: object, opened: Callable[[], T]) -> T:
        key = (os.getpid(), *name)  # a forked child must not talk through its parent's sockets
        if key not in self._opened:
            with self._lock:
                if key not in self._opened:
                    self._opened[key] = opened()
        found: T = self._opened[key]
        return found


def vertex_ai() -> ModuleType:
    """The generated package of Vertex AI's stable API; its first import takes seconds."""
    return _required("google.cloud.aiplatform_v1")


def storage_retry(seconds: float) -> Any:
    """Cloud Storage's own way to repeat requests, for so many seconds at most."""
    return _required("google.cloud.storage.retry").DEFAULT_RETRY.with_timeout(seconds)


def _of_token(token: str) -> Any:
    return _required("google.oauth2.credentials").Credentials(token=token)


def _required(module: str) -> ModuleType:
    return require(module, extra="vertex", feature="The vertex provider")
