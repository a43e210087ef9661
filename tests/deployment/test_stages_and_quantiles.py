"""Estimates across stages (G), with covariates (H), and of quantiles (F)."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment import quantiles, strata
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.means import Effect, Moments, absolute_difference


def test_a_ramp_with_falling_quality_is_unbiased_stratified_and_biased_pooled():
    """True effect +0.02 while quality falls and the share rises: pooling turns a gain into a loss."""
    rng = random.Random(7)
    stages, pooled = [], ([], [])
    for share, quality in ((0.05, 0.9), (0.2, 0.8), (0.5, 0.65)):
        arms = ([], [])
        for _ in range(8000):
            tuned = rng.random() < share
            arms[tuned].append(float(rng.random() < quality + 0.02 * tuned))
        stages.append(absolute_difference(Moments.from_values(arms[0]), Moments.from_values(arms[1])))
        for arm, more in zip(pooled, arms, strict=True):
            arm.extend(more)
    found = strata.stratified_difference(stages)
    assert abs(found.value - 0.02) < 3 * found.se
    assert absolute_difference(*(Moments.from_values(arm) for arm in pooled)).value < -0.02


@given(st.lists(st.builds(Effect, value=st.floats(-1, 1), se=st.floats(0.01, 1), n=st.just(10)), min_size=1))
def test_the_stratified_effect_lies_among_its_stages_and_is_more_precise(stages):
    found = strata.stratified_difference(stages)
    assert min(s.value for s in stages) - 1e-9 <= found.value <= max(s.value for s in stages) + 1e-9
    assert found.se <= min(s.se for s in stages) + 1e-12


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(-10, 10)), min_size=3, max_size=30))
def test_a_covariate_never_adds_noise_and_keeps_the_mean(rows):
    outcomes, covariate = [y for y, _ in rows], [float(x) for _, x in rows]
    if len(set(covariate)) > 1:
        plain, adjusted = Moments.from_values(outcomes), strata.cuped(outcomes, covariate).moments
        assert adjusted.mean == pytest.approx(plain.mean, abs=1e-9)
        assert adjusted.variance <= plain.variance + 1e-9


def test_order_statistics_of_a_small_sample_leave_the_end_open():
    found = quantiles.order_statistic_interval([1.0, 2.0, 3.0], 0.95)
    assert found.high == math.inf
    assert quantiles.order_statistic_interval([float(i) for i in range(1, 101)], 0.5).low == 40


@given(st.integers(1, 400), st.floats(0.05, 0.95))
def test_order_statistics_cover_what_they_promise(n, q):
    ranks = quantiles.order_statistic_ranks(n, q)
    assert 0 <= ranks.lower < ranks.upper <= n + 1
    assert ranks.coverage >= 0.95 - 1e-9


def test_a_shift_of_all_values_is_the_quantile_difference():
    base = [float(i) for i in range(1000)]
    found = quantiles.quantile_difference(base, [value + 5 for value in base], 0.95)
    assert found.value == 5
    assert found.n == 2000


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: strata.stratified_difference([]),
        lambda: strata.stratified_difference([Effect(0.1, 0.0, 10)]),
        lambda: strata.aipw_difference([]),
        lambda: strata.WeightedUnit(outcome=1, tuned=True, share=1, predicted_tuned=0, predicted_base=0),
        lambda: strata.cuped([1, 2], [1]),
        lambda: strata.cuped([1, 2], [1, 1]),
        lambda: quantiles.woodruff([1.0] * 72, 0.95),
        lambda: quantiles.woodruff([1.0] * 72, 1.0),
        lambda: quantiles.order_statistic_ranks(0, 0.5),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
