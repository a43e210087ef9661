"""A shadow never holds up its caller, ends exactly once, and every loss has its reason: the counts add up."""

import asyncio
import threading
from collections import Counter

from finetuner.deployment.observations import Observation
from finetuner.deployment.shadow import Loss, Shadow, ShadowOptions, ShadowOutcome, ShadowQueue

EVENT = Observation(kind="shadow", request_id="r", at=0.0)


class Settled:
    """What came of shadows."""

    def __init__(self) -> None:
        self.words: Counter[str] = Counter()

    def __call__(self, outcome: ShadowOutcome | Loss) -> None:
        self.words[outcome if isinstance(outcome, str) else "answered"] += 1


def answered(cost: float = 0.0) -> ShadowOutcome:
    return ShadowOutcome(event=EVENT, ok=True, cost_usd=cost)


def test_a_full_queue_sheds_the_newest_and_the_counts_add_up() -> None:
    begun, release, settled = threading.Event(), threading.Event(), Settled()

    def hang() -> ShadowOutcome:
        begun.set()
        release.wait(10)
        return answered()

    shadows = ShadowQueue(ShadowOptions(capacity=2, concurrency=1))
    assert shadows.submit(Shadow(settled, ask=hang))
    assert begun.wait(10)
    assert [shadows.submit(Shadow(settled, ask=hang)) for _ in range(4)] == [True, True, False, False]
    release.set()
    assert shadows.drain()
    assert shadows.counts == {"sampled": 5, "queue": 2, "done": 3}
    assert settled.words == {"answered": 3, "queue": 2}


def test_prompts_that_are_too_large_together_are_shed() -> None:
    release, settled = threading.Event(), Settled()

    def hang() -> ShadowOutcome:
        release.wait(10)
        return answered()

    shadows = ShadowQueue(ShadowOptions(most_bytes=100, concurrency=0))
    assert [shadows.submit(Shadow(settled, ask=hang, size=60)) for _ in range(2)] == [True, False]
    assert settled.words == {"memory": 1}
    release.set()


def test_no_more_than_the_concurrency_runs_at_once() -> None:
    lock, running, most = threading.Lock(), [0], [0]
    gate = threading.Event()

    def work() -> ShadowOutcome:
        with lock:
            running[0] += 1
            most[0] = max(most)
            most[0] = max(most[0], running[0])
        gate.wait(0.01)
        with lock:
            running[0] -= 1
        return answered()

    shadows = ShadowQueue(ShadowOptions(concurrency=3))
    for _ in range(40):
        shadows.submit(Shadow(Settled(), ask=work))
    assert shadows.drain(10)
    assert most[0] <= 3


def test_no_shadow_begins_once_the_money_is_spent() -> None:
    settled = Settled()
    shadows = ShadowQueue(ShadowOptions(concurrency=1, max_usd=1.0))
    for _ in range(5):
        shadows.submit(Shadow(settled, ask=lambda: answered(0.5)))
    assert shadows.drain()
    assert not shadows.submit(Shadow(settled, ask=lambda: answered(0.5)))
    assert (shadows.counts["done"], shadows.counts["spend"], shadows.spent_usd) == (2, 4, 1.0)


def test_what_waits_or_hangs_at_the_end_is_abandoned_and_counts_once_even_if_it_ends_later() -> None:
    release, settled = threading.Event(), Settled()

    def hang() -> ShadowOutcome:
        release.wait(10)
        return answered()

    shadows = ShadowQueue(ShadowOptions(concurrency=1))
    for _ in range(3):
        shadows.submit(Shadow(settled, ask=hang))
    assert not shadows.drain(0.01)
    shadows.abandon()
    release.set()
    assert shadows.drain()
    assert settled.words == {"abandoned": 3}
    assert shadows.counts == {"sampled": 3, "abandoned": 3}


def test_a_loss_that_is_known_at_once_is_counted() -> None:
    settled, shadows = Settled(), ShadowQueue()
    assert not shadows.submit(Shadow(settled, ask=answered), "base-failed")
    assert settled.words == {"base-failed": 1}


def test_in_an_event_loop_shadows_run_as_tasks_that_outlive_their_caller() -> None:
    settled, shadows = Settled(), ShadowQueue(ShadowOptions(concurrency=2))

    async def ask() -> ShadowOutcome:
        await asyncio.sleep(0.001)
        return answered()

    async def caller() -> None:
        for _ in range(7):
            shadows.submit(Shadow(settled, ask_async=ask))
        await asyncio.sleep(10)

    async def main() -> bool:
        called = asyncio.create_task(caller())
        await asyncio.sleep(0)
        called.cancel()
        return await shadows.drain_async()

    assert asyncio.run(main())
    assert shadows.counts == {"sampled": 7, "done": 7}


def test_a_loop_that_ends_abandons_its_shadows() -> None:
    settled, shadows = Settled(), ShadowQueue(ShadowOptions(concurrency=1))

    async def hang() -> ShadowOutcome:
        await asyncio.sleep(10)
        return answered()

    async def main() -> None:
        for _ in range(2):
            shadows.submit(Shadow(settled, ask_async=hang))
        await asyncio.sleep(0)

    asyncio.run(main())
    shadows.abandon()
    assert settled.words == {"abandoned": 2}
