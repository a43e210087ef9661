"""Answering with open weights, base or tuned, in this process."""

import asyncio
import contextlib
import math
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import attrs

from finetuner._core import codec
from finetuner.data.examples import Message
from finetuner.errors import NotFoundError
from finetuner.providers.detached.store import JobFolder, Store
from finetuner.providers.huggingface import bases, chats, weights
from finetuner.providers.huggingface.bases import Base
from finetuner.providers.huggingface.generation import Answer, Engine, write
from finetuner.providers.huggingface.mapping import KIND
from finetuner.providers.ports import SUCCEEDED, Completion, CompletionChunk, CompletionOptions, Usage

_MODELS_IN_MEMORY: Final = 2
_SHOWN: Final = 20
_LOADING: Final = threading.Lock()


@attrs.frozen
class Tuned:
    """A tuned model's place.

    Attributes:
        base: The base model's.
        adapter: The folder of the adapter.
        name: What the base model was called in the job.
    """

    base: Base
    adapter: Path
    name: str


@attrs.frozen
class HuggingFaceCompleter:
    """The `Completer` of a workspace. The last models asked stay in memory, shared by all threads.

    Attributes:
        store: Where tuned models lie.
    """

    store: Store

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The answer.

        Raises:
            NotFoundError: There is no such model; the message lists the ones that answer.
            RequestRejectedError: The prompt is too long, or the answer can't obey `response_schema`.
            MissingExtraError: torch or transformers isn't installed.
        """
        begun = time.perf_counter()
        engine = self._engine(model)
        prompt = _prompt(engine, messages, options)
        answer = Answer()
        for _ in write(engine, prompt, options, answer):
            pass
        text, calls = chats.calls_in(answer.text) if options.tools else (answer.text, ())
        if options.response_schema is not None and not calls:
            _check_json(text)
        return Completion(
            text=text,
            model=model,
            finish_reason="tool_calls" if calls else answer.finish_reason,
            usage=Usage(prompt_tokens=len(prompt), completion_tokens=answer.tokens),
            tool_calls=calls,
            confidence=math.exp(min(0.0, sum(token.logprob for token in answer.logprobs))),
            logprobs=tuple(answer.logprobs) if options.logprobs else (),
            request_id=f"{KIND.name}-{secrets.token_hex(8)}",
            latency=time.perf_counter() - begun,
        )

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """Like `complete`, in a thread."""
        return await asyncio.to_thread(self.complete, model, messages, options)

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The answer as it is written; one that may call tools or must be JSON comes whole. Like `complete`."""
        if options.tools or options.response_schema is not None:
            whole = self.complete(model, messages, options)
            if whole.text:
                yield CompletionChunk(text=whole.text)
            yield CompletionChunk(finish_reason=whole.finish_reason, usage=whole.usage, tool_calls=whole.tool_calls)
            return
        engine = self._engine(model)
        prompt = _prompt(engine, messages, options)
        answer = Answer()
        for piece in write(engine, prompt, options, answer):
            yield CompletionChunk(text=piece)
        usage = Usage(prompt_tokens=len(prompt), completion_tokens=answer.tokens)
        yield CompletionChunk(finish_reason=answer.finish_reason, usage=usage)

    async def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The answer as it is written, each piece made in a thread. Like `stream`."""
        pieces = self.stream(model, messages, options)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    def tuned(self, model: str) -> Tuned:
        """Where a tuned model lies.

        Raises:
            NotFoundError: There is none in this workspace, or its job hasn't succeeded.
        """
        named = KIND.job_of_model(model)
        folder = self.store.place(named[0]) if named else None
        if named is None or folder is None or not folder.exists:
            raise self._unknown(model)
        record = folder.record()
        if model != KIND.tuned_model(record, named[1]):
            raise self._unknown(model)
        adapter = folder.checkpoint(self._step(model, folder, named[1]))
        if not (adapter / KIND.weights).is_file():
            raise self._unknown(model)
        return Tuned(Base.read(record.size), adapter, record.request.model)

    def _step(self, model: str, folder: JobFolder, step: int | None) -> int:
        found = folder.model_step() if step is None else step
        if found is None:
            status = folder.state().status
            why = "it kept no checkpoint" if status == SUCCEEDED else f"its job {folder.id} has the status {status!r}"
            raise NotFoundError(f"{model} isn't there: {why}", provider=KIND.name)
        return found

    def _engine(self, model: str) -> Engine:
        if model.startswith("ft:"):
            tuned = self.tuned(model)
            base, adapter = tuned.base, tuned.adapter
        else:
            base, adapter = bases.find(model), None
        with _LOADING:
            return _load(base, adapter)

    def _unknown(self, model: str) -> NotFoundError:
        known = list(self.store.tuned_models())
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return NotFoundError(
            f"no tuned open-weight model {model!r} in {self.store.folder}; "
            f"there are {', '.join(known[:_SHOWN]) or 'none'}{more}",
            provider=KIND.name,
            code="model_not_found",
        )


@lru_cache(maxsize=_MODELS_IN_MEMORY)
def _load(base: Base, adapter: Path | None) -> Engine:
    place = base.fetched()
    tokenizer = weights.load_tokenizer(place)
    model = weights.load_model(place, adapter)
    model.eval()
    return Engine(model, tokenizer)


def _prompt(engine: Engine, messages: Sequence[Message], options: CompletionOptions) -> list[int]:
    if options.tool_choice not in (None, "auto", "none"):
        raise KIND.rejected("tool_choice", f"{options.tool_choice!r} can't be enforced here; leave it to the model")
    tools = () if options.tool_choice == "none" else options.tools
    tokens, _ = engine.tokenizer.encode(engine.tokenizer.render(messages, tools, True))
    if engine.context is not None and len(tokens) >= engine.context:
        problem = f"have {len(tokens):,} tokens, and the model's context holds {engine.context:,} with the answer"
        raise KIND.rejected("messages", problem)
    return tokens


def _check_json(text: str) -> None:
    with contextlib.suppress(ValueError):
        codec.decode(text)
        return
    raise KIND.rejected(
        "response_schema",
        f"isn't obeyed: the answer isn't JSON ({text[:80]!r}); tune the model on such answers, or serve an export with "
        "guided decoding",
    )
