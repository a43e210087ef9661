"""Any two models, or any two callables, sync or async, with any answer."""

import asyncio
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from finetuner.deployment.answers import answerer, described, described_chunk
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.errors import UsageError
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions, Usage
from finetuner.testing.scripted import ScriptedProvider

OPTIONS = CompletionOptions()
OPENAI = Thing(
    model="gpt",
    choices=[Thing(message=Thing(content="hi", refusal=None), finish_reason="length")],
    usage=Thing(prompt_tokens=5, completion_tokens=2, prompt_tokens_details=Thing(cached_tokens=1)),
)


def sync(prompt: Any, _options: CompletionOptions) -> str:
    return f"sync {prompt}"


async def coroutine(prompt: Any, _options: CompletionOptions) -> str:
    return f"async {prompt}"


class Called:
    """An object with an async call."""

    async def __call__(self, prompt: Any, _options: CompletionOptions) -> str:
        return f"object {prompt}"


def model(answer: str) -> Model:
    return Model("scripted:m", provider=ScriptedProvider(answers=answer))


@pytest.mark.parametrize(
    ("base", "tuned"),
    [(sync, coroutine), (coroutine, sync), (Called(), model("hi")), (model("hi"), sync), (coroutine, Called())],
)
def test_any_two_answer_in_an_event_loop(tmp_path: Path, base: Any, tuned: Any) -> None:
    rollout = Rollout.create("faq", base="a:b", tuned="a:t", store=tmp_path)
    rollout.ramp(0.5)

    async def main() -> list[str]:
        async with Router(rollout, base=base, tuned=tuned) as router:
            return [(await router.complete_async("x", unit="u", arm=arm)).text for arm in ("base", "tuned")]

    expected = {"sync": "sync x", "coroutine": "async x", "Called": "object x", "Model": "hi"}
    names = [getattr(source, "__name__", type(source).__name__) for source in (base, tuned)]
    assert asyncio.run(main()) == [expected[name] for name in names]


@pytest.mark.parametrize("source", [coroutine, Called()])
def test_an_async_callable_cannot_answer_without_a_loop(source: Any) -> None:
    arm = answerer(source, "a:m")
    assert arm.needs_loop
    with pytest.raises(UsageError, match="complete_async"):
        arm.complete("x", OPTIONS)


def test_a_sync_callable_cannot_stream_in_a_loop() -> None:
    with pytest.raises(UsageError, match=r"use stream\(\)"):
        asyncio.run(answerer(sync, "a:m").stream_async("x", OPTIONS))


@pytest.mark.parametrize(
    ("raw", "completion"),
    [
        ("hi", Completion(text="hi", model="m")),
        (Completion(text="hi", model="x"), Completion(text="hi", model="x")),
        (
            OPENAI,
            Completion(
                text="hi",
                model="gpt",
                finish_reason="length",
                usage=Usage(prompt_tokens=5, completion_tokens=2, cached_tokens=1),
            ),
        ),
        ({"label": "billing"}, Completion(text="", model="m")),
        (Thing(choices=[]), Completion(text="", model="m")),
        (Thing(choices=[Thing(message=None)]), Completion(text="", model="m")),
        (None, Completion(text="", model="m")),
    ],
)
def test_what_is_known_about_an_answer(raw: Any, completion: Completion) -> None:
    assert described(raw, "m") == completion


@pytest.mark.parametrize(
    ("piece", "chunk"),
    [
        ("hi", CompletionChunk(text="hi")),
        (CompletionChunk(text="hi"), CompletionChunk(text="hi")),
        (
            Thing(choices=[Thing(delta=Thing(content=None), finish_reason="stop")], usage=None),
            CompletionChunk(finish_reason="stop"),
        ),
        (Thing(choices=[], usage=OPENAI.usage), CompletionChunk(usage=described(OPENAI, "m").usage)),
        (b"?", CompletionChunk()),
    ],
)
def test_what_is_known_about_a_piece(piece: Any, chunk: CompletionChunk) -> None:
    assert described_chunk(piece) == chunk


def test_callables_cost_what_the_catalog_says_of_the_models_that_they_stand_for() -> None:
    assert answerer(sync, "openai:gpt-4.1-mini-2025-04-14").pricing is not None
    tuned = answerer(sync, "openai:ft:gpt-4.1-mini-2025-04-14:acme::1", "gpt-4.1-mini-2025-04-14")
    assert tuned.pricing is not None
    assert answerer(sync, "mine:model").pricing is None
