"""A model that mostly fails or dawdles is left alone for a while, longer every time, comes back with good probes."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from finetuner.deployment.breaker import Breaker, BreakerOptions
from finetuner.testing.clock import FakeClock


def run(breaker: Breaker, *, ok: bool = True, slow: bool = False) -> bool:
    """Whether a call was admitted; its outcome is recorded."""
    ticket = breaker.admit()
    if ticket is not None:
        breaker.record(ticket, ok=ok, slow=slow)
    return ticket is not None


def opened(clock: FakeClock) -> Breaker:
    breaker = Breaker(clock=clock)
    for number in range(20):
        run(breaker, ok=number % 2 == 0)
    return breaker


def test_half_failing_opens_it_and_too_little_data_does_not() -> None:
    few = Breaker(clock=FakeClock())
    assert [run(few, ok=False) for _ in range(21)] == [True] * 20 + [False]
    assert opened(FakeClock()).admit() is None


def test_fewer_failures_than_half_leave_it_closed() -> None:
    breaker = Breaker(clock=FakeClock())
    assert all(run(breaker, ok=number % 5 != 4) for number in range(200))


def test_only_the_last_50_count() -> None:
    breaker = Breaker(clock=FakeClock())
    assert all(run(breaker) for _ in range(1000))
    assert [run(breaker, ok=False) for _ in range(26)] == [True] * 25 + [False]


@pytest.mark.parametrize(("slow_of_ten", "state"), [(7, "closed"), (8, "open")])
def test_eight_slow_answers_of_ten_open_it(slow_of_ten: int, state: str) -> None:
    breaker = Breaker(BreakerOptions(window=10, minimum=10), clock=FakeClock())
    for number in range(10):
        run(breaker, slow=number < slow_of_ten)
    assert breaker.state == state


def test_three_good_probes_after_the_pause_close_it() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(29)
    assert breaker.admit() is None
    clock.advance(1)
    tickets = [breaker.admit() for _ in range(4)]
    assert (tickets.count(None), breaker.state) == (1, "half-open")
    for ticket in tickets:
        if ticket is not None:
            breaker.record(ticket, ok=True)
    assert breaker.state == "closed"


def test_slow_probes_open_it_again() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(30)
    assert [run(breaker, slow=True) for _ in range(3)] == [True] * 3
    assert breaker.state == "open"


def test_every_failed_probe_doubles_the_pause_up_to_ten_minutes() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    for pause in (30, 60, 120, 240, 480, 600, 600):
        clock.advance(pause - 1)
        assert breaker.admit() is None
        clock.advance(1)
        assert run(breaker, ok=False)
        assert breaker.state == "open"


def test_probes_that_never_report_are_followed_by_others() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(30)
    lost = [breaker.admit() for _ in range(3)]
    assert breaker.admit() is None
    clock.advance(60)
    assert all(run(breaker) for _ in range(3))
    assert breaker.state == "closed"
    for ticket in lost:
        assert ticket is not None
        breaker.record(ticket, ok=False)
    assert breaker.state == "closed"


def test_an_outcome_of_before_the_opening_says_nothing_about_probes() -> None:
    clock = FakeClock()
    breaker = Breaker(clock=clock)
    early = breaker.admit()
    assert early is not None
    for _ in range(20):
        run(breaker, ok=False)
    clock.advance(30)
    breaker.record(early, ok=True)
    assert run(breaker)
    breaker.record(early, ok=False)
    assert breaker.state == "half-open"


class BreakerMachine(RuleBasedStateMachine):
    """Against a naive model: every outcome of the period in a list, and everything counted anew."""

    options = BreakerOptions(window=6, minimum=4, pause=10, longest_pause=35)

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = Breaker(self.options, self.clock)
        self.state = "closed"
        self.until = 0.0
        self.opened = 0
        self.seen: list[tuple[bool, bool]] = []
        self.admitted = 0
        self.tickets: list[tuple[int, bool]] = []  # and whether it is of this period

    def change(self, state: str) -> None:
        self.state, self.seen, self.admitted = state, [], 0
        self.tickets = [(ticket, False) for ticket, _ in self.tickets]

    def open(self) -> None:
        self.until = self.clock.monotonic() + min(35, 10 * 2**self.opened)
        self.opened += 1
        self.change("open")

    @rule(seconds=st.sampled_from([1, 9, 10, 20, 40]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def ask(self) -> None:
        if self.state != "closed" and self.clock.monotonic() >= self.until:
            self.until = self.clock.monotonic() + min(35, 10 * 2**self.opened)
            self.change("half-open")
        expected = self.state == "closed" or (self.state == "half-open" and self.admitted < 3)
        ticket = self.breaker.admit()
        assert (ticket is not None) == expected
        if ticket is not None:
            self.admitted += 1
            self.tickets.append((ticket, True))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), ok=st.booleans(), slow=st.booleans())
    def report(self, data: st.DataObject, ok: bool, slow: bool) -> None:
        place = data.draw(st.integers(0, len(self.tickets) - 1))
        ticket, current = self.tickets.pop(place)
        self.breaker.record(ticket, ok=ok, slow=slow)
        if not current:
            return
        self.seen.append((ok, slow))
        last = self.seen[-6:]
        failed, slowed = sum(not good for good, _ in last), sum(late for _, late in last)
        bad = failed >= len(last) / 2 or slowed >= 0.8 * len(last)
        decided = len(last) >= (4 if self.state == "closed" else 3)
        if (decided and bad) or (self.state == "half-open" and failed):
            self.open()
        elif self.state == "half-open" and len(last) == 3:
            self.opened = 0
            self.change("closed")

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state == self.state


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
