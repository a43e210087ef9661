"""Estimates across the stages of a ramp and with less noise (formulas G and H). Stages are never pooled.

Pooling units of stages with different shares mixes a change of quality over time into the comparison.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share
from finetuner.evaluation.statistics.means import Effect, Moments, paired_difference


def stratified_difference(stages: Sequence[Effect]) -> Effect:
    """The effect over stages, each compared within itself and weighted by its precision (formula G).

    Source: inverse-variance weighting, `w = 1/se^2`. Count each unit in one stage only.

    Args:
        stages: Effect of each stage, with a standard error above 0.

    Raises:
        UsageError: For no stages or one without variation.
    """
    require(bool(stages), "no stages given: an effect needs at least one")
    require(all(stage.se > 0 for stage in stages), "a stage has a standard error of 0: leave it out until it varies")
    weights = [stage.se**-2 for stage in stages]
    total = math.fsum(weights)
    value = math.fsum(weight * stage.value for weight, stage in zip(weights, stages, strict=True)) / total
    return Effect(value, total**-0.5, sum(stage.n for stage in stages))


@attrs.frozen
class Stratum:
    """Outcomes of one stage, by unit.

    Attributes:
        base: Of units that had the base model.
        tuned: Of units that had the tuned model.
    """

    base: Mapping[str, float]
    tuned: Mapping[str, float]

    @property
    def weight(self) -> float:
        """Its precision for equal variances, `n1 n0 / (n1 + n0)`; 0 where an arm has fewer than two units."""
        n0, n1 = len(self.base), len(self.tuned)
        return n1 * n0 / (n1 + n0) if min(n0, n1) > 1 else 0.0


def clustered_difference(strata: Iterable[Stratum], *, relative: bool = False) -> Effect | None:
    """The effect over stages in which the same units may appear again, with either arm (formula G, clustered).

    Each stage is compared within itself. The standard error adds up what each unit does to the estimate over all of
    its stages, so that its outcomes may depend on one another. Weights come from sizes alone: by `1/se^2` a stage in
    which the few tuned units happen to agree would count most.

    Source: cluster-robust variance of a weighted sum, Liang and Zeger 1986, Biometrika 73:13.

    Args:
        strata: One for each stage.
        relative: Give the lift over the base mean, by the delta method.

    Returns:
        None while no stage has two units in each arm, nothing varies, or a lift has a base mean of 0.
    """
    used = [stratum for stratum in strata if stratum.weight]
    total = math.fsum(stratum.weight for stratum in used)
    value = 0.0
    influence: defaultdict[str, float] = defaultdict(float)
    for stratum in used:
        weight = stratum.weight / total
        base, tuned = fmean(stratum.base.values()), fmean(stratum.tuned.values())
        if relative and base == 0:
            return None
        scale = 1 / base if relative else 1.0
        value += weight * scale * (tuned - base)
        for arm, mean, factor in (
            (stratum.tuned, tuned, scale),
            (stratum.base, base, -scale * (tuned / base if relative else 1.0)),
        ):
            step = weight * factor / math.sqrt(len(arm) * (len(arm) - 1))
            for unit, outcome in arm.items():
                influence[unit] += step * (outcome - mean)
    se = math.sqrt(math.fsum(part * part for part in influence.values()))
    return Effect(value, se, len(influence)) if se > 0 else None


@attrs.frozen(kw_only=True)
class WeightedUnit:
    """One unit of a ramp whose share may change at any time.

    Attributes:
        outcome: Its metric.
        tuned: Whether it was assigned to the tuned model.
        share: Of the tuned model when it was assigned, strictly between 0 and 1.
        predicted_tuned: Its expected outcome under the tuned model, from earlier units only.
        predicted_base: The same under the base model.
    """

    outcome: float
    tuned: bool
    share: float
    predicted_tuned: float
    predicted_base: float

    def __attrs_post_init__(self) -> None:
        require_open_share("share", self.share)

    @property
    def contribution(self) -> float:
        """Its unbiased estimate of the effect (psi)."""
        predicted = self.predicted_tuned - self.predicted_base
        if self.tuned:
            return predicted + (self.outcome - self.predicted_tuned) / self.share
        return predicted - (self.outcome - self.predicted_base) / (1 - self.share)


def aipw_difference(units: Iterable[WeightedUnit]) -> Effect:
    """The effect under changing shares by augmented inverse-probability weighting (formula G, second form).

    Source: Robins, Rotnitzky and Zhao 1994, JASA 89:846, with predictions from the past as in Waudby-Smith et al.,
    arXiv 2103.06476.

    Raises:
        UsageError: For fewer than two units.
    """
    return paired_difference(unit.contribution for unit in units)


@attrs.frozen
class AdjustedSample:
    """Outcomes with the part explained by an earlier covariate taken out.

    Attributes:
        theta: Slope of the outcome on the covariate.
        moments: Of the adjusted outcomes.
    """

    theta: float
    moments: Moments


def cuped(outcomes: Sequence[float], covariate: Sequence[float]) -> AdjustedSample:
    """Outcomes made less noisy by a covariate from before the experiment (formula H).

    Source: Deng, Xu, Kohavi and Walker 2013, WSDM (CUPED): `y - theta (x - mean x)`, `theta = cov(y, x) / var(x)`.

    Args:
        outcomes: y, one for each unit.
        covariate: x, one for each unit in the same order, measured before assignment.

    Raises:
        UsageError: When lengths differ, fewer than two units are given or the covariate does not vary.
    """
    require(len(outcomes) == len(covariate), "give one covariate for each outcome")
    require(len(outcomes) > 1, "an adjustment needs at least two units")
    mean_x, mean_y = fmean(covariate), fmean(outcomes)
    spread = math.fsum((x - mean_x) ** 2 for x in covariate)
    require(spread > 0, "the covariate does not vary: it explains nothing")
    theta = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(covariate, outcomes, strict=True)) / spread
    adjusted = [y - theta * (x - mean_x) for x, y in zip(covariate, outcomes, strict=True)]
    return AdjustedSample(theta, Moments.from_values(adjusted))
