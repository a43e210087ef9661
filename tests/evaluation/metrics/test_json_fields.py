"""JSON by content: what is equal, what is a field, what is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core import codec
from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.metrics.grading import Case
from finetuner.evaluation.metrics.json_fields import JsonFields, JsonMatch, field_accuracy

EXAMPLE = Example(messages=(user("q"), assistant("{}")))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("wanted", "given", "share"),
    [
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1.0}, 1),
        ({"a": 1, "b": "x"}, {"a": 1}, 1 / 2),
        ({"a": 1}, {"a": 1, "c": 2, "d": 3}, 1 / 3),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, 1 / 2),
        ({"a": 1}, {"a": True}, 0),
        ({"a": None}, {}, 0),
        ({"a": []}, {"a": {}}, 0),
        ([], [], 1),
        (3, 3, 1),
        ("x", "X", 0),
    ],
)
def test_fields_are_counted_by_hand(wanted, given, share):
    """Right ones among all that are expected or given."""
    assert field_accuracy(wanted, given) == pytest.approx(share)


@given(VALUES, VALUES)
def test_all_fields_right_is_the_same_value(wanted, given):
    """And the share is symmetric, between 0 and 1."""
    share = field_accuracy(wanted, given)
    assert 0 <= share <= 1
    assert share == field_accuracy(given, wanted)
    assert field_accuracy(wanted, wanted) == 1
    if share == 1 and not isinstance(wanted, bool):
        assert wanted == given


def graded(metric, wanted, given):
    return metric.grade(Case(wanted, given, EXAMPLE))


def test_spacing_and_order_of_keys_do_not_count():
    grade = graded(JsonMatch(), '{"a": 1, "b": [2]}', '{ "b":[2],"a":1 }')
    assert grade.value == 1
    assert graded(JsonFields(), '{"a": 1}', codec.encode({"a": 1}).decode()).value == 1


@pytest.mark.parametrize("answer", ["", "not JSON", '{"a": 1} and more', "[" * 100_000])
def test_what_is_no_json_is_wrong_and_unreadable(answer):
    grade = graded(JsonFields(), '{"a": 1}', answer)
    assert (grade.value, grade.parsed) == (0, None)
