"""How far a judge can be believed: its agreement with people, and the pass rate corrected for its errors."""

from collections.abc import Mapping

import attrs

from finetuner.errors import UsageError
from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.statistics.agreement import cohen_kappa, contingency_table
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.judged import JudgeAccuracy, rogan_gladen

_FEWEST_LABELS = 50
_LEAST_INFORMATIVE = 0.2
_LEAST_KAPPA = 0.6


@attrs.frozen(kw_only=True)
class Calibration:
    """A judge against people.

    Attributes:
        labels: Answers that both judged.
        agreement: Share on which they agree, 0..1.
        kappa: Agreement beyond chance (Cohen), with its interval; None where both gave one label throughout.
        accuracy: Sensitivity and specificity of the judge.
        corrected_pass_rate: Pass rate of all judged answers, corrected (Rogan-Gladen), with an interval that knows the
            judge's own uncertainty; None where the judge is no better than a coin.
        warnings: Why it shouldn't decide a gate; empty where all is well.
    """

    labels: int
    agreement: float
    kappa: Estimate | None
    accuracy: JudgeAccuracy
    corrected_pass_rate: Estimate | None
    warnings: tuple[str, ...]


def calibrate(judged: JudgeReport, human: Mapping[int, bool]) -> Calibration:
    """Compare a judge with people who labeled a random part of the same answers.

    Args:
        judged: What the judge says.
        human: Whether a person passes the answer, by row number.

    Returns:
        Agreement, kappa, and the corrected pass rate.

    Raises:
        UsageError: The judge's run is void, or people didn't both pass and fail some judged answer.
    """
    if judged.void:
        raise UsageError(f"this judge can't be calibrated: {judged.void}")
    pairs = [
        (verdict.passed, human[row])
        for row, verdict in judged.verdicts.items()
        if row in human and verdict.passed is not None
    ]
    accuracy = JudgeAccuracy.from_labels(pairs)
    said = {label for pair in pairs for label in pair}
    kappa = cohen_kappa(contingency_table(pairs, (True, False))) if len(said) > 1 else None
    return Calibration(
        labels=len(pairs),
        agreement=sum(judge == person for judge, person in pairs) / len(pairs),
        kappa=kappa,
        accuracy=accuracy,
        corrected_pass_rate=_corrected(judged, accuracy),
        warnings=_warnings(len(pairs), accuracy, kappa),
    )


def _corrected(judged: JudgeReport, accuracy: JudgeAccuracy) -> Estimate | None:
    if judged.pass_rate is None or accuracy.informativeness <= 0:
        return None
    return rogan_gladen(judged.pass_rate.value, judged.judged, accuracy)


def _warnings(labels: int, accuracy: JudgeAccuracy, kappa: Estimate | None) -> tuple[str, ...]:
    found = {
        f"only {labels} human labels; get at least {_FEWEST_LABELS}": labels < _FEWEST_LABELS,
        "the judge is hardly better than a coin": accuracy.informativeness <= _LEAST_INFORMATIVE,
        f"kappa is below {_LEAST_KAPPA}: make the rubric clearer": kappa is not None and kappa.value < _LEAST_KAPPA,
    }
    return tuple(text for text, holds in found.items() if holds)
