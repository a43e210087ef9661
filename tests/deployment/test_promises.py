"""The router's promises, each by its row: what must hold whatever tuned, shadow, disk or state do.

R6 and R7 are in `test_lifetimes`, R3 in `test_streaming`, R9 and R10 with the rollout.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetuner.deployment import observations
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.breaker import BreakerOptions
from finetuner.deployment.observations import Observation
from finetuner.deployment.poller import kill_switch
from finetuner.deployment.recorder import RecorderOptions
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.deployment.segments import Segment
from finetuner.deployment.shadow import ShadowOptions
from finetuner.errors import UsageError
from finetuner.providers.ports import CompletionOptions
from finetuner.testing.clock import FakeClock

ANSWER = "old " * 50


class Odd(BaseException):
    """Not an `Exception`."""


def base(_prompt: Any, _options: CompletionOptions) -> str:
    return ANSWER


async def base_async(_prompt: Any, _options: CompletionOptions) -> str:
    return ANSWER


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout.create("faq", base="a:base", tuned="a:tuned", store=tmp_path)


def everybody_tuned(rollout: Rollout) -> Rollout:
    rollout.ramp(0.5)
    rollout.promote()
    return rollout


def events(rollout: Rollout) -> list[Observation]:
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return list(observations.folded(rollout.journal, rollout.name))


# -- R1: the base answer never waits for, or fails because of, the shadow --------------------------------------------


def hangs(release: threading.Event) -> Callable[..., Any]:
    return lambda *_: release.wait(30)


def raises(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> str:
        raise error

    return fail


@pytest.mark.parametrize("fault", ["hangs", "raises", "raises BaseException", "exits", "queue full", "odd answer"])
def test_r1_a_shadow_changes_no_answer(rollout: Rollout, fault: str) -> None:
    rollout.shadow(1.0)
    release = threading.Event()
    tuned = {
        "hangs": hangs(release),
        "queue full": hangs(release),
        "raises": raises(RuntimeError("down")),
        "raises BaseException": raises(Odd()),
        "exits": raises(SystemExit()),
        "odd answer": lambda *_: object(),
    }[fault]
    bounds = ShadowOptions(capacity=0 if fault == "queue full" else 1000)
    router = Router(rollout, base=base, tuned=tuned, shadow=bounds)
    assert {router.complete("hi", unit=unit).raw for unit in range(40)} == {ANSWER}
    release.set()
    router.close()
    found = Counter(event.kind for event in events(rollout))
    assert found == {"exposure": 40, "shadow": 40}


@pytest.mark.parametrize("fault", ["full", "hangs"])
def test_r1_a_dead_disk_changes_no_answer(rollout: Rollout, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    release = threading.Event()

    def dead(_self: Segment, _data: bytes) -> int:
        if fault == "hangs":
            release.wait(30)
        raise OSError("no space left")

    router = Router(rollout, base=base, tuned=base)
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "write", dead)
        assert {router.complete("hi", unit=unit).raw for unit in range(40)} == {ANSWER}
        assert router.health.waiting_events == 40
    release.set()
    router.close()
    assert len(events(rollout)) == 40


def test_r1_in_an_event_loop_alike(rollout: Rollout) -> None:
    rollout.shadow(1.0)

    async def hang(_prompt: Any, _options: CompletionOptions) -> str:
        await asyncio.sleep(600)
        return "new"

    async def main() -> set[str]:
        router = Router(rollout, base=base_async, tuned=hang)
        answers = await asyncio.gather(*(router.complete_async("hi", unit=unit) for unit in range(40)))
        await router.aclose(0.6)
        return {answer.raw for answer in answers}

    assert asyncio.run(main()) == {ANSWER}
    assert [event.lost for event in events(rollout)].count("abandoned") == 40


# -- R2: tuned failing or late -> base once, within the rest of the budget, counted against tuned --------------------


@pytest.mark.parametrize(
    ("error", "name"),
    [(RuntimeError("x"), "RuntimeError"), (Odd(), "Odd"), (SystemExit(), "SystemExit"), (None, "Timeout")],
)
@pytest.mark.parametrize("in_loop", [False, True])
def test_r2_base_steps_in_once_with_what_is_left_of_the_deadline(
    rollout: Rollout, error: BaseException | None, name: str, in_loop: bool
) -> None:
    everybody_tuned(rollout)
    release, asked = threading.Event(), []

    def tuned(*_: Any) -> str:
        if error is None:
            release.wait(30)
            return "late"
        raise error

    def answers(_prompt: Any, options: CompletionOptions) -> str:
        asked.append(options.timeout)
        return ANSWER

    deadline = 30.0 if error else 0.1
    router = Router(rollout, base=answers, tuned=tuned, options=RouterOptions(deadline=deadline, tuned_part=0.5))
    answer = asyncio.run(router.complete_async("hi", unit="u")) if in_loop else router.complete("hi", unit="u")
    release.set()
    router.close()
    assert (answer.arm, answer.raw, len(asked)) == ("base", ANSWER, 1)
    assert 0 < asked[0] <= deadline * (1.0 if error else 0.5)
    (event,) = events(rollout)
    assert (event.assigned, event.served, event.error, event.analyzed) == ("tuned", "base", name, True)
    assert event.waited >= event.latency


def test_r2_the_callers_own_timeout_is_the_budget_and_base_alone_gets_it_untouched(rollout: Rollout) -> None:
    seen: list[float | None] = []

    def keep(_prompt: Any, options: CompletionOptions) -> str:
        seen.append(options.timeout)
        return ANSWER

    router = Router(rollout, base=keep, tuned=keep, options=RouterOptions(tuned_part=0.25))
    router.complete("hi", unit="u", options=CompletionOptions(timeout=8.0))
    router.complete("hi", unit="u")
    everybody_tuned(rollout)
    router.poll()
    router.complete("hi", unit="u", options=CompletionOptions(timeout=8.0))
    router.close()
    assert seen == [8.0, None, 2.0]


def test_r2_calls_that_hang_are_bounded_and_what_is_not_asked_is_not_blamed(rollout: Rollout) -> None:
    everybody_tuned(rollout)
    release = threading.Event()
    never = BreakerOptions(minimum=1000, window=1000)
    rules = RouterOptions(deadline=0.002)
    router = Router(rollout, base=base, tuned=hangs(release), options=rules, breaker=never)
    assert {router.complete("hi", unit=unit).arm for unit in range(50)} == {"base"}
    assert router.health.late_calls == 32
    release.set()
    router.close()
    found = Counter((event.error, event.reason, event.analyzed) for event in events(rollout))
    assert found == {("Timeout", "bucket", True): 32, (None, "saturated", False): 18}


def test_an_open_breaker_keeps_traffic_from_tuned_but_not_those_who_ask_for_it(rollout: Rollout) -> None:
    everybody_tuned(rollout)
    router = Router(rollout, base=base, tuned=raises(RuntimeError("down")))
    for unit in range(20):
        router.complete("hi", unit=unit)
    assert router.health.breaker == "open"
    router.complete("hi", unit="kept")
    router.complete("hi", unit="asked", arm="tuned")
    router.close()
    last = {event.unit: event for event in events(rollout)}
    assert (last["kept"].reason, last["kept"].error, last["kept"].assigned) == ("breaker", None, "tuned")
    assert (last["asked"].reason, last["asked"].error) == ("override", "RuntimeError")


# -- R4, R5: bounded, sampled before load is known, every loss accounted ---------------------------------------------


def test_r4_a_flood_is_bounded_and_r5_its_counts_add_up(rollout: Rollout) -> None:
    rollout.shadow(1.0)
    release, running, most, lock = threading.Event(), [0], [0], threading.Lock()

    def tuned(*_: Any) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        release.wait(30)
        with lock:
            running[0] -= 1
        return "new"

    router = Router(rollout, base=base, tuned=tuned, shadow=ShadowOptions(capacity=100))
    assert {router.complete("hi", unit=unit).raw for unit in range(300)} == {ANSWER}
    assert sum(thread.name == "finetuner-shadow" for thread in threading.enumerate()) >= 1
    release.set()
    assert router.drain(30)
    counts = router.health.shadows
    router.close()
    assert most[0] <= 8
    assert counts["sampled"] == 300 == counts["done"] + counts["queue"]
    shadows = [event for event in events(rollout) if event.kind == "shadow"]
    assert Counter(event.lost for event in shadows) == {None: counts["done"], "queue": counts["queue"]}


def test_r5_a_shadow_that_is_late_is_a_failure_of_tuned_and_never_asked_again(rollout: Rollout) -> None:
    rollout.shadow(1.0)
    release, asked = threading.Event(), []

    def tuned(*_: Any) -> str:
        asked.append(1)
        release.wait(30)
        return "new"

    router = Router(rollout, base=base, tuned=tuned, options=RouterOptions(deadline=0.02))
    router.complete("hi", unit="u")
    assert router.drain(10)
    release.set()
    router.close()
    (shadow,) = [event for event in events(rollout) if event.kind == "shadow"]
    assert (shadow.error, shadow.lost, len(asked)) == ("Timeout", None, 1)


def test_r5_a_base_that_failed_has_no_shadow_to_compare_with(rollout: Rollout) -> None:
    rollout.shadow(1.0)
    router = Router(rollout, base=raises(RuntimeError("down")), tuned=base)
    with pytest.raises(RuntimeError):
        router.complete("hi", unit="u")
    router.close()
    assert [(event.kind, event.lost) for event in events(rollout)] == [("exposure", None), ("shadow", "base-failed")]


def test_a_spend_cap_needs_a_price(rollout: Rollout) -> None:
    with pytest.raises(UsageError, match="max_usd needs a price"):
        Router(rollout, base=base, tuned=base, shadow=ShadowOptions(max_usd=1.0))


def test_r7_a_cancelled_caller_cancels_no_shadow_and_is_no_failure(rollout: Rollout) -> None:
    rollout.shadow(1.0)

    async def main() -> None:
        entered = asyncio.Event()

        async def slow(_prompt: Any, _options: CompletionOptions) -> str:
            entered.set()
            await asyncio.sleep(600)
            return ANSWER

        async with Router(rollout, base=base_async, tuned=base_async) as router:
            await router.complete_async("hi", unit="u")
        async with Router(rollout, base=slow, tuned=base_async) as router:
            task = asyncio.create_task(router.complete_async("hi", unit="u"))
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    found = [(event.kind, event.reason, event.error, event.lost) for event in events(rollout)]
    assert ("exposure", "cancelled", None, None) in found
    assert ("shadow", "off", None, None) in found


# -- R8: rollback is immediate and monotone --------------------------------------------------------------------------


def test_r8_a_rollback_reaches_every_worker_within_a_second_whatever_is_broken(rollout: Rollout) -> None:
    everybody_tuned(rollout)
    routers = [Router(rollout, base=base, tuned=lambda *_: "new") for _ in range(4)]
    assert {router.complete("hi", unit="u").arm for router in routers} == {"tuned"}
    rollout.rollback("bad")
    rolled_back = time.monotonic()
    while time.monotonic() < rolled_back + 1.0:
        time.sleep(0.05)
    assert {router.complete("hi", unit=unit, arm="tuned").arm for router in routers for unit in range(50)} == {"base"}
    for router in routers:
        router.close()


def test_r8_a_process_that_was_stopped_trusts_nothing_that_it_knew(rollout: Rollout) -> None:
    """After SIGSTOP and SIGCONT the first request comes before the poller looks: base answers it."""
    everybody_tuned(rollout)
    clock = FakeClock()
    router = Router(rollout, base=base, tuned=lambda *_: "new", clock=clock)
    router._traffic.poller.stop()
    assert router.complete("hi", unit="u").arm == "tuned"
    clock.advance(60)
    assert router.complete("hi", unit="u").arm == "base"
    router.close()
    assert [event.reason for event in events(rollout)] == ["bucket", "stale"]


def test_r8_the_kill_switch_needs_a_shell_only(rollout: Rollout) -> None:
    everybody_tuned(rollout)
    router = Router(rollout, base=base, tuned=lambda *_: "new")
    kill_switch(rollout.state_path).touch()
    router.poll()
    assert router.complete("hi", unit="u", arm="tuned").arm == "base"
    kill_switch(rollout.state_path).unlink()
    router.poll()
    assert router.complete("hi", unit="u").arm == "tuned"
    router.close()


# -- what is recorded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("texts", "kept"), [("none", []), ("pairs", ["shadowed"]), ("all", ["plain", "shadowed"])])
def test_texts_are_kept_only_as_far_as_one_asks(rollout: Rollout, texts: Any, kept: list[str]) -> None:
    rules = RouterOptions(texts=texts, text=lambda prompt: str(prompt).replace("secret", "<SECRET>"))
    with Router(rollout, base=base, tuned=base, options=rules, recorder=RecorderOptions(memory=None)) as router:
        router.complete("secret", unit="plain")
        rollout.shadow(1.0)
        router.poll()
        router.complete("secret", unit="shadowed")
    found = events(rollout)
    assert sorted({str(event.unit) for event in found if event.prompt is not None}) == kept
    assert {event.prompt for event in found} <= {None, "<SECRET>"}


@pytest.mark.parametrize(
    ("valid", "expected"), [(lambda c: "new" in c.text, False), (lambda _: 1 / 0, False), (None, None)]
)
def test_whether_an_answer_is_valid_is_recorded(rollout: Rollout, valid: Any, expected: bool | None) -> None:
    with Router(rollout, base=base, tuned=base, options=RouterOptions(valid=valid)) as router:
        assert router.complete("hi", unit="u").raw == ANSWER
    assert [event.valid for event in events(rollout)] == [expected]
