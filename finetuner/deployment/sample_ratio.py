"""Whether the arms are as large as designed: if not, events are lost and no comparison can be trusted (formula E).

Counts are units, each counted once, in the stage of its first exposure.
"""

import math
from collections.abc import Sequence

import attrs

from finetuner.evaluation.statistics.domain import require, require_counts, require_open_share, require_positive
from finetuner.evaluation.statistics.special import chi2_upper_tail

DEFAULT_ALPHA = 0.001
DEFAULT_CONCENTRATION = 10_000.0
_ROUNDING = 1e-9


def dirichlet_multinomial_log_probability(counts: Sequence[int], prior: Sequence[float]) -> float:
    """Log probability of counts when their shares are drawn from a Dirichlet distribution.

    Args:
        counts: One for each arm.
        prior: Dirichlet parameters, above 0, one for each arm.

    Raises:
        UsageError: For impossible counts or parameters.
    """
    _require_arms(counts, prior)
    n, weight = sum(counts), math.fsum(prior)
    ratio = math.fsum(math.lgamma(a + count) - math.lgamma(a) for a, count in zip(prior, counts, strict=True))
    return _log_orderings(counts) + math.lgamma(weight) - math.lgamma(weight + n) + ratio


def multinomial_log_probability(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Log probability of counts when every unit falls into the arms with these shares (which add up to 1)."""
    _require_shares(counts, shares)
    return _log_orderings(counts) + math.fsum(c * math.log(p) for c, p in zip(counts, shares, strict=True))


def log_bayes_factor(
    counts: Sequence[int], shares: Sequence[float], *, concentration: float = DEFAULT_CONCENTRATION
) -> float:
    """Log evidence that the arms are not as large as designed (formula E), valid at every look.

    Source: Lindon and Malek 2022, Anytime-valid inference for multinomial count data, arXiv 2011.03567.

    Args:
        counts: Units of each arm.
        shares: Designed shares, above 0, adding up to 1.
        concentration: Weight of the prior around the design; large finds small deviations.

    Returns:
        Natural logarithm; alarm at `ln(1/alpha)`.

    Raises:
        UsageError: For impossible counts or shares.
    """
    require_positive("concentration", concentration)
    _require_shares(counts, shares)
    prior = [concentration * share for share in shares]
    return dirichlet_multinomial_log_probability(counts, prior) - multinomial_log_probability(counts, shares)


@attrs.frozen
class ArmCounts:
    """Units first exposed while one design was in force.

    Attributes:
        share: Designed share of the tuned arm, strictly between 0 and 1.
        tuned: Units of the tuned arm.
        base: Units of the base arm.
    """

    share: float
    tuned: int = 0
    base: int = 0

    def __attrs_post_init__(self) -> None:
        require_open_share("share", self.share)
        require_counts("units", (self.tuned, self.base))


def stages_log_bayes_factor(stages: Sequence[ArmCounts], *, concentration: float = DEFAULT_CONCENTRATION) -> float:
    """The evidence of all stages of a rollout together (formula E): the sum of theirs."""
    return math.fsum(
        log_bayes_factor((stage.tuned, stage.base), (stage.share, 1 - stage.share), concentration=concentration)
        for stage in stages
    )


def mismatched(stages: Sequence[ArmCounts], *, alpha: float = DEFAULT_ALPHA) -> bool:
    """Whether the arms are not as large as designed: look for lost events before reading any result."""
    require_open_share("alpha", alpha)
    return stages_log_bayes_factor(stages) >= -math.log(alpha)


def chi2_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The p-value of the chi-square test that the arms are as large as designed; valid for one look, for a report.

    Source: Pearson 1900; Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments (2020), chapter 21.

    Raises:
        UsageError: For impossible counts or shares, or no units at all.
    """
    _require_shares(counts, shares)
    n = sum(counts)
    require_positive("the number of units", n)
    statistic = math.fsum((count - n * share) ** 2 / (n * share) for count, share in zip(counts, shares, strict=True))
    return chi2_upper_tail(statistic, len(counts) - 1)


def _log_orderings(counts: Sequence[int]) -> float:
    return math.lgamma(sum(counts) + 1) - math.fsum(math.lgamma(count + 1) for count in counts)


def _require_arms(counts: Sequence[int], weights: Sequence[float]) -> None:
    require(len(counts) == len(weights) > 1, "give a count and a share for each of two or more arms")
    require_counts("counts", tuple(counts))
    for weight in weights:
        require_positive("the share or prior of an arm", weight)


def _require_shares(counts: Sequence[int], shares: Sequence[float]) -> None:
    _require_arms(counts, shares)
    require(abs(math.fsum(shares) - 1) < _ROUNDING, f"designed shares {tuple(shares)} must add up to 1")
