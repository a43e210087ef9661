"""Answers from Gemini: base models by name, tuned models and checkpoints by their endpoint."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.retry import retrying, retrying_async
from finetuner._core.types import Json
from finetuner.data.examples import Message
from finetuner.providers.catalog import Catalog
from finetuner.providers.lenient import as_object, as_text, as_whole
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions
from finetuner.providers.vertex import chat
from finetuner.providers.vertex.client import Client

_RETRIES: Final = 2
_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})


@attrs.frozen
class VertexCompleter:
    """The `Completer` of Vertex AI.

    Attributes:
        client: The connection.
        catalog: Where base models are served.
        clock: For latencies and pauses.
        generation: More of every call's `generationConfig`.
    """

    client: Client
    catalog: Catalog = attrs.field(repr=False)
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    generation: Mapping[str, Json] = _NOTHING

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer; refusals for the moment are tried again, twice by default."""
        body, name, start = self._body(messages, options), self.served(model), self.clock.monotonic()
        raw = retrying(
            lambda: self.client.generate(name, body, options.timeout), attempts=_attempts(options), clock=self.clock
        )
        return chat.completion(raw, model=model, latency=self.clock.monotonic() - start)

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer, without blocking the event loop."""
        body, name, start = self._body(messages, options), self.served(model), self.clock.monotonic()
        raw = await retrying_async(
            lambda: self.client.generate_async(name, body, options.timeout),
            attempts=_attempts(options),
            clock=self.clock,
        )
        return chat.completion(raw, model=model, latency=self.clock.monotonic() - start)

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The answer in pieces; nothing is tried again once it began."""
        body, end = self._body(messages, options), chat.StreamEnd()
        for raw in self.client.stream(self.served(model), body, options.timeout):
            if text := end.take(raw):
                yield CompletionChunk(text=text)
        yield end.last()

    async def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The answer in pieces, without blocking the event loop."""
        body, end = self._body(messages, options), chat.StreamEnd()
        async for raw in self.client.stream_async(self.served(model), body, options.timeout):
            if text := end.take(raw):
                yield CompletionChunk(text=text)
        yield end.last()

    def count_tokens(self, model: str, messages: Sequence[Message]) -> int:
        """How many tokens a prompt has, as the model counts them. Costs nothing."""
        raw = self.client.count_tokens(self.served(model), chat.prompt(messages))
        return as_whole(raw.get("totalTokens")) or 0

    def served(self, model: str) -> str:
        """The resource to ask: a base model that isn't served where it is tuned is asked where it is.

        Gemini 3 is tuned in regions and answers in the multi-regions `us` and `eu` (Google Cloud, 2026).
        """
        if model.startswith("projects/"):
            return model
        settings, known = self.client.settings, self.catalog.find(model)
        serves = as_object(known.options.get("serves_in")) if known is not None else {}
        place = settings.serving or as_text(serves.get(settings.location)) or settings.location
        return f"projects/{self.client.project}/locations/{place}/publishers/google/models/{model}"

    def _body(self, messages: Sequence[Message], options: CompletionOptions) -> dict[str, Json]:
        return chat.request(messages, options, self.generation)


def _attempts(options: CompletionOptions) -> int:
    return 1 + (_RETRIES if options.max_retries is None else options.max_retries)
