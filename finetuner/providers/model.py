"""A model that answers, wherever it lives."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cached_property

import attrs

from finetuner.data.examples import Message, user
from finetuner.errors import UsageError
from finetuner.providers.ports import Completer, Completion, CompletionChunk, CompletionOptions, Provider
from finetuner.providers.reference import ModelReference
from finetuner.providers.registry import connect

Prompt = str | Sequence[Message]
"""What a model answers: one user's text, or messages."""

_DEFAULTS = CompletionOptions()


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

    @property
    def _completer(self) -> Completer:
        completer = self.provider.completer
        if completer is None:
            raise UsageError(f"{self.reference.provider} trains models but doesn't serve them: {self}")
        return completer

    def __str__(self) -> str:
        """`provider:model`."""
        return str(self.reference)


def _messages(prompt: Prompt) -> Sequence[Message]:
    return (user(prompt),) if isinstance(prompt, str) else prompt
