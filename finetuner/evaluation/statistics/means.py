"""Averages: their moments, differences between a base and a tuned sample, and intervals that know about clusters.

An `Effect` is the common currency: whatever difference is estimated here (absolute, relative, paired, of ratios),
`finetuner.deployment.sequential` turns it into an interval that stays valid however often it is looked at.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from statistics import fmean
from typing import Self

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share, require_successes
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.special import student_t_quantile, student_t_two_sided, two_sided_z


@attrs.frozen
class Moments:
    """Size, mean and variance of a sample.

    Attributes:
        n: Units.
        mean: In the units of the metric.
        variance: With `n - 1` in the denominator (`p (1 - p)` for a share).
    """

    n: int
    mean: float
    variance: float

    def __attrs_post_init__(self) -> None:
        require(self.n > 0, f"n is {self.n}: a sample has at least one unit")
        require(math.isfinite(self.mean), f"the mean is {self.mean}: give finite values")
        require(0 <= self.variance < math.inf, f"the variance is {self.variance}: it must be finite and not negative")

    @classmethod
    def from_values(cls, values: Iterable[float]) -> Self:
        """The moments of at least two values."""
        return cls(*_moments(tuple(values)))

    @classmethod
    def from_sums(cls, n: int, total: float, sum_squares: float) -> Self:
        """The moments of `n >= 2` values known by their sum and their sum of squares."""
        require(n > 1, f"n is {n}: a variance needs at least two units")
        return cls(n, total / n, max(0.0, (sum_squares - total * total / n) / (n - 1)))

    @classmethod
    def from_share(cls, successes: int, n: int) -> Self:
        """The moments of a share of successes."""
        require_successes(successes, n)
        share = successes / n
        return cls(n, share, share * (1 - share))


@attrs.frozen
class Effect:
    """A difference, tuned minus base, with its standard error.

    Attributes:
        value: In the units of the metric, or a share of the base mean when relative.
        se: Standard error, same units.
        n: Units behind it, both arms together (pairs when paired).
    """

    value: float
    se: float
    n: int

    def __attrs_post_init__(self) -> None:
        require(self.n > 0, f"n is {self.n}: an effect needs at least one unit")
        require(math.isfinite(self.value), f"the effect is {self.value}: give finite values")
        require(0 <= self.se < math.inf, f"the standard error is {self.se}: it must be finite and not negative")


def absolute_difference(base: Moments, tuned: Moments) -> Effect:
    """The difference of two independent means, `se = sqrt(v1/n1 + v0/n0)`."""
    se = math.sqrt(tuned.variance / tuned.n + base.variance / base.n)
    return Effect(tuned.mean - base.mean, se, base.n + tuned.n)


def relative_difference(base: Moments, tuned: Moments) -> Effect:
    """The lift `(tuned - base) / base` of two independent means, as a share of the base mean.

    Source: delta method, `se = sqrt(v1/n1/m0^2 + v0/n0 * m1^2/m0^4)` (formula A).

    Raises:
        UsageError: When the base mean is 0.
    """
    require(base.mean != 0, "the base mean is 0: a relative difference does not exist, use the absolute one")
    tuned_part = tuned.variance / tuned.n / base.mean**2
    base_part = base.variance / base.n * tuned.mean**2 / base.mean**4
    return Effect((tuned.mean - base.mean) / base.mean, math.sqrt(tuned_part + base_part), base.n + tuned.n)


def paired_difference(differences: Iterable[float]) -> Effect:
    """The mean of per-pair differences, tuned minus base, with `n` the number of pairs (at least two)."""
    moments = Moments.from_values(differences)
    return Effect(moments.mean, math.sqrt(moments.variance / moments.n), moments.n)


def ratio_of_means(numerators: Sequence[float], denominators: Sequence[float]) -> Effect:
    """The ratio `mean(x) / mean(y)` of per-unit sums, for a per-request metric clustered in units (one arm).

    Source: delta method, `(var x - 2 R cov(x, y) + R^2 var y) / (n mean(y)^2)` with ddof 1 (formula A).

    Args:
        numerators: x, one sum for each unit.
        denominators: y, one sum (for instance the number of requests) for each unit, in the same order.

    Raises:
        UsageError: When lengths differ, fewer than two units are given or the mean of y is 0.
    """
    require(len(numerators) == len(denominators), "give one numerator and one denominator for each unit")
    n, mean_y, _ = _moments(denominators)
    require(mean_y != 0, "the mean of the denominators is 0: the ratio does not exist")
    ratio = fmean(numerators) / mean_y
    _, _, residual_variance = _moments([x - ratio * y for x, y in zip(numerators, denominators, strict=True)])
    return Effect(ratio, math.sqrt(residual_variance / n) / abs(mean_y), n)


def difference_of_effects(base: Effect, tuned: Effect) -> Effect:
    """The difference of two independently estimated quantities (ratios, quantiles), one for each arm."""
    return Effect(tuned.value - base.value, math.hypot(tuned.se, base.se), base.n + tuned.n)


def normal_interval(effect: Effect, *, confidence: float = 0.95) -> Estimate:
    """The fixed-sample interval `value +- z se`; valid for one look only."""
    return _around(effect, two_sided_z(confidence), confidence, "normal")


def mean_interval(moments: Moments, *, confidence: float = 0.95) -> Estimate:
    """The mean with its Student t interval (Student 1908, Biometrika 6:1), for `n >= 2`."""
    require(moments.n > 1, f"n is {moments.n}: a t interval needs at least two units")
    t = student_t_quantile((1 + confidence) / 2, moments.n - 1)
    effect = Effect(moments.mean, math.sqrt(moments.variance / moments.n), moments.n)
    return _around(effect, t, confidence, "Student t")


def clustered_se(scores: Sequence[float], clusters: Sequence[Hashable], *, few_clusters: bool = False) -> float:
    """The standard error of a mean whose items come in clusters (same document, user or template).

    Source: Miller 2024, arXiv 2411.00640: `sqrt(sum over clusters of (sum of residuals)^2) / n`.

    Args:
        scores: One for each item.
        clusters: The cluster of each item, in the same order.
        few_clusters: Multiply by `sqrt(G / (G - 1))` for G clusters.

    Returns:
        The standard error, in the units of the scores.

    Raises:
        UsageError: When lengths differ, nothing is given or all items are in one cluster.
    """
    require(0 < len(scores) == len(clusters), "give one cluster for each score, and at least one score")
    mean = fmean(scores)
    residuals: dict[Hashable, float] = defaultdict(float)
    for score, cluster in zip(scores, clusters, strict=True):
        residuals[cluster] += score - mean
    groups = len(residuals)
    require(groups > 1, "all items are in one cluster: its variance cannot be estimated")
    inflation = math.sqrt(groups / (groups - 1)) if few_clusters else 1.0
    return inflation * math.hypot(*residuals.values()) / len(scores)


def clustered_mean(scores: Sequence[float], clusters: Sequence[Hashable], *, confidence: float = 0.95) -> Estimate:
    """The mean of clustered items with a Student t interval on `G - 1` degrees of freedom; `n` counts clusters.

    Source: as `clustered_se`, with the correction for few clusters.
    """
    require_open_share("confidence", confidence)
    se = clustered_se(scores, clusters, few_clusters=True)
    groups = len(set(clusters))
    t = student_t_quantile((1 + confidence) / 2, groups - 1)
    return _around(Effect(fmean(scores), se, groups), t, confidence, "clustered")


def welch_interval(base: Moments, tuned: Moments, *, relative: bool = False, confidence: float = 0.95) -> Estimate:
    """The difference of two independent means with Welch's t interval.

    Source: Welch 1947, Biometrika 34:28; degrees of freedom from the absolute variances also when relative.

    Args:
        base: Sample of the base model, `n >= 2`.
        tuned: Sample of the tuned model, `n >= 2`.
        relative: Give the lift as a share of the base mean.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The difference, tuned minus base.

    Raises:
        UsageError: For samples without variance or too small.
    """
    effect, degrees = _welch(base, tuned, relative=relative)
    return _around(effect, student_t_quantile((1 + confidence) / 2, degrees), confidence, "Welch t")


def welch_p_value(base: Moments, tuned: Moments, *, relative: bool = False) -> float:
    """The two-sided p-value of Welch's t test that both means are equal; arguments as `welch_interval`."""
    effect, degrees = _welch(base, tuned, relative=relative)
    return student_t_two_sided(effect.value / effect.se, degrees)


def _welch(base: Moments, tuned: Moments, *, relative: bool) -> tuple[Effect, float]:
    require(min(base.n, tuned.n) > 1, "Welch's t needs at least two units in each arm")
    parts = tuned.variance / tuned.n, base.variance / base.n
    require(sum(parts) > 0, "neither arm varies: Welch's t does not exist")
    effect = (relative_difference if relative else absolute_difference)(base, tuned)
    return effect, sum(parts) ** 2 / (parts[0] ** 2 / (tuned.n - 1) + parts[1] ** 2 / (base.n - 1))


def _around(effect: Effect, quantile: float, confidence: float, method: str) -> Estimate:
    half = quantile * effect.se
    return Estimate(
        value=effect.value,
        low=effect.value - half,
        high=effect.value + half,
        n=effect.n,
        confidence=confidence,
        method=method,
    )


def _moments(values: Sequence[float]) -> tuple[int, float, float]:
    n = len(values)
    require(n > 1, f"{n} values given: a variance needs at least two")
    mean = fmean(values)
    return n, mean, math.fsum((value - mean) ** 2 for value in values) / (n - 1)
