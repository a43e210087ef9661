import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.lenient import as_list, as_moment, as_number, as_object, as_text, as_whole

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(ANYTHING)
def test_whatever_comes_nothing_is_raised(value):
    assert isinstance(as_object(value), dict)
    assert isinstance(as_list(value), list)
    assert as_text(value) is None or as_text(value) == value
    number = as_number(value)
    assert number is None or math.isfinite(number)
    as_moment(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("42", 42.0), (42, 42.0), ("4.5", 4.5), (True, None), ("nan", None), ("x", None), (None, None)],
)
def test_numbers_may_be_text(value, number):
    assert as_number(value) == number


def test_whole_numbers_lose_their_fraction():
    assert as_whole("12") == 12
    assert as_whole(3.9) == 3
    assert as_whole("") is None


def test_moments_are_seconds_since_the_epoch():
    assert as_moment("1970-01-01T00:00:10Z") == 10.0
    assert as_moment("1970-01-01T00:00:10.5+00:00") == 10.5
    assert as_moment("yesterday") is None
