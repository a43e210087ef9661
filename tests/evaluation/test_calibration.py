"""Calibration: what people say about a judge, and when it no longer holds."""

import attrs
import pytest

from finetuner.errors import UsageError
from finetuner.evaluation.calibration import calibrate, with_calibration
from finetuner.evaluation.judge import Judge, Verdict, report
from finetuner.evaluation.judge_prompt import Judgement
from finetuner.evaluation.rubric import Criterion, Level, Rubric
from finetuner.evaluation.statistics.judged import ppi_mean
from finetuner.providers.ports import Usage
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal

RUBRIC = Rubric(name="R", task="", criteria=(Criterion("Right", 1.0, (Level(5, "good"), Level(1, "bad"))),))


def verdict(passed):
    score = 5 if passed else 1
    return Verdict(
        judgements=(Judgement(scores={"criterion_1": score}, overall=score, passed=passed),),
        unreadable=0,
        usage=Usage(),
    )


def judged(model="test:judge", rubric=RUBRIC):
    """200 answers of which a judge passes three of four."""
    return report(Judge(model, rubric), {row: verdict(row % 4 > 0) for row in range(200)}, void=None, cost=None)


HUMAN = {row: row % 4 > 0 if row % 10 else row % 4 == 0 for row in range(80)}
"""People disagree on every tenth answer."""


def test_agreement_and_corrections():
    found = calibrate(judged(), HUMAN)
    assert (found.labels, found.agreement) == (80, 0.9)
    assert found.kappa.value == pytest.approx(found.alpha, abs=0.01)
    assert found.corrected_pass_rate.low < found.corrected_pass_rate.value < found.corrected_pass_rate.high
    assert found.warnings == ()


def test_assistance_is_ppi():
    """People's labels, made sharper by the judge on the other 120 answers."""
    found = calibrate(judged(), HUMAN).assisted_pass_rate
    labels, said = [float(value) for value in HUMAN.values()], [float(row % 4 > 0) for row in range(200)]
    theirs = ppi_mean(labels, said[:80], said[80:])
    assert found.value == pytest.approx(theirs.value)
    assert calibrate(judged(), {row: row % 4 > 0 for row in range(200)}).assisted_pass_rate is None


def test_a_calibration_holds_for_one_judge():
    """Another model, another rubric, another number of repeats: void, and it says why."""
    found = calibrate(judged(), HUMAN)
    assert found.void_for(judged()) is None
    assert "model has changed" in found.void_for(judged("test:other"))
    assert "rubric, prompt" in found.void_for(judged(rubric=attrs.evolve(RUBRIC, task="Another.")))


def test_reports_use_the_newest_calibration_or_say_that_it_is_void(place):
    with Journal.open(place) as journal:
        records = EvaluationRecords(journal)
        assert with_calibration(judged(), "test:m", records).notes[0].startswith("not calibrated")
        calibrate(judged(), HUMAN).save(journal)
        told = with_calibration(judged(), "test:m", records)
        assert told.corrected_pass_rate == calibrate(judged(), HUMAN).corrected_pass_rate
        assert told.notes == ()
        changed = with_calibration(judged(rubric=attrs.evolve(RUBRIC, threshold=4.5)), "test:m", records)
        assert changed.corrected_pass_rate is None
        assert "void" in changed.notes[0]


def test_a_judge_in_its_own_cause_is_noted(place):
    with Journal.open(place) as journal:
        told = with_calibration(judged(), "test:judge", EvaluationRecords(journal))
    assert told.notes[0].startswith("test:judge judges its own answers")


def test_few_labels_warn():
    warnings = calibrate(judged(), {row: row % 3 > 0 for row in range(20)}).warnings
    assert "only 20 human labels" in warnings[0]
    assert len(warnings) == 3


def test_a_void_run_cannot_be_calibrated():
    with pytest.raises(UsageError, match="fooled"):
        calibrate(attrs.evolve(judged(), void="fooled"), HUMAN)
