"""GSM8K as lm-evaluation-harness counts: by its rules, and by itself where it is installed."""

import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.metrics.grading import Case
from finetuner.evaluation.metrics.harness import HarnessFlexible, HarnessStrict

EXAMPLE = Example(messages=(user("q"), assistant("#### 1234")))
ANSWERS = [
    "#### 1,234",
    "So:\n#### 1234.",
    "#### $1234",
    "It is $1,234.",
    "first 7, then 1234 pens",
    "#### 99\n#### 1234",
    "1234.0",
    "-1234",
    "1234 of 5",
    "#### about 1234",
    "no number",
    "...",
    "",
    "1,234,",
    "####1234",
]


def value(metric, answer, expected="#### 1234"):
    return metric.grade(Case(expected, answer, EXAMPLE)).value


@pytest.mark.parametrize(
    ("answer", "flexible", "strict"),
    list(
        zip(
            ANSWERS,
            (1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1),
            (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
            strict=True,
        )
    ),
)
def test_by_its_rules(answer, flexible, strict):
    """The first number after `#### `, or the last number of all; commas, dollars and a final full stop don't count."""
    assert value(HarnessFlexible(), answer) == flexible
    assert value(HarnessStrict(), answer) == strict


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness isn't installed")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(ANSWERS) | st.text("0123456789.,$-# \nabc", max_size=30), st.sampled_from(["1234", "-5", "1,000.5"])
)
def test_by_itself(answer, number):
    """The same filters and the same metric of the installed harness give the same values."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    filters = {
        HarnessStrict(): RegexFilter(r"#### (\-?[0-9\.\,]+)"),
        HarnessFlexible(): RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1),
    }
    ignored = [",", "\\$", "(?s).*#### ", "\\.$"]
    for metric, filtering in filters.items():
        ((found,),) = filtering.apply([[answer]], [{}])
        theirs = exact_match_hf_evaluate([found], [f"#### {number}"], regexes_to_ignore=ignored, ignore_case=True)
        assert value(metric, answer, f"#### {number}") == theirs["exact_match"], (answer, number)
