"""A shadow never holds up its caller, and every loss is counted."""

import threading

from finetuner.deployment.shadow import ShadowQueue


def test_a_full_queue_sheds_the_newest_and_the_counts_add_up() -> None:
    begun, release = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait(10)

    shadows = ShadowQueue(capacity=2, workers=1)
    assert shadows.submit(hang)
    assert begun.wait(10)
    assert [shadows.submit(hang) for _ in range(4)] == [True, True, False, False]
    release.set()
    shadows.drain()
    assert shadows.counts == {"accepted": 3, "shed": 2, "done": 3}


def test_whatever_a_task_raises_is_counted_and_the_next_one_runs() -> None:
    def fail() -> None:
        raise SystemExit

    shadows = ShadowQueue(workers=1)
    shadows.submit(fail)
    shadows.submit(lambda: None)
    shadows.drain()
    assert shadows.counts == {"accepted": 2, "failed": 1, "done": 1}
