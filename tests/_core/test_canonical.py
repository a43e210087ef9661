"""Canonical JSON, against values of the RFC and of another implementation."""

import hashlib
import math

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core.canonical import canonical_json, number

EXACT = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | EXACT | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


def test_the_published_example():
    """rfc8785 0.1.4."""
    value = {
        "messages": [{"role": "user", "content": "héllo"}, {"role": "assistant", "content": "ok"}],
        "weight": 1.0,
        "b": 1e21,
        "a": [],
    }
    messages = '[{"content":"héllo","role":"user"},{"content":"ok","role":"assistant"}]'
    expected = f'{{"a":[],"b":1e+21,"messages":{messages},"weight":1}}'
    assert canonical_json(value) == expected.encode()
    digest = hashlib.sha256(canonical_json(value)).hexdigest()
    assert digest == "fe1b81f3eca3df9f733a7291b57e48b28f08ac8d27382b68a0126f6ec6b399ef"


@given(VALUES)
def test_another_implementation_writes_the_same(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value):
    assert float(number(value)) == value


def test_keys_are_sorted_by_utf16_units():
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="no JSON number"):
        canonical_json([value])
