"""How many calls at once: grows while all is well, shrinks once an episode, gives up after patience."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core.concurrency import ConcurrencyPolicy

POLICY = ConcurrencyPolicy(maximum=64, initial=8)


def test_clean_rounds_double_until_the_maximum():
    """Eight answers to eight calls make sixteen."""
    state = POLICY.start()
    for _ in range(8):
        state = state.succeeded(0.0)
    assert state.allowed == 16
    for _ in range(1000):
        state = state.succeeded(0.0)
    assert state.allowed == 64


def test_one_episode_shrinks_once():
    """Ten refusals at once are one episode; the next one begins after what the provider asked for."""
    state = ConcurrencyPolicy(maximum=50, initial=50).start()
    for _ in range(10):
        state = state.throttled(100.0, retry_after=20.0)
    assert state.allowed == 40
    assert state.pause(100.0) == 20
    assert state.pause(120.0) == 0
    assert state.throttled(121.0, retry_after=20.0).allowed == 32


def test_growth_is_slow_after_throttling_and_waits_for_the_calm():
    """Five percent for each clean round, once the episode is over."""
    state = ConcurrencyPolicy(maximum=50, initial=50).start().throttled(0.0)
    assert state.succeeded(1.0).limit == state.limit
    for _ in range(40):
        state = state.succeeded(20.0)
    assert state.limit == pytest.approx(42)


def test_pauses_double_where_the_provider_names_none():
    state, now, pauses = POLICY.start(), 0.0, []
    for _ in range(8):
        state = state.throttled(now)
        pauses.append(state.pause(now))
        now += state.pause(now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_patience_ends_and_a_success_renews_it():
    state = POLICY.start().throttled(0.0)
    assert not state.throttled(599.0).exhausted(599.0)
    assert state.throttled(600.0).exhausted(600.0)
    assert not state.succeeded(10.0).throttled(600.0).exhausted(600.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 50), st.none() | st.floats(0, 100)), max_size=60))
def test_the_limit_stays_between_one_and_the_maximum(events):
    """Whatever happens in whatever order; a pause never ends before what was asked for."""
    state, now = POLICY.start(), 0.0
    for good, seconds, retry_after in events:
        now += seconds
        state = state.succeeded(now) if good else state.throttled(now, retry_after)
        assert 1 <= state.allowed <= 64
        assert good or state.pause(now) >= (retry_after or 0) - 1e-9
