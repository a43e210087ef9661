"""What is repaired in a record, and that repairs never fail or touch what is good."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.checks import openai, vertex
from finetuner.data.checks.repairs import repairs_for

USER = {"role": "user", "content": "a"}
ANSWER = {"role": "assistant", "content": "b"}
ASKED = {"role": "user", "parts": [{"text": "a"}]}
TOLD = {"role": "model", "parts": [{"text": "b"}]}
PAIR = {
    "input": {"messages": [USER]},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{**ANSWER, "content": "c"}],
}
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": FUNCTION}]


def call(**more):
    return {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}} | more


def chat(*messages, **more):
    return {"messages": list(messages), **more}


def turns(*contents, **more):
    return {"contents": list(contents), **more}


def scored(**more):
    completions = [{"score": n, "completion": {"role": "model", "parts": [{"text": f"b{n}"}]}} for n in (1, 0)]
    return {"contents": [ASKED], "completions": completions, **more}


RULES = {
    "openai": openai.check_chat,
    "openai-preference": openai.check_pair,
    "vertex": vertex.check_contents,
    "vertex-preference": vertex.check_pair,
}
BROKEN = [
    ("openai", "wrong_role", chat({"role": "human", "content": "a"}, {"role": "GPT", "content": "b"})),
    ("openai", "wrong_role", chat({"role": "User", "content": "a"}, {"role": "model", "content": "b"})),
    ("openai", "system_not_first", chat(USER, {"role": "system", "content": "s"}, ANSWER)),
    ("openai", "bad_weight", chat(USER, {**ANSWER, "weight": True})),
    ("openai", "bad_weight", chat(USER, {**ANSWER, "weight": "1"})),
    ("openai", "misplaced_weight", chat({**USER, "weight": 1}, ANSWER)),
    (
        "openai",
        "bad_arguments",
        chat(
            USER,
            {"role": "assistant", "tool_calls": [call(function={"name": "f", "arguments": {"x": 1}})]},
            tools=TOOLS,
        ),
    ),
    ("openai", "bad_tool_call", chat(USER, {**ANSWER, "tool_calls": []})),
    (
        "openai",
        "bad_tool_call",
        chat(
            USER,
            {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]},
            tools=TOOLS,
        ),
    ),
    (
        "openai",
        "empty_content",
        chat({"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]}, ANSWER),
    ),
    ("openai", "bad_tool", chat(USER, ANSWER, tools=[FUNCTION])),
    ("openai", "bad_tool", chat(USER, ANSWER, tools=[{"function": FUNCTION}])),
    ("openai", "repeated_tool", chat(USER, ANSWER, tools=TOOLS * 2)),
    ("openai", "no_tools", chat(USER, ANSWER, parallel_tool_calls=True)),
    ("openai", "unknown_key", chat({**USER, "time": 3}, ANSWER)),
    ("openai", "no_assistant_end", chat(USER, ANSWER, USER)),
    ("openai-preference", "flat_input", {**PAIR, "input": [USER]}),
    (
        "openai-preference",
        "old_key",
        {
            "input": PAIR["input"],
            "preferred_completion": [ANSWER],
            "non_preferred_output": PAIR["non_preferred_output"],
        },
    ),
    ("openai-preference", "wrong_role", {**PAIR, "preferred_output": [{"role": "model", "content": "b"}]}),
    (
        "openai-preference",
        "system_not_first",
        {**PAIR, "input": {"messages": [USER, {"role": "system", "content": "s"}]}},
    ),
    ("openai-preference", "no_tools", {**PAIR, "input": {"messages": [USER], "parallel_tool_calls": True}}),
    ("openai-preference", "unknown_key", {**PAIR, "id": 1, "input": {"messages": [USER], "x": 1}}),
    ("vertex", "wrong_role", turns(ASKED, {"role": "assistant", "parts": [{"text": "b"}]})),
    ("vertex", "wrong_role", turns({"role": "system", "parts": [{"text": "s"}]}, ASKED, TOLD)),
    ("vertex", "missing_parts", turns({"role": "user", "content": "a"}, TOLD)),
    ("vertex", "empty_content", turns({"role": "user", "parts": [{"text": " "}, {"text": "a"}]}, TOLD)),
    (
        "vertex",
        "bad_function",
        turns(
            ASKED,
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": '{"x": 1}'}}]},
            tools=[{"functionDeclarations": [FUNCTION]}],
        ),
    ),
    ("vertex", "bad_tool", turns(ASKED, TOLD, tools=TOOLS)),
    ("vertex", "bad_tool", turns(ASKED, TOLD, tools=[FUNCTION])),
    ("vertex", "unknown_key", turns(ASKED, TOLD, label="x")),
    ("vertex-preference", "camel_case", scored(systemInstruction={"parts": [{"text": "s"}]})),
]


def repair(wire, code):
    return next(one for one in repairs_for(wire) if one.code == code)


@pytest.mark.parametrize(("wire", "code", "record"), BROKEN, ids=[f"{f}-{c}" for f, c, _ in BROKEN])
def test_a_repair_leaves_no_problem(wire, code, record):
    before = json.dumps(record)
    assert code in {problem.code for problem in RULES[wire](record)}
    changed = repair(wire, code).change(record)
    changed.pop("metadata", None)
    assert [problem.code for problem in RULES[wire](changed)] == []
    assert json.dumps(record) == before


def test_every_repair_has_an_example_here():
    for wire in RULES:
        covered = {code for other, code, _ in BROKEN if other == wire}
        shared = {code for _, code, _ in BROKEN}
        assert {one.code for one in repairs_for(wire)} - shared == set()
        assert covered


def test_texts_are_joined_and_keys_kept():
    """Nothing is invented, and what belongs to the team stays with it."""
    record = chat({"role": "system", "content": "s"}, USER, {"role": "developer", "content": "t"}, ANSWER)
    changed = repair("openai", "system_not_first").change(record)
    assert changed["messages"] == [{"role": "system", "content": "s\nt"}, USER, ANSWER]
    labelled = repair("openai", "unknown_key").change(chat(USER, ANSWER, label="x", metadata={"user": "u"}))
    assert labelled == chat(USER, ANSWER, metadata={"label": "x", "user": "u"})
    cut = repair("openai", "no_assistant_end").change(chat(USER))
    assert cut == chat(USER)


KEYS = st.sampled_from(
    ["messages", "role", "content", "tool_calls", "function", "tools", "weight", "type", "text", "input",
     "contents", "parts", "preferred_output", "non_preferred_completion", "systemInstruction", "functionCall", "args",
     "completions", "metadata", "name", "arguments", "parallel_tool_calls"]
)  # fmt: skip
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["user", "model", "system", "text", "", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(record=st.dictionaries(KEYS, SHAPES, max_size=5), wire=st.sampled_from(sorted(RULES)))
def test_no_record_makes_a_repair_fail(record, wire):
    """And a second time changes nothing more."""
    for one in repairs_for(wire):
        once = one.change(record)
        assert one.change(once) == once


@given(record=st.sampled_from([chat(USER, {**ANSWER, "weight": 1}), PAIR, turns(ASKED, TOLD), scored()]))
def test_good_records_stay_as_they_are(record):
    wire = next(name for name, rule in RULES.items() if [*rule(record)] == [])
    for one in repairs_for(wire):
        assert one.change(record) == record


def test_unknown_formats_have_no_repairs():
    assert repairs_for("acme") == ()
