"""A model that answers, wherever it lives."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Protocol

import attrs

from finetuner.data.examples import Message, user
from finetuner.errors import UsageError
from finetuner.providers.ports import (
    BulkSession,
    Completer,
    Completion,
    CompletionChunk,
    CompletionOptions,
    Provider,
)
from finetuner.providers.reference import ModelReference
from finetuner.providers.registry import connect

Prompt = str | Sequence[Message]
"""What a model answers: one user's text, or messages."""

_DEFAULTS = CompletionOptions()


class Answerer(Protocol):
    """Answers prompts. A `Model` is one."""

    async def complete_async(self, messages: Prompt, options: CompletionOptions) -> Completion:
        """The whole answer, without blocking the event loop."""
        ...


def _reference(model: str | ModelReference) -> ModelReference:
    return ModelReference.parse(model)


@attrs.frozen
class Model:
    """A model by name: base, tuned, or checkpoint.

    Creating it does no I/O; the provider is connected at the first answer, and kept.

    Attributes:
        reference: `provider:model`, or a bare name that says its provider.
    """

    reference: ModelReference = attrs.field(converter=_reference)
    _provider: Provider | None = attrs.field(default=None, eq=False, repr=False, kw_only=True, alias="provider")

    @classmethod
    def of(cls, model: "str | ModelReference | Model") -> "Model":
        """A model as it is, or the one that a name means."""
        return model if isinstance(model, Model) else cls(model)

    @cached_property
    def provider(self) -> Provider:
        """The provider, connected with its own environment's settings where none was given."""
        return self._provider or connect(self.reference.provider)

    def connected(self) -> "Model":
        """The same model with its provider connected once, for many calls.

        Raises:
            UnknownNameError: There is no such provider.
        """
        return attrs.evolve(self, provider=self.provider)

    def complete(self, messages: Prompt, options: CompletionOptions = _DEFAULTS) -> Completion:
        """The whole answer.

        Args:
            messages: Messages, or a text that stands for one user's message.
            options: Temperature, limits, schema.

        Raises:
            UsageError: The provider doesn't serve models.
            ProviderError: What the provider answered.
        """
        return self._completer.complete(self.reference.model, _messages(messages), options)

    async def complete_async(self, messages: Prompt, options: CompletionOptions = _DEFAULTS) -> Completion:
        """The whole answer, without blocking the event loop. Like `complete`."""
        return await self._completer.complete_async(self.reference.model, _messages(messages), options)

    def stream(self, messages: Prompt, options: CompletionOptions = _DEFAULTS) -> Iterator[CompletionChunk]:
        """The answer in pieces. Like `complete`."""
        return self._completer.stream(self.reference.model, _messages(messages), options)

    def stream_async(self, messages: Prompt, options: CompletionOptions = _DEFAULTS) -> AsyncIterator[CompletionChunk]:
        """The answer in pieces, without blocking the event loop. Like `complete`."""
        return self._completer.stream_async(self.reference.model, _messages(messages), options)

    @asynccontextmanager
    async def bulk(self, concurrency: int) -> AsyncGenerator["Answerer"]:
        """What answers very many prompts, open while the context is: the provider's leaner way, or the model itself.

        Args:
            concurrency: Most calls in flight.

        Raises:
            UsageError: The provider doesn't serve models.
        """
        if self.provider.bulk is None:
            yield self
            return
        async with self.provider.bulk.open(concurrency) as session:
            yield _Bulk(self.reference.model, session)

    @property
    def _completer(self) -> Completer:
        completer = self.provider.completer
        if completer is None:
            raise UsageError(f"{self.reference.provider} trains models but doesn't serve them: {self}")
        return completer

    def __str__(self) -> str:
        """`provider:model`."""
        return str(self.reference)


@attrs.frozen
class _Bulk:
    """A model behind an open session."""

    model: str
    session: BulkSession

    async def complete_async(self, messages: Prompt, options: CompletionOptions) -> Completion:
        return await self.session.complete_async(self.model, _messages(messages), options)


def _messages(prompt: Prompt) -> Sequence[Message]:
    return (user(prompt),) if isinstance(prompt, str) else prompt
