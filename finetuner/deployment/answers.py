"""What a router asks and what it gives: models, or any two callables, behind one shape."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

import attrs

from finetuner.deployment.deadlines import in_thread
from finetuner.deployment.state import Arm
from finetuner.errors import UsageError
from finetuner.evaluation.pricing import Pricing
from finetuner.providers.catalog import load_catalog
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions, Usage
from finetuner.providers.reference import ModelReference

Function = Callable[[Any, CompletionOptions], Any]
"""In the place of a model: gets the prompt as it was given and the options (`timeout` holds what is left of the
deadline); gives text, a `Completion`, OpenAI's answer, or anything else, which is handed through. May be `async`. For
streams it gives an iterable of pieces."""

Source = Model | Function


@attrs.frozen(kw_only=True)
class Answer:
    """What a user gets.

    Attributes:
        text: The answer's text.
        arm: The model that answered.
        request_id: For `feedback`.
        completion: Everything that the model said.
        raw: What a callable returned, as it is; with models the same as `completion`.
    """

    text: str
    arm: Arm
    request_id: str
    completion: Completion
    raw: Any = attrs.field(default=None, repr=False, eq=False)


class Answerer(Protocol):
    """One arm of a router."""

    @property
    def name(self) -> str:
        """`provider:model`, or what the callable stands for."""
        ...

    @property
    def pricing(self) -> Pricing | None:
        """What answers cost, where it is known."""
        ...

    @property
    def needs_loop(self) -> bool:
        """Whether it can be asked in an event loop only."""
        ...

    def complete(self, prompt: Any, options: CompletionOptions) -> Any:
        """The whole answer."""
        ...

    async def complete_async(self, prompt: Any, options: CompletionOptions) -> Any:
        """The whole answer, without blocking the event loop."""
        ...

    def stream(self, prompt: Any, options: CompletionOptions) -> Iterator[Any]:
        """The answer in pieces."""
        ...

    async def stream_async(self, prompt: Any, options: CompletionOptions) -> AsyncIterator[Any]:
        """The answer in pieces, without blocking the event loop."""
        ...

    def reset(self) -> None:
        """Begin anew in a forked child: no connection crosses a fork."""
        ...


class _ModelAnswerer:
    """A model as an arm."""

    def __init__(self, model: Model, base: str | None) -> None:
        self._given = model
        self.needs_loop = False
        self.name = str(model)
        self.reset()
        self.pricing: Pricing | None = Pricing.of(self._model, base)

    def reset(self) -> None:
        self._model = self._given.connected()

    def complete(self, prompt: Any, options: CompletionOptions) -> Any:
        return self._model.complete(prompt, options)

    async def complete_async(self, prompt: Any, options: CompletionOptions) -> Any:
        return await self._model.complete_async(prompt, options)

    def stream(self, prompt: Any, options: CompletionOptions) -> Iterator[Any]:
        return self._model.stream(prompt, options)

    async def stream_async(self, prompt: Any, options: CompletionOptions) -> AsyncIterator[Any]:
        return self._model.stream_async(prompt, options)


class _FunctionAnswerer:
    """A callable as an arm."""

    def __init__(self, function: Function, name: str, base: str | None) -> None:
        self._function = function
        self.name = name
        self.pricing = _catalog_pricing(name, base)
        self.needs_loop = any(
            kind(candidate)
            for kind in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
            for candidate in (function, getattr(function, "__call__", None))  # noqa: B004  # an object's own async call
        )

    def complete(self, prompt: Any, options: CompletionOptions) -> Any:
        if self.needs_loop:
            raise UsageError(f"{self.name} is async: use complete_async() or stream_async()")
        return self._function(prompt, options)

    async def complete_async(self, prompt: Any, options: CompletionOptions) -> Any:
        if not self.needs_loop:
            return await in_thread(lambda: self._function(prompt, options))
        return await self._function(prompt, options)

    def stream(self, prompt: Any, options: CompletionOptions) -> Iterator[Any]:
        pieces = self.complete(prompt, options)
        return pieces if hasattr(pieces, "__next__") else iter(pieces)

    async def stream_async(self, prompt: Any, options: CompletionOptions) -> AsyncIterator[Any]:
        if not self.needs_loop:
            raise UsageError(f"{self.name} isn't async: use stream()")
        pieces = self._function(prompt, options)
        pieces = await pieces if inspect.isawaitable(pieces) else pieces
        return pieces if hasattr(pieces, "__anext__") else aiter(pieces)

    def reset(self) -> None:
        """Nothing of ours crosses a fork; what the callable holds is its own."""


def answerer(source: Source, name: str, base: str | None = None) -> Answerer:
    """An arm that asks a model or a callable.

    Args:
        source: Model or callable.
        name: The model's name in events and errors, where a callable is given.
        base: The provider's id of the model that it was tuned from, where known: it tells the price.
    """
    return _ModelAnswerer(source, base) if isinstance(source, Model) else _FunctionAnswerer(source, name, base)


def _catalog_pricing(name: str, base: str | None) -> Pricing | None:
    """What a model's name says about its price, or the name of the model that it was tuned from."""
    reference = ModelReference.parse(name)
    catalog = load_catalog(reference.provider)
    entry = catalog.find(reference.model) or (None if base is None else catalog.find(base))
    return None if entry is None or entry.prices.input is None else Pricing(entry.prices)


def described(result: Any, model: str) -> Completion:
    """What is known about an answer: all of a `Completion`, the usual fields of OpenAI's, the text of a text.

    Args:
        result: What a model or callable gave.
        model: Its name.
    """
    if isinstance(result, Completion):
        return result
    if isinstance(result, str):
        return Completion(text=result, model=model)
    try:
        choice = result.choices[0]
        return Completion(
            text=choice.message.content or "",
            model=getattr(result, "model", None) or model,
            finish_reason=getattr(choice, "finish_reason", None) or "stop",
            usage=_usage(getattr(result, "usage", None)) or Usage(),
            refusal=getattr(choice.message, "refusal", None),
        )
    except (AttributeError, IndexError, KeyError, TypeError):  # of a shape that nobody told us
        return Completion(text="", model=model)


def described_chunk(piece: Any) -> CompletionChunk:
    """What is known about a piece of a streamed answer; as `described`."""
    if isinstance(piece, CompletionChunk):
        return piece
    if isinstance(piece, str):
        return CompletionChunk(text=piece)
    usage = _usage(getattr(piece, "usage", None))
    try:
        choice = piece.choices[0]
        return CompletionChunk(text=choice.delta.content or "", finish_reason=choice.finish_reason, usage=usage)
    except (AttributeError, IndexError, KeyError, TypeError):  # of a shape that nobody told us
        return CompletionChunk(usage=usage)


def _usage(found: Any) -> Usage | None:
    if found is None:
        return None
    details = getattr(found, "prompt_tokens_details", None)
    return Usage(
        prompt_tokens=getattr(found, "prompt_tokens", None) or 0,
        completion_tokens=getattr(found, "completion_tokens", None) or 0,
        cached_tokens=getattr(details, "cached_tokens", None) or 0,
    )
