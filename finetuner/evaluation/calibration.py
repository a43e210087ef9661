"""How far a judge can be believed: its agreement with people, the pass rate corrected for its errors, and until when.

A calibration holds for one judge: the same model, rubric, prompt and number of repeats. When one of them changes it is
void, and the reports of the changed judge say so.
"""

from collections.abc import Mapping, Sequence

import attrs

from finetuner._core import codec
from finetuner._core.hashing import json_sha256
from finetuner.errors import UsageError
from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.statistics.agreement import cohen_kappa, contingency_table, krippendorff_alpha
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.judged import JudgeAccuracy, ppi_mean, rogan_gladen
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal

_KIND = "calibration"
_FEWEST_LABELS = 50
_LEAST_INFORMATIVE = 0.2
_LEAST_KAPPA = 0.6


@attrs.frozen(kw_only=True)
class Calibration:
    """A judge against people.

    Attributes:
        judge: `provider:model` of the judge.
        judge_fingerprint: Of model, rubric, prompt and repeats: it holds for this judge alone.
        labels: Answers that both judged.
        agreement: Share on which they agree, 0..1.
        kappa: Agreement beyond chance (Cohen), with its interval; None where both gave one label throughout.
        alpha: Krippendorff's alpha; None likewise.
        accuracy: Sensitivity and specificity of the judge.
        corrected_pass_rate: Pass rate of all judged answers, corrected (Rogan-Gladen), with an interval that knows the
            judge's own uncertainty; None where the judge is no better than a coin.
        assisted_pass_rate: The same by PPI++: people's labels, with the judge's verdicts on all other answers making
            the interval shorter; None where there are fewer than two other answers.
        warnings: Why it shouldn't decide a gate; empty where all is well.
    """

    judge: str
    judge_fingerprint: str
    labels: int
    agreement: float
    kappa: Estimate | None
    alpha: float | None
    accuracy: JudgeAccuracy
    corrected_pass_rate: Estimate | None
    assisted_pass_rate: Estimate | None
    warnings: tuple[str, ...]

    def void_for(self, judged: JudgeReport) -> str | None:
        """Why it says nothing about a report; None where it holds."""
        if self.judge_fingerprint == judged.judge_fingerprint:
            return None
        changed = "model" if self.judge != judged.model else "rubric, prompt or number of repeats"
        return f"the calibration is void: the judge's {changed} has changed since; let people label again"

    def save(self, journal: Journal) -> None:
        """Keep it: later runs of this judge are corrected by it, those of a changed one say that it is void."""
        records, own = EvaluationRecords(journal), json_sha256(codec.unstructure(self))
        records.begin(own, model=self.judge, dataset="", kind=_KIND)
        records.finish(own, self)


def calibrate(judged: JudgeReport, human: Mapping[int, bool]) -> Calibration:
    """Compare a judge with people who labeled a random part of the same answers.

    Args:
        judged: What the judge says.
        human: Whether a person passes the answer, by row number.

    Returns:
        Agreement, and the pass rate corrected in two ways.

    Raises:
        UsageError: The judge's run is void, or people didn't both pass and fail some judged answer.
    """
    if judged.void:
        raise UsageError(f"this judge can't be calibrated: {judged.void}")
    said = {row: verdict.passed for row, verdict in judged.verdicts.items() if verdict.passed is not None}
    pairs = [(passed, human[row]) for row, passed in said.items() if row in human]
    accuracy = JudgeAccuracy.from_labels(pairs)
    mixed = len({label for pair in pairs for label in pair}) > 1
    kappa = cohen_kappa(contingency_table(pairs, (True, False))) if mixed else None
    return Calibration(
        judge=judged.model,
        judge_fingerprint=judged.judge_fingerprint,
        labels=len(pairs),
        agreement=sum(judge == person for judge, person in pairs) / len(pairs),
        kappa=kappa,
        alpha=krippendorff_alpha([[float(one) for one in side] for side in zip(*pairs, strict=True)])
        if mixed
        else None,
        accuracy=accuracy,
        corrected_pass_rate=_corrected(judged, accuracy),
        assisted_pass_rate=_assisted(pairs, [passed for row, passed in said.items() if row not in human]),
        warnings=_warnings(len(pairs), accuracy, kappa),
    )


def with_calibration(judged: JudgeReport, model: str, records: EvaluationRecords) -> JudgeReport:
    """The report with what the newest calibration of its judge says, or with the reason why there is nothing to say.

    Args:
        judged: What a judge says.
        model: Whom it judged.
        records: Where calibrations are kept.
    """
    notes = (f"{model} judges its own answers: let another model judge",) if judged.model == model else ()
    kept = records.list(model=judged.model, kind=_KIND)
    found = [codec.structure(record.result, Calibration) for record in kept if record.result is not None]
    valid = next((each for each in found if each.void_for(judged) is None), None)
    if valid is not None:
        corrected = None if judged.void else _corrected(judged, valid.accuracy)
        return attrs.evolve(judged, corrected_pass_rate=corrected, notes=(*notes, *valid.warnings))
    lacking = found[0].void_for(judged) if found else "not calibrated: people have not labeled a part of the answers"
    return attrs.evolve(judged, notes=(*notes, lacking or ""))


def _corrected(judged: JudgeReport, accuracy: JudgeAccuracy) -> Estimate | None:
    if judged.pass_rate is None or accuracy.informativeness <= 0:
        return None
    return rogan_gladen(judged.pass_rate.value, judged.judged, accuracy)


def _assisted(pairs: Sequence[tuple[bool, bool]], others: Sequence[bool]) -> Estimate | None:
    if len(pairs) < 2 or len(others) < 2:  # noqa: PLR2004 - a variance needs two
        return None
    found = ppi_mean(
        [float(person) for _, person in pairs], [float(judge) for judge, _ in pairs], list(map(float, others))
    )
    return attrs.evolve(found, low=max(0.0, found.low), high=min(1.0, found.high))


def _warnings(labels: int, accuracy: JudgeAccuracy, kappa: Estimate | None) -> tuple[str, ...]:
    found = {
        f"only {labels} human labels; get at least {_FEWEST_LABELS}": labels < _FEWEST_LABELS,
        "the judge is hardly better than a coin": accuracy.informativeness <= _LEAST_INFORMATIVE,
        f"kappa is below {_LEAST_KAPPA}: make the rubric clearer": kappa is not None and kappa.value < _LEAST_KAPPA,
    }
    return tuple(text for text, holds in found.items() if holds)
