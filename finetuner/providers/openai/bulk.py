"""Thousands of chat completions at once: the SDK's own request, sent over a lean transport.

The SDK makes one request whose address and headers are taken over: its authentication, base URL, organization and
user agent. Bodies and answers are made and read by the same code as everywhere else. Where the SDK's way can't be
copied (a proxy, a password in the address), the SDK itself is used.
"""

import re
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs
import msgspec

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message
from finetuner.data.shapes import is_object
from finetuner.errors import ProviderError
from finetuner.providers.openai import chat
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.completer import OpenAICompleter
from finetuner.providers.ports import BulkSession, Completion, CompletionOptions
from finetuner.providers.refusals import Answer
from finetuner.providers.transport import Place, Pool, ProtocolViolationError, Response

_OK: Final = 200
_SECONDS: Final = 600.0
_SHOWN: Final = 200
_OWN_HEADERS: Final = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_KINDS: Final = ("requests", "tokens")


@attrs.frozen
class OpenAIBulk:
    """The `BulkCompleter` of a service."""

    client: Client
    completer: OpenAICompleter
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    @asynccontextmanager
    async def open(self, concurrency: int) -> AsyncGenerator[BulkSession]:
        """A session of the running event loop."""
        del concurrency  # as many connections as there are calls in flight
        place = place_of(await self.client.prepared())
        if place is None:
            yield self.completer
            return
        async with Pool(place) as pool:
            yield _Session(self.client, pool, self.clock)


def place_of(prepared: "tuple[str, tuple[tuple[str, str], ...]]") -> Place | None:
    """Where requests go that are like one of the SDK's; None where only the SDK finds the way.

    Args:
        prepared: URL and headers of a request that the SDK made.
    """
    url, headers = urllib.parse.urlsplit(prepared[0]), prepared[1]
    if url.scheme not in {"http", "https"} or url.hostname is None or url.username is not None:
        return None
    proxies = urllib.request.getproxies()
    if (url.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(url.netloc):
        return None
    secure = url.scheme == "https"
    return Place(
        host=url.hostname,
        port=url.port or (443 if secure else 80),
        path=f"{url.path}?{url.query}" if url.query else url.path,
        secure=secure,
        headers=(
            *((name, value) for name, value in headers if name.lower() not in _OWN_HEADERS),
            ("Accept-Encoding", "identity"),
        ),
    )


@attrs.define
class Window:
    """What a service says about the requests and tokens that are left (`x-ratelimit-…`): nothing is sent without any.

    Source: OpenAI's guide to rate limits (2026-06).
    """

    resume_at: float = 0.0

    def note(self, headers: Mapping[str, str], now: float) -> None:
        """Take note of an answer's headers."""
        for kind in _KINDS:
            if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
                self.resume_at = max(self.resume_at, now + duration(headers.get(f"x-ratelimit-reset-{kind}", "")))

    def pause(self, now: float) -> float:
        """Seconds to wait before the next request."""
        return max(0.0, self.resume_at - now)


def duration(text: str) -> float:
    """Seconds of a time such as `1s`, `6m0s` or `12ms`; 0 for anything else."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


@attrs.frozen
class _Session:
    """An open session."""

    client: Client
    pool: Pool
    clock: Clock
    window: Window = attrs.field(factory=Window)

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer, sent once."""
        fields = self.client.flavour.max_tokens_field
        asked = chat.request(model, messages, options, max_tokens_field=fields) | {"stream": False}
        pause = self.window.pause(self.clock.monotonic())
        if pause:
            await self.clock.sleep_async(pause)
        start = self.clock.monotonic()
        try:
            response = await self.pool.post(codec.encode(asked), options.timeout or self.client.timeout or _SECONDS)
        except TimeoutError:
            raise self.client.timed_out() from None
        except ProtocolViolationError as error:
            raise self.client.unexpected(str(error)) from error
        except OSError as error:
            raise self.client.unreachable(error) from error
        now = self.clock.monotonic()
        self.window.note(response.headers, now)
        raw = self._object(response)
        return chat.completion(raw, latency=now - start, request_id=response.headers.get("x-request-id"))

    def _object(self, response: Response) -> JsonObject:
        try:
            raw: Json = codec.decode(response.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raw = None
        if response.status != _OK:
            raise self._refusal(response, raw)
        if not is_object(raw):
            shown = response.body[:_SHOWN].decode("utf-8", "replace")
            raise self.client.unexpected(f"not JSON but {shown!r}")
        return raw

    def _refusal(self, response: Response, raw: Json) -> ProviderError:
        said: Json = raw.get("error") if is_object(raw) else None
        error: JsonObject = said if is_object(said) else {}
        body = response.body[:_SHOWN].decode("utf-8", "replace")
        code, param = error.get("code"), error.get("param")
        refusal = self.client.refused(
            Answer(
                status=response.status,
                message=str(error.get("message") or body or f"HTTP {response.status}"),
                code=None if code is None else str(code),
                param=param if isinstance(param, str) else None,
                headers=response.headers,
            )
        )
        if response.headers.get("x-should-retry") == "false":
            refusal.retryable = False
        return refusal
