"""Estimates from an imperfect judge, corrected with the help of human labels."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, pvariance, variance
from typing import Self

import attrs

from finetuner.evaluation.statistics.domain import require, require_positive, require_share
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.special import two_sided_z


@attrs.frozen(kw_only=True)
class JudgeAccuracy:
    """How a pass/fail judge did against human labels.

    Attributes:
        sensitivity: Share of human passes that the judge passes, 0..1.
        positives: Human passes behind it.
        specificity: Share of human fails that the judge fails, 0..1.
        negatives: Human fails behind it.
    """

    sensitivity: float
    positives: int
    specificity: float
    negatives: int

    def __attrs_post_init__(self) -> None:
        require_share("sensitivity", self.sensitivity)
        require_share("specificity", self.specificity)
        require_positive("positives", self.positives)
        require_positive("negatives", self.negatives)

    @classmethod
    def from_labels(cls, labels: Iterable[tuple[bool, bool]]) -> Self:
        """Count pairs `(judge passed it, human passed it)`; both human passes and human fails are needed."""
        pairs = [(bool(judge), bool(human)) for judge, human in labels]
        positives = sum(human for _, human in pairs)
        negatives = len(pairs) - positives
        require(positives > 0 and negatives > 0, "calibration needs human passes and human fails")
        return cls(
            sensitivity=pairs.count((True, True)) / positives,
            positives=positives,
            specificity=pairs.count((False, False)) / negatives,
            negatives=negatives,
        )

    @property
    def informativeness(self) -> float:
        """Youden's J, sensitivity + specificity - 1: 1 for a perfect judge, 0 for a coin; distrust it below 0.2."""
        return self.sensitivity + self.specificity - 1


def rogan_gladen(share: float, n: int, judge: JudgeAccuracy, *, confidence: float = 0.95) -> Estimate:
    """The true pass share behind a judged one, with an interval that includes the judge's own uncertainty.

    Source: Rogan and Gladen 1978, American Journal of Epidemiology 107:71; interval of Lee et al., arXiv 2511.21140.

    Args:
        share: Share of items that the judge passed, 0..1.
        n: Items judged.
        judge: Its accuracy against people.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The corrected share, clipped to 0..1, with its interval.

    Raises:
        UsageError: When the judge is no better than a coin, or an input is impossible.
    """
    require_share("share", share)
    require_positive("n", n)
    z = two_sided_z(confidence)
    value = _corrected(share, judge)
    adjusted = (n * share + z * z / 2) / (n + z * z)
    shrunk = JudgeAccuracy(
        sensitivity=(judge.positives * judge.sensitivity + 1) / (judge.positives + 2),
        positives=judge.positives + 2,
        specificity=(judge.negatives * judge.specificity + 1) / (judge.negatives + 2),
        negatives=judge.negatives + 2,
    )
    theta = _corrected(adjusted, shrunk)
    from_fails = shrunk.specificity * (1 - shrunk.specificity) / shrunk.negatives
    from_passes = shrunk.sensitivity * (1 - shrunk.sensitivity) / shrunk.positives
    center = theta + 2 * z * z * (theta * from_passes - (1 - theta) * from_fails)
    sampling = adjusted * (1 - adjusted) / (n + z * z)
    half = z * math.sqrt(sampling + (1 - theta) ** 2 * from_fails + theta**2 * from_passes) / shrunk.informativeness
    return Estimate(
        value=_clip(value),
        low=_clip(center - half),
        high=_clip(center + half),
        n=n,
        confidence=confidence,
        method="Rogan-Gladen",
    )


def ppi_weight(labels: Sequence[float], judged: Sequence[float], judged_unlabeled: Sequence[float]) -> float:
    """How much of the judge PPI++ uses, 0 (people only) to 1; arguments as `ppi_mean`."""
    _require_ppi(labels, judged, judged_unlabeled)
    mean_label, mean_judged = fmean(labels), fmean(judged)
    covariance = fmean((y - mean_label) * (f - mean_judged) for y, f in zip(labels, judged, strict=True))
    spread = variance((*judged, *judged_unlabeled))
    if spread == 0:
        return 0.0
    return _clip(covariance / ((1 + len(labels) / len(judged_unlabeled)) * spread))


def ppi_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    judged_unlabeled: Sequence[float],
    *,
    weight: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The mean human score, with a judge on many more items making the interval shorter.

    Source: Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453 (PPI++).

    Args:
        labels: Human scores of a random subset of the items.
        judged: The judge's scores of the same items, in the same order.
        judged_unlabeled: The judge's scores of the other items.
        weight: How much of the judge to use, 0..1; estimated when None.
        confidence: Two-sided coverage, 0..1.

    Returns:
        The mean with its normal interval; `n` counts the human labels.

    Raises:
        UsageError: For too few or unequally many scores.
    """
    _require_ppi(labels, judged, judged_unlabeled)
    lam = ppi_weight(labels, judged, judged_unlabeled) if weight is None else weight
    require_share("weight", lam)
    rectifiers = [y - lam * f for y, f in zip(labels, judged, strict=True)]
    value = lam * fmean(judged_unlabeled) + fmean(rectifiers)
    squared_se = lam**2 * pvariance(judged_unlabeled) / len(judged_unlabeled) + pvariance(rectifiers) / len(labels)
    half = two_sided_z(confidence) * math.sqrt(squared_se)
    return Estimate(
        value=value, low=value - half, high=value + half, n=len(labels), confidence=confidence, method="PPI++"
    )


def _corrected(share: float, judge: JudgeAccuracy) -> float:
    require(
        judge.informativeness > 0,
        f"sensitivity + specificity is {judge.informativeness + 1:.2f}: a judge at or below 1 cannot be corrected",
    )
    return (share + judge.specificity - 1) / judge.informativeness


def _require_ppi(labels: Sequence[float], judged: Sequence[float], judged_unlabeled: Sequence[float]) -> None:
    require(len(labels) == len(judged), f"{len(labels)} labels and {len(judged)} judged scores: one each per item")
    require(min(len(labels), len(judged_unlabeled)) > 1, "PPI needs at least two labeled and two unlabeled items")


def _clip(share: float) -> float:
    return min(1.0, max(0.0, share))
