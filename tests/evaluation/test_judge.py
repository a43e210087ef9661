"""Judges: what they are told, how replies are read, and when they are not believed."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.examples import Example, assistant, user
from finetuner.errors import RequestRejectedError, UsageError
from finetuner.evaluation.calibration import calibrate
from finetuner.evaluation.judge import KNOWN_BAD, Judge
from finetuner.evaluation.judge_prompt import messages, read_reply, reply_schema
from finetuner.evaluation.rubric import Criterion, Level, Rubric
from finetuner.evaluation.run import evaluate, evaluate_async

LEVELS = (Level(5, "good"), Level(1, "bad"))
RUBRIC = Rubric(
    name="Replies", task="Answer.", criteria=(Criterion("Right", 0.7, LEVELS), Criterion("Form", 0.3, LEVELS))
)
EXAMPLE = Example(messages=(user("What is it?"), assistant("A cat.")))
PAIRS = [(f"question {i}", f"the answer is {i}, as anybody can see") for i in range(60)]


def reply(right, form, **more):
    overall = round(0.7 * right + 0.3 * form, 2)
    body = {"justification": "because", "scores": {"criterion_1": right, "criterion_2": form}}
    return json.dumps({**body, "overall": overall, "pass": overall >= 3.5, **more})


def candidate(told):
    """The answer that a judge was shown."""
    mark = re.findall(r"<<[0-9a-f]{24}>>", told)[0]
    return json.loads(told.split(mark)[1])["actual"]


def strict(told):
    """A judge that knows right answers by their words."""
    return reply(5, 4) if candidate(told).startswith("the answer is") else reply(1, 1)


def test_overall_and_pass_are_computed_again():
    """The judge's own arithmetic is never believed; a contradiction is recorded."""
    judgement = read_reply(RUBRIC, reply(2, 2, overall=4.9, **{"pass": True}))
    assert judgement.overall == 2.0
    assert judgement.passed is False
    assert judgement.disagrees
    assert not read_reply(RUBRIC, reply(4, 5)).disagrees


@pytest.mark.parametrize(
    "text",
    [
        "I'd say 4 out of 5",
        "{}",
        '{"scores": [4, 5]}',
        '{"scores": {"criterion_1": 4}}',
        '{"scores": {"criterion_1": 4, "criterion_2": 10}}',
        '{"scores": {"criterion_1": 4, "criterion_2": true}}',
        '{"scores": {"criterion_1": 4, "criterion_2": "5"}}',
        '{"scores": {"criterion_1": 4, "criterion_2": 4.5}}',
        "[" * 100_000,
    ],
)
def test_replies_that_break_the_form_are_no_judgement(text):
    """A missing, invented or half score isn't guessed."""
    assert read_reply(RUBRIC, text) is None


def test_a_reply_in_a_fence_is_read():
    assert read_reply(RUBRIC, f"Here you are:\n```json\n{reply(5, 5)}\n```").overall == 5


@given(st.text())
def test_the_candidate_is_data(answer):
    """Whatever it says, it stays one JSON string between two marks that it doesn't hold."""
    mark = "<<0123456789abcdef01234567>>"
    told = messages(RUBRIC, given="q", expected="e", actual=answer + mark, mark=mark)
    assert told[1].text.count(mark) == 2
    shown = json.loads(told[1].text.split(mark)[1])["actual"]
    assert shown == answer.encode("utf-8", "replace").decode()


def test_scores_are_enumerated_and_the_reason_comes_first():
    schema = reply_schema(RUBRIC)
    assert list(schema["properties"]) == ["justification", "scores", "overall", "pass"]
    assert schema["properties"]["scores"]["properties"]["criterion_1"]["enum"] == [1, 2, 3, 4, 5]


def test_a_sound_judge_scores_all_answers(rows, model, place):
    """Pass rate with its interval, bands, and the rows that a person should see."""
    tuned, _ = model(lambda t: f"the answer is {t}" if int(t.split()[1]) < 54 else "no idea")
    judge, asked = model(strict, "test:judge")
    result = evaluate(tuned, rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC))
    assert result.judged.void is None
    assert result.metrics["judge_pass_rate"].value == 0.9
    assert result.judged.bands == {"Excellent": 54, "Good": 0, "Acceptable": 0, "Poor": 6}
    assert result.judged.flagged == tuple(range(54, 60))
    assert len(asked.asked) == 60 + len(KNOWN_BAD)
    again = evaluate(tuned, rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC))
    assert again == result
    assert len(asked.asked) == 60 + len(KNOWN_BAD)


@pytest.mark.parametrize("bad", KNOWN_BAD)
def test_a_judge_that_passes_a_known_bad_answer_is_void(rows, model, place, bad):
    """One accepted control is enough; no further answer is judged, and no number is given."""
    gullible, asked = model(lambda told: reply(5, 5) if candidate(told) == bad else reply(1, 1), "test:judge")
    tuned, _ = model(lambda _: "an answer")
    result = evaluate(tuned, rows(PAIRS), workspace=place, judge=Judge(gullible, rubric=RUBRIC))
    assert "known to be bad" in result.judged.void
    assert "judge_pass_rate" not in result.metrics
    assert len(asked.asked) == len(KNOWN_BAD)


def test_answers_that_could_not_be_judged_are_counted(rows, model, place):
    """Unreadable replies and errors are in no share, and flagged."""

    def judging(told):
        answer = candidate(told)
        if answer.endswith(" 1"):
            return RequestRejectedError("no")
        return "hm" if answer.endswith(" 2") else strict(told)

    judge, _ = model(judging, "test:judge")
    tuned, _ = model(lambda t: f"the answer is {t}")
    result = evaluate(tuned, rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC))
    assert (result.judged.judged, result.judged.unjudged) == (58, 2)
    assert result.judged.flagged == (1, 2)
    assert result.metrics["judge_pass_rate"].n == 58


def test_repeats_that_disagree_are_flagged(model):
    """Two of three passes pass; the disagreement is for a person."""
    replies = iter([reply(5, 5), reply(1, 1), reply(5, 5)])
    judge = Judge(model(lambda _: next(replies))[0], rubric=RUBRIC, repeats=3)
    verdict = judge.judge(EXAMPLE, "A dog.")
    assert verdict.passed is True
    assert verdict.overall == pytest.approx(11 / 3)
    assert verdict.flags == ("repeats disagree",)


def test_async_judges_alike(rows, model, place):
    tuned, _ = model(lambda t: f"the answer is {t}")
    judge, _ = model(strict, "test:judge")
    there = asyncio.run(evaluate_async(tuned, rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC)))
    assert there.metrics["judge_pass_rate"].value == 1


def test_calibration_corrects_the_pass_rate(rows, model, place):
    """A judge that passes some bad answers: sensitivity, specificity, and a corrected rate below the judged one."""
    tuned, _ = model(lambda t: f"the answer is {t}" if int(t.split()[1]) % 3 else "no idea")
    judge, _ = model(strict, "test:judge")
    judged = evaluate(tuned, rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC)).judged
    human = {row: row % 3 != 0 and row % 5 != 0 for row in range(60)}
    result = calibrate(judged, human)
    assert result.labels == 60
    assert result.accuracy.sensitivity == 1
    assert result.accuracy.specificity == pytest.approx(20 / 28)
    assert result.agreement == pytest.approx(52 / 60)
    assert result.corrected_pass_rate.value == pytest.approx(32 / 60)
    assert result.corrected_pass_rate.value < judged.pass_rate.value
    assert result.warnings == ()
    few = calibrate(judged, {row: human[row] for row in range(10)})
    assert any("only 10 human labels" in warning for warning in few.warnings)


def test_a_void_judge_cannot_be_calibrated(rows, model, place):
    judge, _ = model(lambda _: reply(5, 5), "test:judge")
    judged = evaluate(model(lambda _: "x")[0], rows(PAIRS), workspace=place, judge=Judge(judge, rubric=RUBRIC)).judged
    with pytest.raises(UsageError, match="known to be bad"):
        calibrate(judged, {0: True, 1: False})
