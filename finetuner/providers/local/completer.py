"""Answering with embedded models: the base guesses among the labels of the prompt, a tuned one knows its answers."""

import asyncio
import contextlib
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import attrs

from finetuner._core import codec
from finetuner.data.examples import Example, Message
from finetuner.data.tokens import count_text
from finetuner.errors import NotFoundError
from finetuner.providers.catalog import Catalog
from finetuner.providers.detached.store import Store
from finetuner.providers.local import weights, zero_shot
from finetuner.providers.local.classifier import Classifier
from finetuner.providers.local.mapping import KIND
from finetuner.providers.local.sizes import FeatureConfig, size_from
from finetuner.providers.ports import SUCCEEDED, Completion, CompletionChunk, CompletionOptions, Usage

_MODELS_IN_MEMORY: Final = 4
_SHORT: Final = 2_000
_SHOWN: Final = 20
_PIECE: Final = re.compile(r"\s*\S+\s*")
_LOADING: Final = threading.Lock()


@attrs.frozen
class LocalCompleter:
    """The `Completer` of a workspace. Models are read once and shared by all threads.

    Attributes:
        store: Where tuned models lie.
        catalog: The base models.
    """

    store: Store
    catalog: Catalog
    _paths: dict[str, Path] = attrs.field(factory=dict[str, Path], init=False, eq=False, repr=False)  # never change

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The answer.

        Raises:
            NotFoundError: There is no such model; the message lists the ones that answer.
            RequestRejectedError: There is no user's text, or the answer can't obey `response_schema`.
        """
        begun = time.perf_counter()
        text, confidence = self._answer(model, messages)
        if options.response_schema is not None:
            _check_json(text)
        text, finish_reason = _limited(text, options)
        return Completion(
            text=text,
            model=model,
            finish_reason=finish_reason,
            usage=Usage(
                prompt_tokens=sum(count_text(message.text, model) for message in messages),
                completion_tokens=count_text(text, model),
            ),
            confidence=confidence,
            request_id=f"local-{secrets.token_hex(8)}",
            latency=time.perf_counter() - begun,
        )

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """Like `complete`; work that would hold up the event loop for over a millisecond goes to a thread."""
        if model in self._paths and sum(len(message.text) for message in messages) <= _SHORT:
            return self.complete(model, messages, options)
        return await asyncio.to_thread(self.complete, model, messages, options)

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The answer word by word. Like `complete`."""
        yield from _chunks(self.complete(model, messages, options))

    async def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The answer word by word. Like `complete_async`."""
        for chunk in _chunks(await self.complete_async(model, messages, options)):
            yield chunk

    def _answer(self, model: str, messages: Sequence[Message]) -> tuple[str, float]:
        example = Example(messages=tuple(messages))
        request = example.user_text
        if not request.strip():
            raise KIND.rejected("messages", "have no user's text to answer")
        base = self._base(model)
        if base is not None:
            guess = zero_shot.answer(example.system or "", request, base)
            return guess.answer, guess.confidence
        labels, probabilities = self._tuned(model).predict((request,))
        return labels[0], float(probabilities[0].max())

    def _base(self, model: str) -> FeatureConfig | None:
        entry = None if model in self._paths or model.startswith("ft:") else self.catalog.find(model)
        return None if entry is None else size_from(entry.options).features

    def _tuned(self, model: str) -> Classifier:
        path = self._paths.get(model) or self._find(model)
        try:
            modified = path.stat().st_mtime_ns
        except FileNotFoundError as error:
            self._paths.pop(model, None)
            raise self._unknown(model) from error
        with _LOADING:
            classifier = _load(path, modified)
        self._paths[model] = path
        return classifier

    def _find(self, model: str) -> Path:
        named = KIND.job_of_model(model)
        if named is None:
            raise self._unknown(model)
        job_id, step = named
        folder = self.store.place(job_id)
        if not folder.exists:
            raise self._unknown(model)
        if model != KIND.tuned_model(folder.record(), step):
            raise self._unknown(model)
        if step is not None:
            return folder.weights(step)
        status = folder.state().status
        if status != SUCCEEDED:
            raise NotFoundError(f"{model} isn't there: its job {job_id} has the status {status!r}", provider=KIND.name)
        return folder.weights(folder.checkpoints()[-1].step)

    def _unknown(self, model: str) -> NotFoundError:
        known = [*(entry.name for entry in self.catalog.models), *self.store.tuned_models()]
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return NotFoundError(
            f"no embedded model {model!r} in {self.store.folder}; there are {', '.join(known[:_SHOWN])}{more}",
            provider=KIND.name,
            code="model_not_found",
        )


@lru_cache(maxsize=_MODELS_IN_MEMORY)
def _load(path: Path, modified: int) -> Classifier:  # noqa: ARG001  # a part of the key: a replaced file is read again
    return weights.load(path).classifier


def _limited(text: str, options: CompletionOptions) -> tuple[str, str]:
    """The text as the options allow it, and why it ends."""
    ends = [place for place in (text.find(stop) for stop in options.stop if stop) if place >= 0]
    stopped = text[: min(ends)] if ends else text
    pieces = _PIECE.findall(stopped) if options.max_tokens is not None else ()
    if options.max_tokens is not None and len(pieces) > options.max_tokens:
        return "".join(pieces[: options.max_tokens]).rstrip(), "length"
    return stopped, "stop"


def _check_json(text: str) -> None:
    with contextlib.suppress(ValueError):
        codec.decode(text)
        return
    raise KIND.rejected(
        "response_schema", "can't be obeyed: an embedded model answers with completions seen in training, here not JSON"
    )


def _chunks(completion: Completion) -> Iterator[CompletionChunk]:
    for piece in _PIECE.findall(completion.text):
        yield CompletionChunk(text=piece)
    yield CompletionChunk(finish_reason=completion.finish_reason, usage=completion.usage)
