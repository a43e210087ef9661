"""How many items a comparison needs, and what a given number of items can detect.

Levels `alpha` are two-sided for superiority and one-sided for non-inferiority. Differences are tuned minus base.
"""

import math

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share, require_positive, require_share
from finetuner.evaluation.statistics.special import bisect, normal_cdf, normal_quantile


def paired_sample_size(difference: float, discordance: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Items on which both models must be run to find a difference of accuracies.

    Source: Connor 1987, Biometrics 43:207.

    Args:
        difference: True difference, not 0, at most the discordance in size.
        discordance: Share of items on which the models disagree, 0..1.
        alpha: Two-sided error level.
        power: Probability of finding it.

    Returns:
        Items, rounded up.

    Raises:
        UsageError: For impossible arguments.
    """
    z_alpha, z_power = _quantiles(alpha / 2, power)
    _require_difference(difference, discordance)
    return math.ceil(_connor(difference, discordance, z_alpha, z_power))


def paired_power(n: int, difference: float, discordance: float, *, alpha: float = 0.05) -> float:
    """Probability that `n` items show a difference of accuracies (Connor 1987), 0..1."""
    require_positive("n", n)
    z_alpha, _ = _quantiles(alpha / 2, 0.5)
    _require_difference(difference, discordance)
    deviation = math.sqrt(discordance - difference**2)
    excess = abs(difference) * math.sqrt(n) - z_alpha * math.sqrt(discordance)
    return normal_cdf(excess / deviation) if deviation > 0 else float(excess > 0)


def paired_minimum_detectable_effect(n: int, discordance: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference of accuracies that `n` items find with this power (Connor 1987 solved for it).

    Returns:
        A share above 0, at most the discordance; infinity when even that is too small for `n` items.
    """
    require_positive("n", n)
    z_alpha, z_power = _quantiles(alpha / 2, power)
    _require_difference(discordance, discordance)
    if _connor(discordance, discordance, z_alpha, z_power) > n:
        return math.inf
    return bisect(lambda d: n - _connor(d, discordance, z_alpha, z_power), 0.0, discordance)


def unpaired_sample_size(
    share_1: float, share_2: float, *, alpha: float = 0.05, power: float = 0.8, pooled: bool = True
) -> int:
    """Units in each arm that an A/B comparison of two shares needs, rounded up.

    Source: Fleiss, Statistical Methods for Rates and Proportions; pooled variance under the null hypothesis, or the
    unpooled Wald variance.

    Args:
        share_1: True share of the first arm, 0..1.
        share_2: True share of the second arm, different from the first.
        alpha: Two-sided error level.
        power: Probability of finding the difference.
        pooled: Which variance the test uses.

    Raises:
        UsageError: For impossible arguments.
    """
    z_alpha, z_power = _quantiles(alpha / 2, power)
    require_share("share_1", share_1)
    require_share("share_2", share_2)
    require(share_1 != share_2, "both shares are equal: no number of units finds a difference of 0")
    variance = share_1 * (1 - share_1) + share_2 * (1 - share_2)
    mean = (share_1 + share_2) / 2
    null_variance = 2 * mean * (1 - mean) if pooled else variance
    numerator = z_alpha * math.sqrt(null_variance) + z_power * math.sqrt(variance)
    return math.ceil((numerator / (share_1 - share_2)) ** 2)


def non_inferiority_sample_size(
    margin: float, discordance: float, *, difference: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Items on which both models must be run to show that the tuned one is not worse by more than the margin.

    Source: normal approximation, `(z(1-alpha) + z(power))^2 (D - d^2) / (d + margin)^2`.

    Args:
        margin: Tolerated loss of accuracy, above 0.
        discordance: Share of items on which the models disagree, 0..1.
        difference: True difference, above `-margin`.
        alpha: One-sided error level.
        power: Probability of passing.

    Returns:
        Items, rounded up.

    Raises:
        UsageError: For impossible arguments.
    """
    z_alpha, z_power = _quantiles(alpha, power)
    _require_margin(margin, discordance, difference)
    require(difference > -margin, "the true difference is at or below -margin: no number of items passes")
    variance = discordance - difference**2
    return max(1, math.ceil((z_alpha + z_power) ** 2 * variance / (difference + margin) ** 2))


def non_inferiority_power(
    n: int, margin: float, discordance: float, *, difference: float = 0.0, alpha: float = 0.05
) -> float:
    """Probability that `n` items show non-inferiority, 0..1; arguments as `non_inferiority_sample_size`."""
    require_positive("n", n)
    z_alpha, _ = _quantiles(alpha, 0.5)
    _require_margin(margin, discordance, difference)
    deviation = math.sqrt(discordance - difference**2)
    require(deviation > 0, "the models differ on every discordant item alike: nothing varies, the power is 0 or 1")
    return normal_cdf((difference + margin) * math.sqrt(n) / deviation - z_alpha)


@attrs.frozen(kw_only=True)
class SamplingDesign:
    """How two models are sampled on the same items.

    Attributes:
        difference_variance: Variance over items of the true per-item difference.
        tuned_noise: Mean variance within an item of one answer's score, tuned model.
        base_noise: The same for the base model.
        tuned_samples: Answers for each item, tuned model; None for infinitely many (exact probabilities).
        base_samples: The same for the base model.
    """

    difference_variance: float
    tuned_noise: float
    base_noise: float
    tuned_samples: int | None = 1
    base_samples: int | None = 1

    def __attrs_post_init__(self) -> None:
        variances = (self.difference_variance, self.tuned_noise, self.base_noise)
        require(min(variances) >= 0, f"variances {variances} cannot be negative")
        for samples in (self.tuned_samples, self.base_samples):
            require(samples is None or samples > 0, f"{samples} answers for each item: give at least one, or None")

    @property
    def variance(self) -> float:
        """Variance of one item's observed difference."""
        tuned = 0.0 if self.tuned_samples is None else self.tuned_noise / self.tuned_samples
        base = 0.0 if self.base_samples is None else self.base_noise / self.base_samples
        return self.difference_variance + tuned + base


def sampled_sample_size(difference: float, design: SamplingDesign, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Items needed to find a difference of any score with a sampling design, not rounded.

    Source: Miller 2024, arXiv 2411.00640.

    Raises:
        UsageError: When the difference is 0 or a level is outside 0..1.
    """
    require(difference != 0, "the difference is 0: no number of items finds it")
    return sum(_quantiles(alpha / 2, power)) ** 2 * design.variance / difference**2


def sampled_minimum_detectable_effect(
    n: int, design: SamplingDesign, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest true difference of any score that `n` items find with a sampling design (Miller 2024)."""
    require_positive("n", n)
    return sum(_quantiles(alpha / 2, power)) * math.sqrt(design.variance / n)


def resampling_variance_ratio(samples: int) -> float:
    """Variance with `samples` answers for each item over that with one, for difficulty uniform on 0..1.

    Source: Miller 2024, arXiv 2411.00640, `(1 + 2/K) / 3`.
    """
    require_positive("samples", samples)
    return (1 + 2 / samples) / 3


def _connor(difference: float, discordance: float, z_alpha: float, z_power: float) -> float:
    spread = math.sqrt(max(0.0, discordance - difference**2))
    return ((z_alpha * math.sqrt(discordance) + z_power * spread) / difference) ** 2


def _quantiles(tail: float, power: float) -> tuple[float, float]:
    require_open_share("alpha", tail)
    require_open_share("power", power)
    return normal_quantile(1 - tail), normal_quantile(power)


def _require_difference(difference: float, discordance: float) -> None:
    require_share("discordance", discordance)
    require(difference != 0, "the difference is 0: no number of items finds it")
    require(abs(difference) <= discordance, f"a difference of {difference} needs a discordance of at least its size")


def _require_margin(margin: float, discordance: float, difference: float) -> None:
    require_positive("margin", margin)
    require_positive("discordance", discordance)
    require_share("discordance", discordance)
    require(abs(difference) <= discordance, f"a difference of {difference} needs a discordance of at least its size")
