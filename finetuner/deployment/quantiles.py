"""Quantiles of latency or cost: fixed-sample intervals, and a difference that formula A can follow.

Information only: automatic decisions use `guardrails` on "slower than a limit fixed before the test".
"""

import math
from collections.abc import Sequence

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share, require_positive
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Effect, difference_of_effects
from finetuner.evaluation.statistics.special import binomial_cdf, binomial_pmf, two_sided_z

_ROUNDING = 1e-9


def quantile_rank(n: int, q: float) -> int:
    """The 1-based rank of the sample quantile, `ceil(q n)`, kept inside 1..n."""
    require_positive("n", n)
    return min(n, max(1, math.ceil(q * n - _ROUNDING)))


def woodruff(values: Sequence[float], q: float, *, confidence: float = 0.95) -> Effect:
    """A sample quantile with its standard error (formula F).

    Source: Woodruff 1952, JASA 47:635.

    Args:
        values: One for each unit, more than `z^2 q/(1-q)` of them (73 for p95, 381 for p99).
        q: Level of the quantile, strictly between 0 and 1.
        confidence: Coverage of the interval from which the error is derived.

    Returns:
        The quantile of one arm, its standard error and its units.

    Raises:
        UsageError: For too few values or an impossible level.
    """
    require_open_share("q", q)
    z = two_sided_z(confidence)
    n = len(values)
    needed = z * z * max(q / (1 - q), (1 - q) / q)
    require(n > needed, f"{n} values: the {q} quantile needs more than {needed:.0f} for a standard error")
    ordered = sorted(values)
    half = z * math.sqrt(q * (1 - q) / n)
    low, middle, high = (ordered[quantile_rank(n, level) - 1] for level in (q - half, q, q + half))
    return Effect(middle, (high - low) / (2 * z), n)


def quantile_difference(base: Sequence[float], tuned: Sequence[float], q: float) -> Effect:
    """The difference of a quantile between the arms, tuned minus base, ready for formula A (formula F)."""
    return difference_of_effects(woodruff(base, q), woodruff(tuned, q))


@attrs.frozen
class OrderStatisticRanks:
    """Ranks of the observations that bound a quantile.

    Attributes:
        lower: 1-based rank of the lower end; 0 when the sample is too small for one.
        upper: 1-based rank of the upper end; n + 1 when the sample is too small for one.
        coverage: Probability that the interval holds the quantile, 0..1.
    """

    lower: int
    upper: int
    coverage: float


def order_statistic_ranks(n: int, q: float, *, confidence: float = 0.95) -> OrderStatisticRanks:
    """The ranks between which the true quantile lies, without any assumption on the distribution.

    Source: David and Nagaraja, Order Statistics, section 7.1 (binomial counts below the quantile).

    Args:
        n: Observations.
        q: Level of the quantile, strictly between 0 and 1.
        confidence: Coverage to reach, 0..1.

    Raises:
        UsageError: For impossible arguments.
    """
    require_positive("n", n)
    require_open_share("q", q)
    require_open_share("confidence", confidence)
    tail = (1 - confidence) / 2
    # lower is the largest rank l with P(N < l) <= tail, upper the smallest u with P(N >= u) <= tail.
    lower = _smallest_count(n, q, tail)
    upper = _smallest_count(n, q, 1 - tail) + 1
    coverage = math.fsum(binomial_pmf(k, n, q) for k in range(lower, upper))
    return OrderStatisticRanks(lower, upper, coverage)


def order_statistic_interval(values: Sequence[float], q: float, *, confidence: float = 0.95) -> Estimate:
    """A sample quantile with its distribution-free interval; an end is infinite where the sample is too small.

    Args:
        values: At least one.
        q: Level of the quantile, strictly between 0 and 1.
        confidence: Coverage to reach, 0..1.

    Raises:
        UsageError: For no values or impossible levels.
    """
    n = len(values)
    ranks = order_statistic_ranks(n, q, confidence=confidence)
    ordered = (-math.inf, *sorted(values), math.inf)
    return Estimate(
        value=ordered[quantile_rank(n, q)],
        low=ordered[ranks.lower],
        high=ordered[ranks.upper],
        n=n,
        confidence=confidence,
        method="order statistics",
    )


def _smallest_count(n: int, q: float, level: float) -> int:
    """The smallest k with `P(N <= k)` above or at `level` for N ~ Binomial(n, q)."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if binomial_cdf(middle, n, q) < level:
            low = middle + 1
        else:
            high = middle
    return low
