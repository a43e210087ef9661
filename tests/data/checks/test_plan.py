"""Plans of repairs: shown, chosen from, and what is left to a person."""

import pytest

from finetuner.data.checks.plan import FixPlan
from finetuner.errors import UnknownNameError

COUNTS = {"wrong_role": 3, "invalid_json": 2, "blank_lines": 1, "insufficient_examples": 1, "unknown_key": 7}


@pytest.fixture
def plan():
    return FixPlan.of(COUNTS, frozenset({"wrong_role", "invalid_json"}), provider="openai", model=None, format="openai")


def test_a_plan_reads_as_a_list_of_steps(plan):
    assert str(plan).splitlines() == [
        "change  wrong_role (3): rename roles of other providers, such as human or model",
        "change  unknown_key (7): move unknown keys to the metadata; leave out those of messages",
        "rewrite blank_lines (1): leave out empty lines",
        "drop    drop (2): drop the rows that have errors even then, such as those with invalid_json",
        "for a person: insufficient_examples",
    ]


def test_what_isnt_accepted_is_left_out(plan):
    assert [fix.code for fix in plan.without("drop", "unknown_key").fixes] == ["wrong_role", "blank_lines"]
    assert [fix.code for fix in plan.only("wrong_role").fixes] == ["wrong_role"]
    assert (plan.drops, plan.without("drop").drops) == (True, False)
    assert [repair.code for repair in plan.repairs()] == ["wrong_role", "unknown_key"]
    with pytest.raises(UnknownNameError, match="no step 'invalid_json'; its steps are wrong_role, unknown_key"):
        plan.without("invalid_json")


def test_nothing_to_do_is_said():
    empty = FixPlan.of({}, frozenset(), provider="openai", model=None, format="openai")
    assert str(empty) == "nothing to repair"
    hopeless = FixPlan.of({"few_examples": 1}, frozenset(), provider="openai", model=None, format="openai")
    assert str(hopeless) == "nothing can be repaired automatically\nfor a person: few_examples"
