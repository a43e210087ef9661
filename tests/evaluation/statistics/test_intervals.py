"""Shares, pairs and means: what holds for every input, and exact coverage and size where they can be enumerated."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.evaluation.statistics import means, paired, proportions
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Moments
from finetuner.evaluation.statistics.paired import PairedCounts
from finetuner.evaluation.statistics.special import binomial_pmf

successes_of_n = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
tables = st.builds(
    PairedCounts,
    both=st.integers(0, 400),
    tuned_only=st.integers(0, 60),
    base_only=st.integers(0, 60),
    neither=st.integers(1, 100),
)


def test_an_estimate_prints_its_interval():
    estimate = proportions.wilson(189, 200)
    assert str(estimate) == "0.945 [0.904, 0.969] (n=200)"
    assert estimate.percent() == "94.5% [90.4, 96.9]"
    assert estimate.excludes(0.9)
    assert not estimate.excludes(0.91)


def test_an_empty_interval_is_refused():
    with pytest.raises(UsageError, match="empty"):
        Estimate(value=0.5, low=0.6, high=0.4, n=1)


@given(successes_of_n)
def test_a_share_lies_inside_its_intervals_inside_0_to_1(counted):
    successes, n = counted
    for method in (proportions.wilson, proportions.clopper_pearson):
        found = method(successes, n)
        assert 0 <= found.low <= found.value <= found.high <= 1
        mirrored = method(n - successes, n)
        assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


@given(successes_of_n, successes_of_n)
def test_newcombe_is_antisymmetric_and_holds_the_difference(first, second):
    forward = proportions.newcombe_difference(*first, *second)
    backward = proportions.newcombe_difference(*second, *first)
    assert -1 <= forward.low <= forward.value <= forward.high <= 1
    assert backward.low == pytest.approx(-forward.high)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.9, 0.945])
def test_exact_coverage_of_a_share(p):
    """Clopper-Pearson never covers less than promised; Wilson stays close to it."""
    n = 200
    chances = [binomial_pmf(k, n, p) for k in range(n + 1)]

    def coverage(method):
        return sum(chance for k, chance in enumerate(chances) if not method(k, n).excludes(p))

    assert coverage(proportions.clopper_pearson) >= 0.95
    assert 0.93 <= coverage(proportions.wilson) <= 0.98


@given(tables)
def test_tango_holds_the_difference_and_mirrors_when_models_are_swapped(counts):
    found = paired.tango_interval(counts)
    swapped = paired.tango_interval(
        PairedCounts(both=counts.both, tuned_only=counts.base_only, base_only=counts.tuned_only, neither=counts.neither)
    )
    bounds = paired.tango_bounds(counts)
    assert -1 <= found.low <= bounds.low <= found.value <= bounds.high <= found.high <= 1
    assert swapped.low == pytest.approx(-found.high, abs=1e-9)


@given(tables)
def test_the_mid_p_value_is_never_above_the_exact_one(counts):
    assert 0 < paired.mcnemar_midp(counts) <= paired.mcnemar_exact(counts) <= 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_paired_outcomes_are_counted(outcomes):
    counts = PairedCounts.from_outcomes(outcomes)
    assert counts.n == len(outcomes)
    assert counts.difference == pytest.approx((sum(t for t, _ in outcomes) - sum(b for _, b in outcomes)) / counts.n)
    assert counts.discordance == pytest.approx(sum(t != b for t, b in outcomes) / counts.n)


@cache
def non_inferior(b: int, c: int, n: int, margin: float) -> bool:
    counts = PairedCounts(both=n - b - c, tuned_only=b, base_only=c, neither=0)
    return paired.tango_bounds(counts).low > -margin


@pytest.mark.parametrize("discordance", [0.06, 0.08, 0.1, 0.12, 0.16, 0.2])
def test_exact_size_of_the_non_inferiority_test(discordance):
    """A tuned model worse by exactly the margin passes in 3.1 to 5 % of evaluations of 100 items."""
    n, margin = 100, 0.05
    better, worse = (discordance - margin) / 2, (discordance + margin) / 2
    size = 0.0
    for c in range(n + 1):
        chance = binomial_pmf(c, n, worse)
        if chance < 1e-9:
            continue
        for b in range(n - c + 1):
            both = chance * binomial_pmf(b, n - c, better / (1 - worse))
            if both > 1e-9 and non_inferior(b, c, n, margin):
                size += both
    assert 0.0305 <= size <= 0.0505


def test_clusters_widen_the_interval_when_their_items_agree():
    scores = [1.0] * 20 + [0.0] * 20
    alone = means.clustered_se(scores, range(40))
    together = means.clustered_se(scores, [i // 10 for i in range(40)])
    assert together == pytest.approx(alone * 10**0.5)
    assert means.clustered_mean(scores, [i // 10 for i in range(40)]).n == 4


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40))
def test_moments_from_sums_equal_moments_from_values(values):
    direct = Moments.from_values(values)
    sums = Moments.from_sums(len(values), sum(values), sum(v * v for v in values))
    assert sums.mean == pytest.approx(direct.mean, abs=1e-9)
    assert sums.variance == pytest.approx(direct.variance, abs=1e-6)
    assert means.mean_interval(direct).low <= direct.mean <= means.mean_interval(direct).high


def test_a_t_interval_matches_the_textbook():
    """Student's t with 9 degrees of freedom is 2.262 at 97.5 %."""
    assert means.mean_interval(Moments(10, 0.0, 10.0)).high == pytest.approx(2.262157, abs=1e-6)
    normal = means.normal_interval(means.Effect(0.0, 1.0, 10))
    assert normal.high == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: proportions.wilson(1, 0),
        lambda: proportions.wilson(3, 2),
        lambda: proportions.wilson(-1, 2),
        lambda: proportions.wilson(1, 2, confidence=1),
        lambda: proportions.clopper_pearson(1, 2, confidence=0),
        lambda: proportions.zero_event_upper_bound(0),
        lambda: PairedCounts(both=0, tuned_only=0, base_only=0, neither=0),
        lambda: PairedCounts(both=3, tuned_only=-1, base_only=0, neither=0),
        lambda: paired.tango_bounds(PairedCounts(both=3, tuned_only=1, base_only=0, neither=0), alpha=0.5),
        lambda: paired.mcnemar_chi2(PairedCounts(both=3, tuned_only=0, base_only=0, neither=0)),
        lambda: Moments.from_values([1.0]),
        lambda: Moments.from_sums(1, 1.0, 1.0),
        lambda: Moments(3, float("nan"), 1.0),
        lambda: means.relative_difference(Moments(3, 0.0, 1.0), Moments(3, 1.0, 1.0)),
        lambda: means.ratio_of_means([1, 2], [1]),
        lambda: means.ratio_of_means([1, 2], [1, -1]),
        lambda: means.clustered_se([1, 0], [0, 0]),
        lambda: means.welch_interval(Moments(3, 0.0, 0.0), Moments(3, 1.0, 0.0)),
        lambda: means.mean_interval(Moments(1, 0.0, 0.0)),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
