"""Monte-Carlo calibration: intervals cover what they claim, tests err as often as they say. Seeded, 3 sigma.

`docs/concepts/statistics.md` states the figures that these runs give.
"""

import math

import numpy as np
import pytest

from finetuner.evaluation.metrics.classification import ConfusionMatrix, averages
from finetuner.evaluation.statistics.judged import JudgeAccuracy, ppi_mean, rogan_gladen
from finetuner.evaluation.statistics.means import clustered_se
from finetuner.evaluation.statistics.paired import (
    PairedCounts,
    mcnemar_exact,
    mcnemar_midp,
    tango_bounds,
    tango_interval,
)
from finetuner.evaluation.statistics.proportions import clopper_pearson, newcombe_difference, wilson
from finetuner.evaluation.statistics.resampling import bootstrap_mean

pytestmark = pytest.mark.slow


def exact_coverage(interval, n, share):
    """The probability that an interval for a share holds it, summed over all outcomes."""
    held = 0.0
    for successes in range(n + 1):
        found = interval(successes, n)
        if found.low <= share <= found.high:
            held += math.comb(n, successes) * share**successes * (1 - share) ** (n - successes)
    return held


def simulated(runs, draw):
    """Share of runs in which `draw(generator)` holds, and three standard errors of it at 0.95."""
    generator = np.random.default_rng(0)
    return float(np.mean([draw(generator) for _ in range(runs)])), 3 * math.sqrt(0.95 * 0.05 / runs)


def paired(generator, n, both, tuned_only, base_only):
    drawn = generator.multinomial(n, (both, tuned_only, base_only, 1 - both - tuned_only - base_only))
    return PairedCounts(**dict(zip(("both", "tuned_only", "base_only", "neither"), drawn.tolist(), strict=True)))


@pytest.mark.parametrize("n", [30, 100, 200])
def test_wilson_covers_on_average_and_clopper_pearson_always(n, record_property):
    """Wilson between .92 and .98 at each share from .05 to .95, .95 on average; Clopper-Pearson never below .95."""
    shares = np.linspace(0.05, 0.95, 37)
    covered = [exact_coverage(wilson, n, share) for share in shares]
    record_property("wilson", (min(covered), float(np.mean(covered))))
    assert min(covered) > 0.92
    assert np.mean(covered) == pytest.approx(0.953, abs=0.008)
    assert min(exact_coverage(clopper_pearson, n, share) for share in shares) >= 0.95


@pytest.mark.parametrize(("n", "won", "lost"), [(100, 0.08, 0.03), (200, 0.10, 0.05), (500, 0.06, 0.06)])
def test_tango_covers(n, won, lost, record_property):
    def holds(generator):
        found = tango_interval(paired(generator, n, 0.7, won, lost))
        return found.low <= won - lost <= found.high

    share, error = simulated(4_000, holds)
    record_property("tango", share)
    assert share == pytest.approx(0.95, abs=error + 0.01)


def test_newcombe_covers(record_property):
    def holds(generator):
        first, second = generator.binomial(80, 0.9), generator.binomial(100, 0.8)
        found = newcombe_difference(int(first), 80, int(second), 100)
        return found.low <= 0.1 <= found.high

    share, error = simulated(4_000, holds)
    record_property("newcombe", share)
    assert share == pytest.approx(0.95, abs=error + 0.01)


def test_mcnemar_errs_no_more_often_than_it_says(record_property):
    """The exact test is conservative; mid-p comes close to its level without passing it by more than noise."""
    generator = np.random.default_rng(0)
    tables = [paired(generator, 200, 0.7, 0.06, 0.06) for _ in range(6_000)]
    exact = np.mean([mcnemar_exact(table) < 0.05 for table in tables])
    midp = np.mean([mcnemar_midp(table) < 0.05 for table in tables])
    record_property("mcnemar", (float(exact), float(midp)))
    error = 3 * math.sqrt(0.05 * 0.95 / len(tables))
    assert exact <= midp <= 0.05 + error
    assert exact > 0.01


def test_the_gate_passes_a_loss_at_its_margin_as_rarely_as_it_says(record_property):
    """True loss of exactly five points, margin five: at most one in twenty passes."""
    generator = np.random.default_rng(0)
    passes = np.mean(
        [tango_bounds(paired(generator, 200, 0.7, 0.04, 0.09), alpha=0.05).low > -0.05 for _ in range(6_000)]
    )
    record_property("gate", float(passes))
    assert 0.025 < passes <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 6_000)


@pytest.mark.parametrize("n", [30, 100])
def test_bootstrap_covers_a_skewed_mean(n, record_property):
    """Scores with a long tail: BCa covers less than 95 % with few rows, and says so in the documentation."""

    def holds(generator):
        found = bootstrap_mean(generator.exponential(1.0, n).tolist(), resamples=1_000)
        return found.low <= 1.0 <= found.high

    share, error = simulated(600, holds)
    record_property("bca", share)
    assert share == pytest.approx(0.93, abs=error + 0.025)


def test_weighted_f1_covers(record_property):
    """Three uneven classes, 150 rows: the percentile bootstrap of F1."""
    confusion = np.array([[0.45, 0.05, 0.0], [0.04, 0.24, 0.02], [0.01, 0.04, 0.15]])
    truth = sum(
        2 * confusion[i, i] / (confusion[i].sum() + confusion[:, i].sum()) * confusion[i].sum() for i in range(3)
    )

    def holds(generator):
        counts = generator.multinomial(150, confusion.ravel()).reshape(3, 3)
        matrix = ConfusionMatrix(
            labels=("a", "b", "c"), counts=tuple(map(tuple, counts.tolist())), unparseable=(0, 0, 0)
        )
        found = averages(matrix)["f1"]
        return found.low <= truth <= found.high

    share, error = simulated(400, holds)
    record_property("f1", share)
    assert share == pytest.approx(0.94, abs=error + 0.02)


def test_clusters_need_clustered_errors(record_property):
    """40 groups of 5 alike rows: the naive interval covers far too little, the clustered one nearly what it says."""
    groups = np.repeat(np.arange(40), 5)

    def covered(clustered):
        def holds(generator):
            scores = (generator.random(40)[groups] < 0.7).astype(float)
            mean = scores.mean()
            se = clustered_se(scores.tolist(), groups.tolist()) if clustered else scores.std(ddof=1) / math.sqrt(200)
            return abs(mean - 0.7) <= 1.96 * se

        return simulated(2_000, holds)[0]

    naive, aware = covered(clustered=False), covered(clustered=True)
    record_property("clusters", (naive, aware))
    assert naive < 0.7
    assert aware > 0.92


def test_corrected_pass_rates_cover(record_property):
    """A judge with sensitivity .9 and specificity .8, 100 labels of each kind, 500 judged answers, 70 % truly good."""

    def holds(generator):
        seen, missed = generator.binomial(100, 0.9), generator.binomial(100, 0.8)
        judged = generator.binomial(500, 0.7 * 0.9 + 0.3 * 0.2)
        judge = JudgeAccuracy(sensitivity=seen / 100, positives=100, specificity=missed / 100, negatives=100)
        found = rogan_gladen(judged / 500, 500, judge)
        return found.low <= 0.7 <= found.high

    share, error = simulated(3_000, holds)
    record_property("rogan-gladen", share)
    assert share == pytest.approx(0.955, abs=error + 0.015)


def test_prediction_powered_means_cover(record_property):
    """100 labels and 900 verdicts of a judge that agrees in nine of ten cases."""

    def holds(generator):
        truth = (generator.random(1_000) < 0.7).astype(float)
        said = np.where(generator.random(1_000) < 0.9, truth, 1 - truth)
        found = ppi_mean(truth[:100].tolist(), said[:100].tolist(), said[100:].tolist())
        return found.low <= 0.7 <= found.high

    share, error = simulated(2_000, holds)
    record_property("ppi", share)
    assert share == pytest.approx(0.95, abs=error + 0.015)
