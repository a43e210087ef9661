"""Intervals for one share of successes, and for the difference of two independent shares."""

import math

from finetuner.evaluation.statistics.domain import require_open_share, require_positive, require_successes
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.special import beta_quantile, two_sided_z


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """The share of successes with its score interval, the default for a pass rate.

    Source: Wilson 1927, JASA 22:209; recommended by Newcombe 1998, Statistics in Medicine 17:857.

    Args:
        successes: Items that passed, 0..n.
        n: Items in all.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The share with an interval inside 0..1, touching 0 or 1 exactly when no or all items passed.

    Raises:
        UsageError: For impossible counts or confidence.
    """
    require_successes(successes, n)
    z = two_sided_z(confidence)
    center = successes + z * z / 2
    half = z * math.sqrt(successes * (n - successes) / n + z * z / 4)
    low = 0.0 if successes == 0 else (center - half) / (n + z * z)
    high = 1.0 if successes == n else (center + half) / (n + z * z)
    return Estimate(value=successes / n, low=low, high=high, n=n, confidence=confidence, method="Wilson")


def clopper_pearson(successes: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """The share of successes with its exact interval, which never covers less than promised.

    Source: Clopper and Pearson 1934, Biometrika 26:404, as quantiles of the beta distribution.

    Args:
        successes: Items that passed, 0..n.
        n: Items in all.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The share with its interval.

    Raises:
        UsageError: For impossible counts or confidence.
    """
    require_successes(successes, n)
    require_open_share("confidence", confidence)
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1 - tail, successes + 1, n - successes)
    return Estimate(value=successes / n, low=low, high=high, n=n, confidence=confidence, method="Clopper-Pearson")


def newcombe_difference(
    successes_1: int, n_1: int, successes_2: int, n_2: int, *, confidence: float = 0.95
) -> Estimate:
    """The difference `share 1 - share 2` of two independent samples with its hybrid score interval.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10.

    Args:
        successes_1: Successes of the first sample.
        n_1: Items of the first sample.
        successes_2: Successes of the second sample.
        n_2: Items of the second sample.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The difference, -1..1, with `n` the items of both samples.

    Raises:
        UsageError: For impossible counts or confidence.
    """
    first = wilson(successes_1, n_1, confidence=confidence)
    second = wilson(successes_2, n_2, confidence=confidence)
    difference = first.value - second.value
    return Estimate(
        value=difference,
        low=difference - math.hypot(first.value - first.low, second.high - second.value),
        high=difference + math.hypot(first.high - first.value, second.value - second.low),
        n=n_1 + n_2,
        confidence=confidence,
        method="Newcombe",
    )


def zero_event_upper_bound(n: int, *, confidence: float = 0.95) -> float:
    """The one-sided exact upper bound of an event's share after none was seen in `n` trials.

    Source: Clopper and Pearson 1934 at 0 successes, `1 - alpha**(1/n)`; about `3/n` at 95 %.

    Raises:
        UsageError: When `n` is not above 0 or the confidence is outside 0..1.
    """
    require_positive("n", n)
    require_open_share("confidence", confidence)
    return -math.expm1(math.log(1 - confidence) / n)
