"""Intervals and p-values that stay valid however often live data is looked at.

Letters are those of the documented decision rules: A for anything with a standard error, C for a share, D for a
quantile. `planned_n` is the number of units at which an interval is tightest; it need not be reached or kept to.
"""

import math
from collections.abc import Sequence

from finetuner.deployment.quantiles import quantile_rank
from finetuner.evaluation.statistics.domain import (
    require,
    require_open_share,
    require_positive,
    require_successes,
)
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Effect
from finetuner.evaluation.statistics.special import bisect, log_beta, normal_cdf

DEFAULT_PLANNED_N = 5000
_SMALLEST_PRIOR = 1e-3


def half_width(se: float, n: int, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N) -> float:
    """Half the width of the two-sided confidence sequence (formula A).

    Source: Waudby-Smith et al., Time-uniform central limit theory, arXiv 2103.06476.

    Args:
        se: Standard error of the effect after `n` units.
        n: Units so far, both arms together.
        alpha: Error level over all looks together.
        planned_n: Units at which the interval is tightest.

    Returns:
        In the units of `se`.

    Raises:
        UsageError: For impossible arguments.
    """
    rho = _rho(alpha, planned_n)
    _require_variation(se, n)
    t = n * rho**2 + 1
    return se * math.sqrt(2 * t / n * (math.log(t) / 2 - math.log(alpha))) / rho


def confidence_sequence(effect: Effect, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N) -> Estimate:
    """The effect with its two-sided interval, valid at every look at once (formula A).

    Args:
        effect: Difference so far, from `finetuner.evaluation.statistics.means`.
        alpha: Error level over all looks together.
        planned_n: Units at which the interval is tightest.

    Returns:
        The interval; decide on it only after at least 100 units and 20 events in each arm.

    Raises:
        UsageError: When the standard error is 0 (nothing varied yet) or an argument is impossible.
    """
    half = half_width(effect.se, effect.n, alpha=alpha, planned_n=planned_n)
    return Estimate(
        value=effect.value,
        low=effect.value - half,
        high=effect.value + half,
        n=effect.n,
        confidence=1 - alpha,
        method="confidence sequence (A)",
    )


def confidence_sequence_p_value(effect: Effect, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N) -> float:
    """The p-value of no effect at this look (formula A): below `alpha` exactly when the interval excludes 0.

    The smallest value over all looks so far is a valid p-value as well.
    """
    rho = _rho(alpha, planned_n)
    _require_variation(effect.se, effect.n)
    t = effect.n * rho**2 + 1
    log_p = math.log(t) / 2 - rho**2 * (effect.value / effect.se) ** 2 * effect.n / (2 * t)
    return math.exp(min(0.0, log_p))


def lower_bound(effect: Effect, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N) -> float:
    """The one-sided lower bound of the effect, valid at every look at once (formula A, one-sided)."""
    return effect.value - _one_sided_half_width(effect, alpha, planned_n)


def upper_bound(effect: Effect, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N) -> float:
    """The one-sided upper bound of the effect, valid at every look at once (formula A, one-sided)."""
    return effect.value + _one_sided_half_width(effect, alpha, planned_n)


def share_confidence_sequence(
    successes: int, n: int, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N
) -> Estimate:
    """A share with its exact interval, valid at every look at once (formula C).

    Source: Howard, Ramdas, McAuliffe and Sekhon 2021, Annals of Statistics 49:1055 (beta-binomial mixture).

    Args:
        successes: So far, 0..n.
        n: Units so far.
        alpha: Error level over all looks together.
        planned_n: Units at which the interval is tightest.

    Returns:
        The share with an interval inside 0..1.

    Raises:
        UsageError: For impossible arguments.
    """
    require_successes(successes, n)
    require_open_share("alpha", alpha)
    require_positive("planned_n", planned_n)
    share = successes / n
    threshold = math.log(1 / alpha)

    def evidence_against(p: float) -> float:
        return share_log_e(successes, n, p, planned_n=planned_n) - threshold

    low = 0.0 if successes == 0 else bisect(lambda p: -evidence_against(p), 0.0, share)
    high = 1.0 if successes == n else bisect(evidence_against, share, 1.0)
    return Estimate(
        value=share, low=low, high=high, n=n, confidence=1 - alpha, method="confidence sequence of a share (C)"
    )


def share_log_e(successes: int, n: int, p: float, *, planned_n: float = DEFAULT_PLANNED_N) -> float:
    """Log evidence that a share is not `p` (formula C): an e-process, alarm at `ln(1/alpha)`."""
    require_open_share("p", p)
    variance = p * (1 - p)
    return beta_binomial_log_mixture(
        successes - n * p, n * variance, planned_variance=planned_n * variance, below=p, above=1 - p
    )


def beta_binomial_log_mixture(
    deviation: float,
    variance: float,
    *,
    planned_variance: float,
    below: float,
    above: float,
    tuning_alpha: float = 0.05,
) -> float:
    """Log of the two-sided beta-binomial mixture supermartingale.

    Source: Howard et al. 2021, Annals of Statistics 49:1055, proposition 7; parameters as in confseq 0.0.11.

    Args:
        deviation: Sum of centered observations so far.
        variance: Their intrinsic time.
        planned_variance: Intrinsic time at which the boundary is tightest.
        below: How far one observation can fall below its mean.
        above: How far it can rise above.
        tuning_alpha: Error level for which the boundary is tuned.

    Raises:
        UsageError: For impossible arguments.
    """
    for name, value in (("planned_variance", planned_variance), ("below", below), ("above", above)):
        require_positive(name, value)
    product, width = below * above, below + above
    spread = max(_tightest(planned_variance, tuning_alpha) - product, _SMALLEST_PRIOR * product)
    prior = spread / (above * width), spread / (below * width)
    # Rounding may take a count that is exactly 0 slightly below it.
    up = max(0.0, variance + above * deviation) / (above * width)
    down = max(0.0, variance - below * deviation) / (below * width)
    return (
        variance / product * math.log(width)
        + log_beta(prior[0] + up, prior[1] + down)
        - log_beta(*prior)
        - up * math.log(below)
        - down * math.log(above)
    )


def normal_mixture_bound(
    variance: float,
    *,
    planned_variance: float,
    alpha: float = 0.05,
    tuning_alpha: float = 0.05,
    one_sided: bool = False,
) -> float:
    """The boundary that a sum of sub-Gaussian deviations crosses with probability at most `alpha`, ever.

    Source: Howard et al. 2021, Annals of Statistics 49:1055 (normal mixture). The cross-check of formula A for data
    whose variance is known.

    Args:
        variance: Intrinsic time: the variance of the sum so far.
        planned_variance: Intrinsic time at which the boundary is tightest.
        alpha: Error level over all times together.
        tuning_alpha: Error level for which the boundary is tuned.
        one_sided: Bound one direction only.

    Returns:
        In the units of the sum.

    Raises:
        UsageError: For impossible arguments.
    """
    require_positive("variance", variance)
    require_positive("planned_variance", planned_variance)
    require_open_share("alpha", alpha)
    rho = _tightest(planned_variance, 2 * tuning_alpha if one_sided else tuning_alpha)
    total = variance + rho
    two_sided = math.sqrt(total * (math.log(total / rho) - 2 * math.log(alpha)))
    if not one_sided:
        return two_sided

    def log_evidence(s: float) -> float:
        return math.log(4 * rho / total) / 2 + s * s / (2 * total) + math.log(normal_cdf(s / math.sqrt(total)))

    return bisect(lambda s: log_evidence(s) + math.log(alpha), 0.0, 2 * two_sided)


def quantile_count_range(
    n: int, q: float, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N
) -> tuple[int, int]:
    """Fewest and most observations that may lie at or below the true quantile (formula D), 0..n.

    Source: Howard and Ramdas 2022, Bernoulli 28:1704, with the evidence of formula C.

    Args:
        n: Observations so far.
        q: Level of the quantile, strictly between 0 and 1.
        alpha: Error level over all looks together.
        planned_n: Observations at which the interval is tightest.

    Raises:
        UsageError: For impossible arguments.
    """
    require_positive("n", n)
    require_open_share("alpha", alpha)
    threshold = math.log(1 / alpha)

    def kept(count: int) -> bool:
        return share_log_e(count, n, q, planned_n=planned_n) < threshold

    # Evidence is convex in the count and negative next to n q, so both ends are found by halving.
    middle = min(n, round(n * q))
    fewest, most = middle, middle
    step = 1 << n.bit_length()
    while step := step // 2:
        if fewest - step >= 0 and kept(fewest - step):
            fewest -= step
        if most + step <= n and kept(most + step):
            most += step
    return fewest, most


def quantile_confidence_sequence(
    values: Sequence[float], q: float, *, alpha: float = 0.05, planned_n: float = DEFAULT_PLANNED_N
) -> Estimate:
    """A quantile with its exact interval, valid at every look at once (formula D).

    Returns:
        The sample quantile `x_(ceil(q n))`; an end is infinite while too little data bounds it.

    Raises:
        UsageError: For no values or impossible arguments.
    """
    n = len(values)
    fewest, most = quantile_count_range(n, q, alpha=alpha, planned_n=planned_n)
    ordered = (-math.inf, *sorted(values), math.inf)
    return Estimate(
        value=ordered[quantile_rank(n, q)],
        low=ordered[fewest],
        high=ordered[most + 1],
        n=n,
        confidence=1 - alpha,
        method="confidence sequence of a quantile (D)",
    )


def _one_sided_half_width(effect: Effect, alpha: float, planned_n: float) -> float:
    rho = _rho(2 * alpha, planned_n)
    _require_variation(effect.se, effect.n)
    t = effect.n * rho**2 + 1
    return effect.se * math.sqrt(2 * t / effect.n * math.log1p(math.sqrt(t) / (2 * alpha))) / rho


def _rho(alpha: float, planned_n: float) -> float:
    """The tuning parameter of formula A."""
    require_open_share("alpha (twice it when one-sided)", alpha)
    require_positive("planned_n", planned_n)
    return math.sqrt((-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / planned_n)


def _tightest(planned_variance: float, alpha: float) -> float:
    """The mixture parameter that makes a boundary tightest at this intrinsic time."""
    require_open_share("tuning_alpha (twice it when one-sided)", alpha)
    return planned_variance / (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha)))


def _require_variation(se: float, n: int) -> None:
    require(se > 0, "the standard error is 0: nothing varied yet, collect more units")
    require_positive("n", n)
