"""Base steps in until the first piece with content is out; an error that comes later surfaces, and is counted (R3)."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from finetuner.deployment import observations
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.providers.ports import CompletionChunk, CompletionOptions, Usage
from finetuner.testing.clock import FakeClock

END = CompletionChunk(finish_reason="stop", usage=Usage(prompt_tokens=3, completion_tokens=2))
Script = Sequence[str | CompletionChunk | BaseException]


def scripted(*script: str | CompletionChunk | BaseException) -> Any:
    """A callable that streams a script, and raises what is to be raised."""

    def stream(_prompt: Any, _options: CompletionOptions) -> Iterator[Any]:
        for step in script:
            if isinstance(step, BaseException):
                raise step
            yield step

    return stream


def scripted_async(*script: str | CompletionChunk | BaseException) -> Any:
    async def stream(_prompt: Any, _options: CompletionOptions) -> AsyncIterator[Any]:
        for step in script:
            if isinstance(step, BaseException):
                raise step
            yield step

    return stream


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    rollout = Rollout.create("faq", base="a:base", tuned="a:tuned", store=tmp_path, clock=FakeClock())
    rollout.ramp(0.5)
    return rollout


def events(rollout: Rollout, router: Router) -> list[Observation]:
    router.close()
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return list(observations.folded(rollout.journal, rollout.name))


def route(rollout: Rollout, base: Any, tuned: Any, **options: Any) -> Router:
    return Router(rollout, base=base, tuned=tuned, options=RouterOptions(**options), clock=FakeClock())


def texts(pieces: Sequence[Any]) -> list[str]:
    return [piece if isinstance(piece, str) else piece.text for piece in pieces]


@pytest.mark.parametrize(
    "tuned",
    [
        scripted(RuntimeError("at once")),
        scripted("", RuntimeError("before content")),
        scripted(SystemExit()),
    ],
)
def test_base_answers_when_tuned_fails_before_its_first_content(rollout: Rollout, tuned: Any) -> None:
    router = route(rollout, scripted("old", END), tuned)
    stream = router.stream("hi", unit="u", arm="tuned")
    assert (texts(list(stream)), stream.arm, stream.text) == (["old", ""], "base", "old")
    (event,) = events(rollout, router)
    assert (event.assigned, event.served) == ("tuned", "base")
    assert event.error in {"RuntimeError", "SystemExit"}


def test_later_errors_surface_and_count_against_who_answered(rollout: Rollout) -> None:
    router = route(rollout, scripted("old", END), scripted("new", RuntimeError("in the middle")))
    stream = router.stream("hi", unit="u", arm="tuned")
    assert next(stream) == "new"
    with pytest.raises(RuntimeError, match="in the middle"):
        next(stream)
    (event,) = events(rollout, router)
    assert (event.served, event.error) == ("tuned", "RuntimeError")


def test_a_tuned_model_whose_first_piece_is_late_is_replaced(rollout: Rollout) -> None:
    release, closed = threading.Event(), threading.Event()

    def late(_prompt: Any, _options: CompletionOptions) -> Iterator[str]:
        try:
            release.wait(10)
            yield "new"
        finally:
            closed.set()

    router = route(rollout, scripted("old", END), late, deadline=0.02)
    assert router.stream("hi", unit="u", arm="tuned").arm == "base"
    release.set()
    assert closed.wait(10), "the late stream must be closed, not forgotten"
    assert [event.error for event in events(rollout, router) if event.error] == ["Timeout"]


def test_what_a_stream_tells_is_recorded(rollout: Rollout) -> None:
    router = route(rollout, scripted("old ", "answer", END), scripted(), texts="all")
    assert texts(list(router.stream("hi", unit="u", arm="base"))) == ["old ", "answer", ""]
    (event,) = events(rollout, router)
    assert (event.answer, event.prompt, event.finish_reason) == ("old answer", "hi", "stop")
    assert (event.prompt_tokens, event.completion_tokens) == (3, 2)
    assert event.first_token is not None


@pytest.mark.parametrize("leave", ["close", "with", "forget"])
def test_a_caller_who_leaves_is_recorded_once_as_no_failure(rollout: Rollout, leave: str) -> None:
    router = route(rollout, scripted("old ", "answer", END), scripted())
    stream = router.stream("hi", unit="u", arm="base")
    next(stream)
    if leave == "close":
        stream.close()
        stream.close()
    elif leave == "with":
        with stream:
            pass
    del stream
    gc.collect()
    (event,) = events(rollout, router)
    assert (event.finish_reason, event.error) == ("closed", None)


def test_a_base_that_fails_in_a_stream_surfaces(rollout: Rollout) -> None:
    router = route(rollout, scripted(RuntimeError("down")), scripted())
    with pytest.raises(RuntimeError, match="down"):
        list(router.stream("hi", unit="u", arm="base"))
    (event,) = events(rollout, router)
    assert (event.served, event.error) == ("base", "RuntimeError")


def test_async_streams_alike(rollout: Rollout) -> None:
    async def main() -> list[tuple[str, list[str]]]:
        found = []
        for tuned in (
            scripted_async("new", END),
            scripted_async(RuntimeError("down")),
            scripted_async("", ValueError()),
        ):
            async with route(rollout, scripted_async("old", END), tuned) as router:
                stream = await router.stream_async("hi", unit="u", arm="tuned")
                found.append((stream.arm, texts([piece async for piece in stream])))
        return found

    assert asyncio.run(main()) == [("tuned", ["new", ""]), ("base", ["old", ""]), ("base", ["old", ""])]


def test_async_errors_after_the_first_content_surface(rollout: Rollout) -> None:
    async def main() -> None:
        router = route(rollout, scripted_async("old"), scripted_async("new", RuntimeError("in the middle")))
        stream = await router.stream_async("hi", unit="u", arm="tuned")
        assert await anext(stream) == "new"
        with pytest.raises(RuntimeError, match="in the middle"):
            await anext(stream)
        async with await router.stream_async("hi", unit="u", arm="base") as left:
            assert await anext(left) == "old"
        await router.aclose()

    asyncio.run(main())


def test_a_stream_that_base_answered_is_shadowed_when_it_ended(rollout: Rollout) -> None:
    rollout.shadow(1.0)
    asked: list[Any] = []

    def tuned(prompt: Any, _options: CompletionOptions) -> str:
        asked.append(prompt)
        return "new"

    router = route(rollout, scripted("old", END), tuned)
    stream = router.stream("hi", unit="u", arm="base")
    assert router.health.shadows == {}
    list(stream)
    assert router.drain()
    assert asked == ["hi"]
    assert [event.kind for event in events(rollout, router)] == ["exposure", "shadow"]
