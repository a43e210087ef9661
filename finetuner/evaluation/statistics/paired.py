"""Both models on the same items: tests and intervals from the items on which they disagree."""

import math
from collections.abc import Iterable
from typing import Self

import attrs

from finetuner.evaluation.statistics.domain import require, require_counts, require_open_share
from finetuner.evaluation.statistics.estimate import Estimate, HypothesisTest
from finetuner.evaluation.statistics.special import bisect, chi2_upper_tail, two_sided_z


@attrs.frozen(kw_only=True)
class PairedCounts:
    """How often both, one or neither of two models were right on the same items.

    Attributes:
        both: Items on which both were right.
        tuned_only: Items on which only the tuned model was right (b).
        base_only: Items on which only the base model was right (c).
        neither: Items on which both were wrong.
    """

    both: int
    tuned_only: int
    base_only: int
    neither: int

    def __attrs_post_init__(self) -> None:
        require_counts("paired counts", (self.both, self.tuned_only, self.base_only, self.neither))
        require(self.n > 0, "paired counts are all 0: give the outcome of at least one item")

    @classmethod
    def from_outcomes(cls, outcomes: Iterable[tuple[bool, bool]]) -> Self:
        """Count pairs `(tuned was right, base was right)`, one for each item."""
        counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
        for tuned, base in outcomes:
            counts[bool(tuned), bool(base)] += 1
        return cls(
            both=counts[True, True],
            tuned_only=counts[True, False],
            base_only=counts[False, True],
            neither=counts[False, False],
        )

    @property
    def n(self) -> int:
        """Items in all."""
        return self.both + self.tuned_only + self.base_only + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the tuned minus accuracy of the base model, -1..1."""
        return (self.tuned_only - self.base_only) / self.n

    @property
    def discordance(self) -> float:
        """Share of items on which the models disagree, 0..1."""
        return (self.tuned_only + self.base_only) / self.n


def mcnemar_exact(counts: PairedCounts) -> float:
    """The two-sided exact p-value of McNemar's test that both models are equally accurate.

    Source: McNemar 1947, Psychometrika 12:153, with the binomial distribution of the disagreements.

    Returns:
        The p-value, 0..1; 1 when the models never disagree.
    """
    smaller, total = _discordant(counts)
    return min(1.0, 2 * sum(_binomial_coefficients(total, smaller)) / (1 << total))


def mcnemar_midp(counts: PairedCounts) -> float:
    """The two-sided mid-p value of McNemar's test: less conservative than the exact one.

    Source: Fagerland, Lydersen, Laake 2013, BMC Medical Research Methodology 13:91.

    Returns:
        The p-value, 0..1; 1 when the disagreements are balanced.
    """
    smaller, total = _discordant(counts)
    if 2 * smaller == total:
        return 1.0
    *rarer, observed = _binomial_coefficients(total, smaller)
    return (2 * sum(rarer) + observed) / (1 << total)


def mcnemar_chi2(counts: PairedCounts) -> HypothesisTest:
    """McNemar's asymptotic test, chi-square with 1 degree of freedom, no continuity correction.

    Source: Agresti, Categorical Data Analysis, section on matched pairs.

    Raises:
        UsageError: When the models never disagree, so that the statistic does not exist.
    """
    b, c = counts.tuned_only, counts.base_only
    require(b + c > 0, "the models never disagree: use mcnemar_exact")
    statistic = (b - c) ** 2 / (b + c)
    return HypothesisTest(statistic, chi2_upper_tail(statistic, 1))


def tango_interval(counts: PairedCounts, *, confidence: float = 0.95) -> Estimate:
    """The difference of accuracies, tuned minus base, with its score interval.

    Source: Tango 1998, Statistics in Medicine 17:891.

    Args:
        counts: Both models on the same items.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The difference, -1..1, with its interval.

    Raises:
        UsageError: When the confidence is outside 0..1.
    """
    z = two_sided_z(confidence)
    difference = counts.difference
    # The score falls in the difference, so the lower end is where it equals +z and the upper end where it equals -z.
    low = bisect(lambda x: z - _tango_score(counts, x), -1.0, difference)
    high = bisect(lambda x: -z - _tango_score(counts, x), difference, 1.0)
    return Estimate(value=difference, low=low, high=high, n=counts.n, confidence=confidence, method="Tango")


def tango_bounds(counts: PairedCounts, *, alpha: float = 0.05) -> Estimate:
    """The difference of accuracies with two one-sided bounds, each missing the truth with probability `alpha`.

    `low > -margin` is the non-inferiority test at level `alpha`; `high < -margin` shows a regression at that level.

    Source: Tango 1998, Statistics in Medicine 17:891.

    Args:
        counts: Both models on the same items.
        alpha: Error level of each bound, below 0.5.

    Returns:
        The difference with its bounds; `confidence` is that of each bound alone.

    Raises:
        UsageError: When `alpha` is not between 0 and 0.5.
    """
    require_open_share("2 alpha", 2 * alpha)
    interval = tango_interval(counts, confidence=1 - 2 * alpha)
    return attrs.evolve(interval, confidence=1 - alpha, method="Tango, one-sided bounds")


def _tango_score(counts: PairedCounts, x: float) -> float:
    """The score statistic of the hypothesis that the difference is `x`, strictly between -1 and 1."""
    b, c, n = counts.tuned_only, counts.base_only, counts.n
    linear = (2 * n - b + c) * x - b - c
    constant = -c * x * (1 - x)
    # Maximum-likelihood share of base_only among all items, given the difference.
    base_only = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    deviation = b - c - n * x
    variance = n * (2 * base_only + x * (1 - x))
    return deviation / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, deviation)


def _discordant(counts: PairedCounts) -> tuple[int, int]:
    return min(counts.tuned_only, counts.base_only), counts.tuned_only + counts.base_only


def _binomial_coefficients(n: int, last: int) -> list[int]:
    """`C(n, 0) .. C(n, last)`, each from the one before."""
    coefficients = [1]
    for k in range(last):
        coefficients.append(coefficients[-1] * (n - k) // (k + 1))
    return coefficients
