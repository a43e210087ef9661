import numpy as np
import pytest

from finetuner.errors import UsageError
from finetuner.evaluation.statistics import proportions, resampling

PASSES = [1] * 180 + [0] * 20


def test_the_same_seed_gives_the_same_interval_and_another_one_not():
    assert resampling.bootstrap_mean(PASSES, seed=1) == resampling.bootstrap_mean(PASSES, seed=1)
    assert resampling.bootstrap_mean(np.linspace(0, 1, 99), seed=1) != resampling.bootstrap_mean(
        np.linspace(0, 1, 99), seed=2
    )


@pytest.mark.parametrize("interval", ["bca", "percentile"])
def test_the_bootstrap_of_a_share_is_close_to_its_score_interval(interval):
    found, wilson = resampling.bootstrap_mean(PASSES, interval=interval), proportions.wilson(180, 200)
    assert found.value == 0.9
    assert found.low == pytest.approx(wilson.low, abs=0.015)
    assert found.high == pytest.approx(wilson.high, abs=0.015)


def test_multinomial_counts_and_drawn_items_have_the_same_distribution():
    """A tiny jitter makes all values distinct and so takes the general path."""
    jittered = np.asarray(PASSES) + np.linspace(0, 1e-9, 200)
    fast, general = (resampling.bootstrap_mean(x, resamples=20_000) for x in (PASSES, jittered))
    assert fast.low == pytest.approx(general.low, abs=0.006)
    assert fast.high == pytest.approx(general.high, abs=0.006)


def test_any_statistic_equals_the_mean_path_for_the_mean():
    scores = np.random.default_rng(5).exponential(size=80)
    general = resampling.bootstrap(scores, lambda rows: float(rows.mean()), resamples=4000)
    direct = resampling.bootstrap_mean(scores, resamples=4000)
    assert general.value == pytest.approx(direct.value)
    assert general.low == pytest.approx(direct.low, abs=0.02)
    assert general.high == pytest.approx(direct.high, abs=0.03)


def test_bca_shifts_towards_the_long_tail():
    scores = np.random.default_rng(3).lognormal(0, 1, 60)
    bca, percentile = (resampling.bootstrap_mean(scores, interval=kind) for kind in ("bca", "percentile"))
    assert bca.low > percentile.low
    assert bca.high > percentile.high


def test_equal_scores_have_an_interval_of_no_width():
    found = resampling.bootstrap_mean([0.5, 0.5, 0.5])
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_pairs_stay_together():
    """A constant advantage on very different items is certain when paired."""
    base = np.linspace(0, 100, 101)
    found = resampling.paired_bootstrap_mean(base + 1, base)
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)


@pytest.mark.parametrize("jitter", [0.0, 1e-9])
def test_sign_flips_agree_with_the_exact_binomial(jitter):
    """20 disagreements split 15 to 5: two-sided p = 0.0414, on the binomial and on the bit path."""
    tuned = np.array([1.0] * 15 + [0.0] * 5 + [1.0] * 80)
    base = np.array([0.0] * 15 + [1.0] * 5 + [1.0] * 80) + jitter * np.arange(100)
    assert resampling.sign_flip_test(tuned, base, resamples=20_000) == pytest.approx(
        0.0414, abs=0.005 if not jitter else 0.03
    )


def test_models_that_never_differ_have_a_p_value_of_1():
    assert resampling.sign_flip_test([1, 0, 1], [1, 0, 1]) == 1


def test_sign_flips_of_many_distinct_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(11)
    p_values = [resampling.sign_flip_test(rng.normal(size=70), np.zeros(70), resamples=500, seed=i) for i in range(200)]
    assert 0.0 <= np.mean(np.asarray(p_values) < 0.1) <= 0.17
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: resampling.bootstrap_mean([]),
        lambda: resampling.bootstrap_mean([1.0, float("nan")]),
        lambda: resampling.bootstrap_mean([1.0, 0.0], resamples=0),
        lambda: resampling.bootstrap_mean([1.0, 0.0], confidence=1.0),
        lambda: resampling.bootstrap_mean([1.0, 0.0], interval="normal"),
        lambda: resampling.bootstrap([1.0], lambda rows: float(rows.sum())),
        lambda: resampling.sign_flip_test([1.0], [1.0, 0.0]),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
