"""Base always answers; units keep their arm; what tuned does wrong is counted against tuned; rollback is immediate."""

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from finetuner.data.examples import Message
from finetuner.deployment import observations
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.errors import UsageError
from finetuner.providers.model import Model
from finetuner.testing.clock import FakeClock
from finetuner.testing.scripted import Answers, ScriptedProvider


def model(name: str, answers: Answers) -> Model:
    return Model(f"scripted:{name}", provider=ScriptedProvider(answers=answers))


def broken(_model: str, _messages: Sequence[Message]) -> str:
    raise RuntimeError("down")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rollout(tmp_path: Path, clock: FakeClock) -> Rollout:
    return Rollout.create("tickets", base="scripted:base", tuned="scripted:tuned", store=tmp_path, clock=clock)


def router(rollout: Rollout, clock: FakeClock, *, base: Answers = "old", tuned: Answers = "new") -> Router:
    return Router(rollout, base=model("base", base), tuned=model("tuned", tuned), clock=clock)


def events(rollout: Rollout, served: Router) -> tuple[Observation, ...]:
    served.close()
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return observations.folded(rollout.journal, rollout.name)


def test_before_a_ramp_everybody_gets_base(rollout: Rollout, clock: FakeClock) -> None:
    served = router(rollout, clock)
    assert {served.complete("hi", unit=unit).arm for unit in range(50)} == {"base"}


def test_a_unit_keeps_its_arm_and_a_share_of_units_gets_tuned(rollout: Rollout, clock: FakeClock) -> None:
    rollout.ramp(0.5)
    first, second = router(rollout, clock), router(rollout, clock)
    arms = [first.complete("hi", unit=unit).arm for unit in range(400)]
    assert arms == [second.complete("hi", unit=unit).arm for unit in range(400)]
    assert 150 < arms.count("tuned") < 250
    assert {event.analyzed for event in events(rollout, first)} == {True}


def test_without_a_unit_base_answers_unanalyzed(rollout: Rollout, clock: FakeClock) -> None:
    rollout.ramp(0.99)
    served = router(rollout, clock)
    assert served.complete("hi").text == "old"
    assert [event.analyzed for event in events(rollout, served)] == [False]


def test_a_failing_tuned_model_is_replaced_and_blamed(rollout: Rollout, clock: FakeClock) -> None:
    rollout.ramp(0.5)
    rollout.promote()
    served = router(rollout, clock, tuned=broken)
    assert [served.complete("hi", unit=unit).text for unit in range(30)] == ["old"] * 30
    seen = events(rollout, served)
    blamed = [event for event in seen if event.error]
    assert {(event.assigned, event.served, event.error) for event in blamed} == {("tuned", "base", "RuntimeError")}
    # The breaker opens after 20 failures; what it keeps from tuned says nothing about tuned.
    assert (len(blamed), sum(event.analyzed for event in seen)) == (20, 20)


def test_a_failing_base_surfaces_and_is_recorded(rollout: Rollout, clock: FakeClock) -> None:
    served = router(rollout, clock, base=broken)
    with pytest.raises(RuntimeError, match="down"):
        served.complete("hi", unit=1)
    assert [(event.assigned, event.error) for event in events(rollout, served)] == [("base", "RuntimeError")]


def test_async_serves_alike(rollout: Rollout, clock: FakeClock) -> None:
    rollout.ramp(0.5)
    served, failing = router(rollout, clock), router(rollout, clock, tuned=broken)
    for unit in range(20):
        expected = served.complete("hi", unit=unit)
        answer = asyncio.run(served.complete_async("hi", unit=unit))
        assert (answer.arm, answer.text) == (expected.arm, expected.text)
        assert asyncio.run(failing.complete_async("hi", unit=unit)).text == "old"


def test_a_rollback_reaches_a_running_router_within_one_poll(rollout: Rollout, clock: FakeClock) -> None:
    rollout.ramp(0.5)
    rollout.promote()
    served = router(rollout, clock)
    assert served.complete("hi", unit=1).arm == "tuned"
    rollout.rollback("bad")
    clock.advance(1)
    assert served.complete("hi", unit=1).arm == "base"


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"share": 1}'])
def test_an_unreadable_state_means_base_only(rollout: Rollout, clock: FakeClock, content: bytes | None) -> None:
    rollout.ramp(0.5)
    rollout.promote()
    served = router(rollout, clock)
    if content is None:
        rollout.state_path.unlink()
    else:
        rollout.state_path.write_bytes(content)
    clock.advance(1)
    assert {served.complete("hi", unit=unit).arm for unit in range(20)} == {"base"}


def test_a_shadow_that_hangs_or_fails_changes_nothing_for_users(rollout: Rollout, clock: FakeClock) -> None:
    rollout.shadow(1.0)
    release = threading.Event()

    def hang(_model: str, _messages: Sequence[Message]) -> str:
        release.wait(10)
        raise RuntimeError("late")

    served = router(rollout, clock, tuned=hang)
    assert [served.complete("hi", unit=unit).text for unit in range(30)] == ["old"] * 30
    release.set()
    assert served.drain()
    assert served.health.shadows == {"sampled": 30, "failed": 30}
    shadowed = [event for event in events(rollout, served) if event.kind == "shadow"]
    assert (len(shadowed), {event.error for event in shadowed}) == (30, {"RuntimeError"})


def test_a_full_disk_costs_events_and_no_answers(
    rollout: Rollout, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = router(rollout, clock)

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert served.complete("hi", unit=1).text == "old"
    assert served.health.waiting_events == 1


def test_feedback_finds_its_answer(rollout: Rollout, clock: FakeClock) -> None:
    served = router(rollout, clock)
    answer = served.complete("hi", unit=1)
    served.feedback(answer.request_id, quality=0.5)
    with pytest.raises(UsageError):
        served.feedback(answer.request_id, quality=2)
    exposure, feedback = events(rollout, served)
    assert (exposure.request_id, feedback.quality) == (feedback.request_id, 0.5)


@pytest.mark.parametrize("unit", ["", True])
def test_an_impossible_unit_is_refused(rollout: Rollout, clock: FakeClock, unit: str) -> None:
    with pytest.raises(UsageError):
        router(rollout, clock).complete("hi", unit=unit)


def test_models_are_reached_through_the_rollouts_own_workspace(tmp_path, monkeypatch):
    """A tuned model lies in the workspace of its rollout, wherever the service runs."""
    monkeypatch.chdir(tmp_path)
    rollout = Rollout.create("here", base="local:ngram-base", tuned="local:ngram-small", store=tmp_path / "elsewhere")
    rollout.ramp(0.99)
    with Router(rollout) as router:
        assert router.complete("refund please: refund or delivery?", unit="7").text
    assert not (tmp_path / ".finetuner").exists()
