"""Answers from OpenAI's chat completions."""

from collections.abc import AsyncIterator, Iterator, Sequence

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import JsonObject
from finetuner.data.examples import Message
from finetuner.providers.openai import chat
from finetuner.providers.openai.client import Client
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions


@attrs.frozen
class OpenAICompleter:
    """The `Completer` of a service."""

    client: Client
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer."""
        body, start = self._body(model, messages, options), self.clock.monotonic()
        reply = self.client.complete(body, options)
        return chat.completion(reply.body, latency=self.clock.monotonic() - start, request_id=reply.request_id)

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer, without blocking the event loop."""
        body, start = self._body(model, messages, options), self.clock.monotonic()
        reply = await self.client.complete_async(body, options)
        return chat.completion(reply.body, latency=self.clock.monotonic() - start, request_id=reply.request_id)

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The answer in pieces; closing the iterator early closes the connection."""
        body, end = chat.streamed(self._body(model, messages, options)), chat.StreamEnd()
        for raw in self.client.stream(body, options):
            if text := end.take(raw):
                yield CompletionChunk(text=text)
        yield end.last()

    async def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The answer in pieces, without blocking the event loop."""
        body, end = chat.streamed(self._body(model, messages, options)), chat.StreamEnd()
        async for raw in self.client.stream_async(body, options):
            if text := end.take(raw):
                yield CompletionChunk(text=text)
        yield end.last()

    def _body(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> JsonObject:
        return chat.request(model, messages, options, max_tokens_field=self.client.flavour.max_tokens_field)
