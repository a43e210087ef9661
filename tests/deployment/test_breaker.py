"""A model that mostly fails is left alone for a while, longer every time, and comes back with one good probe."""

from finetuner.deployment.breaker import Breaker
from finetuner.testing.clock import FakeClock


def opened(clock: FakeClock) -> Breaker:
    breaker = Breaker(clock=clock)
    for number in range(20):
        breaker.record(ok=number % 2 == 0)
    return breaker


def test_half_failing_opens_it_and_too_little_data_does_not() -> None:
    clock = FakeClock()
    few = Breaker(clock=clock)
    for _ in range(19):
        few.record(ok=False)
    assert few.allows()
    assert not opened(clock).allows()


def test_fewer_failures_than_half_leave_it_closed() -> None:
    breaker = Breaker(clock=FakeClock())
    for number in range(200):
        breaker.record(ok=number % 5 != 4)
    assert breaker.allows()


def test_one_probe_after_a_pause_and_a_good_one_closes_it() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(30)
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.record(ok=True)
    assert breaker.allows()


def test_every_failed_probe_doubles_the_pause_up_to_ten_minutes() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    for pause in (30, 60, 120, 240, 480, 600, 600):
        clock.advance(pause - 1)
        assert not breaker.allows()
        clock.advance(1)
        assert breaker.allows()
        breaker.record(ok=False)
