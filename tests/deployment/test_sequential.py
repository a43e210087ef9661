"""Formulas A, C, D: duality, monotony and errors; their calibration is in test_calibration.py."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finetuner.deployment import sequential
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.means import Effect
from finetuner.evaluation.statistics.proportions import wilson

effects = st.builds(Effect, value=st.floats(-3, 3), se=st.floats(0.001, 3), n=st.integers(2, 100_000))


@given(effects, st.floats(0.001, 0.2), st.integers(100, 50_000))
def test_p_is_below_alpha_exactly_when_0_lies_outside(effect, alpha, planned_n):
    found = sequential.confidence_sequence(effect, alpha=alpha, planned_n=planned_n)
    half = found.high - effect.value
    assume(abs(abs(effect.value) / half - 1) > 1e-9)
    p = sequential.confidence_sequence_p_value(effect, alpha=alpha, planned_n=planned_n)
    assert (p < alpha) == found.excludes(0)


@given(effects, st.integers(1000, 100_000))
def test_one_sided_bounds_are_tighter_than_the_interval_once_a_decision_is_near(effect, n):
    """From a fifth of the planned number of units on; both hold the estimate."""
    effect = Effect(effect.value, effect.se, n)
    found = sequential.confidence_sequence(effect)
    low, high = sequential.lower_bound(effect), sequential.upper_bound(effect)
    assert found.low < low < effect.value < high < found.high


def test_the_interval_is_tightest_near_the_planned_n():
    """Relative to a fixed-sample interval the price is lowest at the planned number of units."""
    price = {n: sequential.half_width(1.0, n, planned_n=5000) for n in (200, 5000, 500_000)}
    assert price[5000] < min(price[200], price[500_000])


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_exact_share_interval_holds_the_share_and_is_wider_than_one_look(counted):
    successes, n = counted
    found = sequential.share_confidence_sequence(successes, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    if 0 < successes < n:
        fixed = wilson(successes, n)
        assert found.high - found.low > fixed.high - fixed.low


@pytest.mark.parametrize(("n", "q"), [(1, 0.5), (7, 0.5), (300, 0.5), (300, 0.95), (300, 0.99)])
def test_kept_counts_are_those_without_evidence(n, q):
    """Halving finds the same range as looking at every count."""
    kept = [s for s in range(n + 1) if sequential.share_log_e(s, n, q) < math.log(1 / 0.05)]
    assert sequential.quantile_count_range(n, q) == (min(kept), max(kept))


def test_a_small_sample_does_not_bound_a_high_quantile_from_above():
    found = sequential.quantile_confidence_sequence([float(i) for i in range(100)], 0.99)
    assert found.high == math.inf
    assert found.value == 98


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: sequential.half_width(0.0, 10),
        lambda: sequential.half_width(1.0, 0),
        lambda: sequential.half_width(1.0, 10, alpha=1),
        lambda: sequential.half_width(1.0, 10, planned_n=0),
        lambda: sequential.confidence_sequence_p_value(Effect(0.1, 0.0, 10)),
        lambda: sequential.lower_bound(Effect(0.1, 1.0, 10), alpha=0.5),
        lambda: sequential.share_confidence_sequence(3, 2),
        lambda: sequential.share_confidence_sequence(1, 2, alpha=0),
        lambda: sequential.share_log_e(1, 2, 1.0),
        lambda: sequential.quantile_count_range(0, 0.5),
        lambda: sequential.quantile_count_range(10, 1.0),
        lambda: sequential.normal_mixture_bound(0, planned_variance=1),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
