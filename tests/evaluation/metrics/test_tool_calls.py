"""Tool calls: the same calls in any order, with the same arguments in any spacing."""

import pytest

from finetuner.data.examples import Example, Message, ToolCall, user
from finetuner.evaluation.metrics.grading import Case
from finetuner.evaluation.metrics.tool_calls import ToolCalls
from finetuner.evaluation.scoring import said

FIND = ToolCall("1", "find", '{"id": 1, "deep": {"b": 1, "a": 2}}')
SEND = ToolCall("2", "send", '{"to": "x"}')


def value(wanted, given, *, arguments=True, text=""):
    example = Example(messages=(user("q"), Message(role="assistant", tool_calls=wanted, content=() if wanted else "")))
    grade = ToolCalls(arguments=arguments).grade(Case("", said(text, given), example))
    return grade.value, grade.parsed is not None


@pytest.mark.parametrize(
    ("given", "calls", "names"),
    [
        ((FIND, SEND), 1, 1),
        ((SEND, FIND), 1, 1),
        ((ToolCall("x", "find", '{"deep":{"a":2,"b":1},"id":1}'), SEND), 1, 1),
        ((ToolCall("x", "find", '{"id": 2}'), SEND), 0, 1),
        ((FIND,), 0, 0),
        ((FIND, SEND, SEND), 0, 0),
        ((ToolCall("x", "find", "not JSON"), SEND), 0, 1),
        ((), 0, 0),
    ],
)
def test_calls_are_compared_as_a_set_with_repetitions(given, calls, names):
    assert value((FIND, SEND), given) == (calls, bool(given))
    assert value((FIND, SEND), given, arguments=False)[0] == names


def test_text_that_looks_like_calls_is_read_as_what_it_says():
    """An answer that writes a call instead of making it is JSON without calls."""
    assert value((FIND,), (), text='{"name": "find", "arguments": {"id": 1}}')[0] == 0
