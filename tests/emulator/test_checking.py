import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.emulator.checking import auto, either, flag, items, mapping, number, pairs, table, tagged, text
from finetuner.emulator.routing import RefusedError

ANY = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
CHECK = table(
    {"a": text(1, 3)},
    {
        "b": auto(number(1, 5, whole=True)),
        "c": either(text(), items(flag, 1, 2)),
        "d": pairs(2, 3, 3),
        "e": tagged({"x": table({"type": text()}, {"more": mapping})}),
        "f": number(above=0, high=1),
    },
)


def refusal(body):
    try:
        CHECK(body, "")
    except RefusedError as error:
        return error
    return None


def refused(body):
    error = refusal(body)
    return None if error is None else (error.code, error.param)


@given(ANY)
def test_whatever_comes_is_taken_or_refused(body):
    """No value ends in another error, and a refusal is a 400 with a code and a message."""
    error = refusal(body)
    assert error is None or (error.status == 400 and error.code and error.message)


@pytest.mark.parametrize(
    "fields",
    [{}, {"b": "auto"}, {"b": 5}, {"c": "x"}, {"c": [True]}, {"d": {"k": "v"}}, {"e": {"type": "x"}}, {"f": 0.5}]
    + [{name: None} for name in "bcdef"],
)
def test_what_fits_is_taken_and_null_stands_for_absent(fields):
    assert refused({"a": "x"} | fields) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"a": None}, ("missing_required_parameter", "a")),
        ({"a": ""}, ("string_below_min_length", "a")),
        ({"a": "xxxx"}, ("string_above_max_length", "a")),
        ({"a": 1}, ("invalid_type", "a")),
        ({"b": 6}, ("integer_above_max_value", "b")),
        ({"b": 0}, ("integer_below_min_value", "b")),
        ({"b": True}, ("invalid_type", "b")),
        ({"b": 1.5}, ("invalid_type", "b")),
        ({"c": []}, ("array_below_min_length", "c")),
        ({"c": [True] * 3}, ("array_above_max_length", "c")),
        ({"c": [1]}, ("invalid_type", "c[0]")),
        ({"c": 1}, ("invalid_type", "c")),
        ({"d": {"long": "v"}}, ("property_name_above_max_length", "d")),
        ({"d": {"k": "long"}}, ("string_above_max_length", "d.k")),
        ({"d": {"1": "", "2": "", "3": ""}}, ("object_above_max_length", "d")),
        ({"e": {"type": "y"}}, ("invalid_value", "e.type")),
        ({"e": {"type": "x", "more": []}}, ("invalid_type", "e.more")),
        ({"f": 0}, ("decimal_below_min_value", "f")),
        ({"g": 1}, ("unknown_parameter", "g")),
    ],
)
def test_each_mistake_has_its_code_and_its_place(fields, expected):
    assert refused({"a": "x"} | fields) == expected
