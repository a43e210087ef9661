"""The SDK, behind plain values: the only module that knows the `openai` package.

Every call gives the JSON of the answer, and every failure is one of our errors. The SDK is imported at the first call.
"""

import asyncio
import json
import os
import re
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.errors import AuthenticationError, ProviderError, TrainingNotAvailableError, UsageError
from finetuner.providers.openai import failures
from finetuner.providers.openai.failures import NAME, failure, timed_out, unexpected, unreachable
from finetuner.providers.openai.flavours import OPENAI, Flavour
from finetuner.providers.ports import CompletionOptions
from finetuner.providers.refusals import Answer, redacted

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI, OpenAI

_OK: Final = 200
_TRANSPORTS: Final = frozenset({"httpx", "httpx2", "httpcore", "httpcore2"})


@attrs.frozen(kw_only=True)
class Reply:
    """An answer's JSON and the service's id of the call."""

    body: JsonObject
    request_id: str | None = None


def _no_alternatives() -> str:
    return ""


_Kept: TypeAlias = "tuple[AsyncOpenAI, AsyncGenerator[None]]"


def _no_clients() -> "dict[int, OpenAI]":
    return {}


def _no_loops() -> "dict[asyncio.AbstractEventLoop, _Kept]":
    return {}


@attrs.frozen(kw_only=True, eq=False)
class Client:
    """One connection to a service, opened when it is first used. Safe in threads, in event loops and after a fork.

    Attributes:
        flavour: Which service.
        base_url: Its address; None is that of the flavour's variable (`OPENAI_BASE_URL`), else the flavour's own.
        timeout: Seconds for a whole call; None is the SDK's 600.
        alternatives: What to do where training isn't possible; asked for only then.
        clock: For `Retry-After` dates.
    """

    flavour: Flavour = OPENAI
    base_url: str | None = attrs.field(default=None, repr=False)  # may hold a password
    timeout: float | None = None
    alternatives: Callable[[], str] = attrs.field(default=_no_alternatives, repr=False)
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    _api_key: str | None = attrs.field(default=None, repr=False, alias="api_key")
    _clients: "dict[int, OpenAI]" = attrs.field(factory=_no_clients, init=False, repr=False)
    _loops: "dict[asyncio.AbstractEventLoop, _Kept]" = attrs.field(factory=_no_loops, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def ask(self, call: "Callable[[OpenAI], Any]", *, once: bool = False) -> JsonObject:
        """The JSON of one call's answer.

        Args:
            call: What to do with the SDK's client.
            once: Never send it again: the SDK would, after a time-out, and pay twice.
        """
        with self._translated():
            return _plain(call(self._sync.with_options(max_retries=0) if once else self._sync))

    def glance(self, path: str, timeout: float) -> Json:
        """The JSON at an address, asked for once and not waited for long; None where there is no answer.

        Raises:
            TrainingNotAvailableError: That is the answer.
        """
        try:
            with self._translated():
                hasty = self._sync.with_options(max_retries=0, timeout=timeout)
                return cast("Json", hasty.get(path, cast_to=object))
        except TrainingNotAvailableError:
            raise
        except ProviderError:
            return None

    def each(self, call: "Callable[[OpenAI], Iterable[Any]]") -> Iterator[JsonObject]:
        """All items of a list, page by page, as the service orders them."""
        with self._translated():
            yield from _each_once(call(self._sync))

    def lines(self, file_id: str) -> Iterator[str]:
        """The lines of a file's content, as they arrive."""
        with self._translated(), self._sync.files.with_streaming_response.content(file_id) as response:
            yield from response.iter_lines()

    def at(self, method: Literal["get", "put", "delete"], path: str, body: JsonObject | None = None) -> Json:
        """The JSON at an address that the SDK has no method for."""
        with self._translated():
            send: Callable[..., object] = getattr(self._sync, method)
            return cast("Json", send(path, cast_to=object, **({} if body is None else {"body": body})))

    # -- answers -------------------------------------------------------------------------------------------------------

    def complete(self, body: JsonObject, options: CompletionOptions) -> Reply:
        """The whole answer."""
        with self._translated():
            client = _with_options(self._sync, options)
            return _reply(client.chat.completions.create(**body, stream=False))

    async def complete_async(self, body: JsonObject, options: CompletionOptions) -> Reply:
        """The whole answer, without blocking the event loop."""
        with self._translated():
            client = _with_options(await self._of_this_loop(), options)
            return _reply(await client.chat.completions.create(**body, stream=False))

    def stream(self, body: JsonObject, options: CompletionOptions) -> Iterator[JsonObject]:
        """The answer's chunks."""
        with self._translated():
            client = _with_options(self._sync, options)
            with client.chat.completions.create(**body, stream=True) as chunks:
                for chunk in chunks:
                    yield _plain(chunk)

    async def stream_async(self, body: JsonObject, options: CompletionOptions) -> AsyncIterator[JsonObject]:
        """The answer's chunks, without blocking the event loop."""
        with self._translated():
            client = _with_options(await self._of_this_loop(), options)
            async with await client.chat.completions.create(**body, stream=True) as chunks:
                async for chunk in chunks:
                    yield _plain(chunk)

    async def prepared(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """URL and headers of a chat completion as the SDK would send it. Nothing is sent."""
        with self._translated():
            import openai

            taken = _Taken()
            sender = openai.DefaultAsyncHttpxClient(transport=cast("Any", taken))
            async with openai.AsyncOpenAI(**self._settings(), http_client=sender, max_retries=0) as sdk:
                with suppress(openai.APIConnectionError, _TakenError):
                    await sdk.chat.completions.create(model="", messages=[])
        return taken.url, taken.headers

    # -- errors of other ways to the same service ----------------------------------------------------------------------

    def refused(self, answer: Answer) -> ProviderError:
        """What a refusal means."""
        return self._failure(answer)

    def timed_out(self) -> ProviderError:
        """No answer in time."""
        return timed_out(self.flavour)

    def unreachable(self, reason: BaseException) -> ProviderError:
        """No connection, or one that broke."""
        return self._unreachable(reason)

    def unexpected(self, found: str) -> ProviderError:
        """An answer that isn't the service's: something between has answered, which may pass."""
        return unexpected(self.flavour.title, self._said(ValueError(found)), retryable=True)

    # -- the connection ------------------------------------------------------------------------------------------------

    @property
    def _sync(self) -> "OpenAI":
        process = os.getpid()  # a forked child must not talk through its parent's sockets
        client = self._clients.get(process)
        if client is None:
            with self._lock:
                client = self._clients.get(process)
                if client is None:
                    from openai import OpenAI

                    client = self._clients[process] = OpenAI(**self._settings())
                    weakref.finalize(self, client.close).atexit = False  # the SDK's objects form cycles
        return client

    async def _of_this_loop(self) -> "AsyncOpenAI":
        """The client of the running loop: its connections belong to the loop, and end with it."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is not None:
            return found[0]
        from openai import AsyncOpenAI

        client = AsyncOpenAI(**self._settings())

        async def keep_open() -> AsyncGenerator[None]:
            # A loop that ends closes its async generators, as asyncio.run does: this one closes the connections.
            try:
                yield
            finally:
                self._loops.pop(loop, None)
                await client.close()

        keeper = keep_open()
        self._loops[loop] = client, keeper
        await anext(keeper)
        return client

    def _settings(self) -> dict[str, Any]:
        if self._secret is None and self.flavour is not OPENAI:  # the SDK would send OpenAI's key to somebody else
            variable = self.flavour.key_variable
            raise AuthenticationError(
                f"no key for {self.flavour.title}; set {variable}, or pass api_key", provider=NAME
            )
        settings = {"api_key": self._secret, "base_url": self.address, "timeout": self.timeout}
        return {name: value for name, value in settings.items() if value is not None}

    @property
    def address(self) -> str:
        """Where calls go.

        Raises:
            UsageError: The service has no address of its own, and none is given.
        """
        found = self.flavour.given_address(self.base_url) or self.flavour.base_url
        if found is None:
            raise UsageError(
                f"{self.flavour.title} has no common address; give base_url or set {self.flavour.address_variable}, "
                f"such as {self.flavour.address}"
            )
        return found

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            translated = self._translation(error)
            if translated is None:
                raise
            # `from None`: the SDK's own text may quote the key, and a traceback would show it.
            raise translated from None

    def _translation(self, error: Exception) -> ProviderError | None:
        """The error to raise instead, or None where it isn't the service's."""
        import openai

        match error:
            case openai.APIError():
                return self._of_service(error)
            case openai.OpenAIError():  # at construction: there is no key
                variable = self.flavour.key_variable
                message = f"{self._said(error)}. Set {variable}, or pass api_key (any text for the emulator)"
                return AuthenticationError(message, provider=NAME)
            case json.JSONDecodeError() | _NotAnObjectError():
                return unexpected(self.flavour.title, self._said(error))
            case _:
                return self._of_transport(error)

    def _of_service(self, error: "APIError") -> ProviderError:
        import openai

        match error:
            case openai.APITimeoutError():
                return timed_out(self.flavour)
            case openai.APIConnectionError():
                return self._unreachable(error.__cause__ or error)
            case openai.APIStatusError():
                return self._failure(_answer(error))
            case _:  # inside a stream that began well
                return self._failure(Answer(status=_OK, message=error.message, code=error.code))

    def _of_transport(self, error: Exception) -> ProviderError | None:
        """Inside a stream the SDK lets errors of its HTTP library through, which is httpx or httpx2."""
        if type(error).__module__.partition(".")[0] not in _TRANSPORTS:
            return None
        if any(parent.__name__ == "TimeoutException" for parent in type(error).__mro__):
            return timed_out(self.flavour)
        return self._unreachable(error)

    def _failure(self, answer: Answer) -> ProviderError:
        return failure(
            answer,
            flavour=self.flavour,
            secret=self._secret,
            alternatives=self.alternatives() if answer.code == failures.TRAINING_NOT_AVAILABLE else "",
            now=self.clock.now(),
        )

    def _unreachable(self, reason: BaseException) -> ProviderError:
        shown = re.sub(r"//[^/@]*@", "//", self.address)  # without user and password
        return unreachable(self.flavour, shown, self._said(reason) or type(reason).__name__)

    def _said(self, error: BaseException) -> str:
        return redacted(str(error), self._secret)

    @property
    def _secret(self) -> str | None:
        return self._api_key or os.environ.get(self.flavour.key_variable)


class _TakenError(Exception):
    """Ends a call whose request has been taken; some releases of the SDK wrap it, some let it through."""


class _Taken:
    """Takes a request off the SDK's hands instead of sending it."""

    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    async def handle_async_request(self, request: Any) -> Any:
        self.url, self.headers = str(request.url), tuple(request.headers.items())
        raise _TakenError

    async def aclose(self) -> None:
        """There is nothing to close."""


class _NotAnObjectError(Exception):
    """The SDK gave text instead of an object: the answer's content type wasn't JSON."""


AnyClient = TypeVar("AnyClient", bound="OpenAI | AsyncOpenAI")


def _with_options(client: AnyClient, options: CompletionOptions) -> AnyClient:
    settings: dict[str, Any] = {"timeout": options.timeout, "max_retries": options.max_retries}
    given = {name: value for name, value in settings.items() if value is not None}
    changed: Any = client.with_options(**given) if given else client
    return cast("AnyClient", changed)


def _plain(value: Any) -> JsonObject:
    """The JSON of one of the SDK's objects, with fields and values that the SDK doesn't know kept."""
    if not hasattr(value, "to_dict"):
        raise _NotAnObjectError(f"{type(value).__name__}: {value!s:.200}")
    plain: JsonObject = value.to_dict(mode="json", warnings=False)
    return plain


def _reply(value: Any) -> Reply:
    return Reply(body=_plain(value), request_id=getattr(value, "_request_id", None))


def _each_once(pages: Iterable[Any]) -> Iterator[JsonObject]:
    """All items; ends where a service that ignores cursors starts over."""
    seen: set[str] = set()
    for item in pages:
        plain = _plain(item)
        identity = str(plain.get("id"))
        if identity in seen:
            return
        seen.add(identity)
        yield plain


def _answer(error: Any) -> Answer:
    body: Json = error.body
    words = body.get("message") if is_object(body) else None
    return Answer(
        status=error.status_code,
        message=str(words or error.message),
        code=error.code,
        param=error.param if isinstance(error.param, str) else None,
        headers={str(name).lower(): str(value) for name, value in error.response.headers.items()},
    )
