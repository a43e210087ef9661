import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment import divergence
from finetuner.errors import UsageError

bins = st.integers(2, 12).flatmap(
    lambda k: st.tuples(*(st.lists(st.integers(1, 200), min_size=k, max_size=k) for _ in range(2)))
)


@given(bins)
def test_distances_are_symmetric_0_for_equal_shares_and_bounded(pair):
    first, second = pair
    for distance in (divergence.psi, divergence.hellinger, divergence.jensen_shannon_distance):
        assert distance(first, second) == pytest.approx(distance(second, first), abs=1e-7)
        assert distance(first, first) == pytest.approx(0, abs=1e-7)
        assert distance(first, second) >= 0
    assert divergence.hellinger([1, 0], [0, 1]) == 1
    assert divergence.jensen_shannon_distance([1, 0], [0, 1]) == 1


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=300), st.lists(st.floats(-9, 9), max_size=50))
def test_every_value_falls_into_one_bin(reference, values):
    edges = divergence.quantile_edges(reference, sample_size=len(values))
    assert list(edges) == sorted(set(edges))
    assert sum(divergence.bin_counts(values, edges)) == len(values)
    assert min(divergence.bin_counts(reference, edges)) > 0


def test_few_values_get_five_bins():
    assert len(divergence.quantile_edges(range(1000), sample_size=499)) == 4
    assert len(divergence.quantile_edges(range(1000), sample_size=500)) == 9


def draw(rng, n, shift=0.0):
    return [rng.gauss(shift, 1) for _ in range(n)]


def alarms(rng, shift, runs=200):
    """Shares of runs with an alarm, and of runs in which the folk rule fires: 100 against 1,000 values, 10 bins."""
    rule = folk = 0
    for _ in range(runs):
        reference = sorted(draw(rng, 1000))
        edges = [reference[100 * k - 1] for k in range(1, 10)]
        counted = [divergence.bin_counts(values, edges) for values in (draw(rng, 100, shift), reference)]
        check = divergence.drift_check(*counted)
        rule += check.state == "drift"
        folk += check.psi > 0.1
    return rule / runs, folk / runs


def test_the_rule_rarely_fires_without_drift_where_the_folk_rule_often_does():
    rule, folk = alarms(random.Random(1), 0.0)
    assert rule <= 0.03
    assert 0.27 <= folk <= 0.48


def test_a_shift_of_one_standard_deviation_is_found():
    assert alarms(random.Random(2), 1.0, runs=60)[0] >= 0.95


def test_little_data_is_a_state_of_its_own():
    assert divergence.drift_check([99, 0], [0, 200]).state == "insufficient_data"
    assert divergence.drift_check([100, 0], [0, 200]).state == "drift"
    assert divergence.drift_check([200, 0], [200, 0]).state == "no_drift"


def test_kolmogorov_smirnov_at_its_ends():
    assert divergence.ks_two_sample([1, 2, 3], [1, 2, 3]).p_value == 1
    assert divergence.ks_two_sample(range(100), range(200, 300)).statistic == 1


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: divergence.psi([1, 2], [1, 2, 3]),
        lambda: divergence.psi([0, 0], [1, 2]),
        lambda: divergence.psi([0, 3], [1, 2], smoothing=0),
        lambda: divergence.psi([1, -1], [1, 2]),
        lambda: divergence.psi_critical(10, 10, 1),
        lambda: divergence.psi_null_mean(0, 10, 10),
        lambda: divergence.chi2_homogeneity([3, 0], [4, 0]),
        lambda: divergence.chi2_goodness_of_fit([1, 2], [1, 0]),
        lambda: divergence.ks_two_sample([], [1]),
        lambda: divergence.quantile_edges([], sample_size=10),
        lambda: divergence.drift_check([1, 2], [1, 2], features=0),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
