import pytest

from finetuner.emulator.grading import grade
from finetuner.emulator.routing import RefusedError


def grader(operation, reference="{{item.answer}}"):
    return {
        "type": "string_check",
        "name": "n",
        "input": "{{sample.output_text}}",
        "reference": reference,
        "operation": operation,
    }


@pytest.mark.parametrize(
    ("operation", "sample", "reward"),
    [
        ("eq", "Paris", 1.0),
        ("eq", "paris", 0.0),
        ("ne", "paris", 1.0),
        ("like", "It is Paris.", 1.0),
        ("like", "It is paris.", 0.0),
        ("ilike", "It is paris.", 1.0),
    ],
)
def test_texts_are_compared_as_the_operation_says(operation, sample, reward):
    assert grade(grader(operation), sample, {"answer": "Paris"})["reward"] == reward


def test_similar_texts_get_a_part_of_the_reward():
    similar = {
        "type": "text_similarity",
        "name": "n",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "evaluation_metric": "fuzzy_match",
    }
    rewards = [grade(similar, sample, {"answer": "colour"})["reward"] for sample in ("colour", "color", "zzz")]
    assert rewards[0] == 1.0
    assert 1.0 > rewards[1] > rewards[2]


def test_a_variable_that_is_not_there_is_told():
    errors = grade(grader("eq"), "x", {})["metadata"]["errors"]
    assert errors["invalid_variable_error"]
    assert not grade(grader("eq"), "x", {"answer": "x"})["metadata"]["errors"]["invalid_variable_error"]


def test_graders_that_need_a_model_or_a_sandbox_are_refused():
    with pytest.raises(RefusedError, match="score_model"):
        grade({"type": "score_model", "name": "n", "input": "", "reference": ""}, "x", {})
