"""Metrics of single answers, and how they are chosen."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.examples import Example, assistant, user
from finetuner.errors import UnknownNameError, UsageError
from finetuner.evaluation.metrics.exact_match import ExactMatch
from finetuner.evaluation.metrics.grading import Case, FunctionMetric, Grade, mean
from finetuner.evaluation.metrics.json_validity import is_json
from finetuner.evaluation.metrics.labels import LabelReader, closed_set
from finetuner.evaluation.metrics.numeric import NumericStrict, flexible_number, strict_number
from finetuner.evaluation.metrics.registry import choose, infer
from finetuner.evaluation.metrics.token_f1 import token_f1

EXAMPLE = Example(messages=(user("q"), assistant("a")))
READER = LabelReader(("billing", "bug", "bug report", "feature_request"))


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("billing", "billing"),
        (" Billing.\n", "billing"),
        ("**BILLING**", "billing"),
        ("The label is billing, I think", "billing"),
        ("It's a bug report", "bug report"),
        ("billing or bug", None),
        ("billing, yes, billing", "billing"),
        ("debugging", None),
        ("billings", None),
        ("feature_request", "feature_request"),
        ("feature request", None),
        ("", None),
        ("none of these", None),
    ],
)
def test_labels_are_read_without_guessing(answer, label):
    """The label itself, or exactly one as whole words; else nothing."""
    assert READER.read(answer) == label


def test_labels_that_read_alike_need_their_exact_text():
    reader = LabelReader(("Yes", "yes"))
    assert (reader.read("Yes"), reader.read("yes"), reader.read("YES")) == ("Yes", "yes", None)


@given(st.sets(st.text(min_size=1), min_size=1, max_size=8))
def test_every_label_reads_as_itself(labels):
    """Whatever characters labels are made of."""
    assert all(LabelReader(tuple(labels)).read(label) == label for label in labels)


@pytest.mark.parametrize(
    ("labels", "closed"),
    [
        (["a", "b", "a", "b"], ("a", "b")),
        (["a", "b", "c"], None),
        (["a long answer. " * 10] * 4, None),
        (['{"a": 1}'] * 4, None),
        (["two\nlines"] * 4, None),
        (["", ""], None),
        ([str(i) for i in range(30)] * 2, None),
        ([], None),
    ],
)
def test_closed_sets_of_labels_are_told_from_text(labels, closed):
    assert closed_set(labels) == closed


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("#### 18", 18, 18),
        ("She pays 3 and 4.\n#### 1,234", 1234, 1234),
        ("#### $5.50", 5.5, 5.5),
        ("#### -3", -3, -3),
        ("#### 1\nno, wait\n#### 2", 2, 2),
        ("The answer is 18.", None, 18),
        ("20-5 = 15 dollars", None, 15),
        ("it costs $1,000.", None, 1000),
        ("no number", None, None),
        ("####", None, None),
    ],
)
def test_numbers_strict_and_flexible(text, strict, flexible):
    """`####` decides where it is; without it only the flexible reading finds a number."""
    assert strict_number(text) == strict
    assert flexible_number(text) == flexible


def test_equal_numbers_in_other_words_are_equal():
    assert NumericStrict().grade(Case("#### 1,200", "#### 1200.0", EXAMPLE)).value == 1


@pytest.mark.parametrize(
    ("expected", "answer", "f1"),
    [
        ("the cat sat", "A cat sat down", 0.8),
        ("yes", "Yes!", 1),
        ("yes", "no", 0),
        ("", "", 1),
        ("", "word", 0),
        ("a b b", "b b b", 0.8),
    ],
)
def test_token_f1_by_hand(expected, answer, f1):
    assert token_f1(expected, answer) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("text", "valid"),
    [("{}", True), ("[1, 2]", True), ('{"a": NaN}', False), ("{} and more", False), ("", False), ("[" * 99_999, False)],
)
def test_json_is_one_value_and_nothing_else(text, valid):
    assert is_json(text) is valid


def test_exact_match_ignores_only_outer_space():
    assert ExactMatch().grade(Case("a b", " a b\n", EXAMPLE)).value == 1
    assert ExactMatch().grade(Case("a b", "A b", EXAMPLE)).value == 0


def test_right_or_wrong_gets_wilson_and_scores_a_bootstrap():
    assert mean([1.0, 0.0, 1.0]).method == "Wilson"
    assert mean([0.2, 0.4, 0.9]).method == "bootstrap BCa"


def test_default_metrics_fit_the_data():
    assert [metric.name for metric in choose(None, ("a", "b"), "classification")] == [
        "accuracy",
        "classification",
        "exact_match",
    ]
    assert [metric.name for metric in choose(None, None, "generation")] == ["exact_match", "token_f1"]
    assert [metric.name for metric in choose(None, None, "json")] == ["json_match", "json_fields", "json_validity"]
    assert [metric.name for metric in choose(None, None, "tools")] == ["tool_calls", "tool_names"]


def test_metrics_that_cannot_be_are_refused():
    with pytest.raises(UnknownNameError, match="known: accuracy, bleu, choice, chrf, classification, exact_match"):
        choose(["roulette"], None, "generation")
    with pytest.raises(UsageError, match="closed set"):
        choose(["accuracy"], None, "generation")
    with pytest.raises(UsageError, match="each once"):
        choose(["exact_match", "exact_match"], None, "generation")
    with pytest.raises(UsageError, match="must return a number"):
        FunctionMetric("bad", lambda *_: None).grade(Case("a", "a", EXAMPLE))


def test_own_objects_are_metrics():
    """Anything with a name, `grade` and `summarize` counts."""

    @attrs.frozen
    class Length:
        name: str = "length"

        def grade(self, case):
            return Grade(expected=case.expected, value=float(len(case.answer)), parsed=case.answer)

        def summarize(self, grades):
            return {"longest": mean([max(grade.value for grade in grades)])}

    (metric,) = choose([Length()], None, "generation")
    assert metric.name == "length"


def test_the_task_is_told_from_the_data():
    """Calls, else JSON throughout, else text."""
    assert infer(["{}", "[1]"], calls=True) == "tools"
    assert infer(["{}", "[1]"], calls=False) == "json"
    assert infer(["{}", "text"], calls=False) == "generation"
    assert infer(["12", "13"], calls=False) == "generation"
