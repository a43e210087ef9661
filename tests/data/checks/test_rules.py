"""Every rule with a bad line, the place it names, and its code."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.checks import openai, vertex
from finetuner.data.checks.rules import rules_for
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.data.problems import Problem
from finetuner.errors import InvalidDataError, UnknownNameError

ON = date(2026, 11, 24)
USER = {"role": "user", "content": "a"}
ANSWER = {"role": "assistant", "content": "b"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
PNG = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def said(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


OPENAI = [
    ({"prompt": "a"}, "messages", "missing_messages"),
    (chat(), "messages", "empty_messages"),
    ({"messages": "a"}, "messages", "wrong_type"),
    (chat("a", ANSWER), "messages[0]", "wrong_type"),
    (chat({"content": "a"}, ANSWER), "messages[0].role", "missing_role"),
    (chat(USER, {"role": "model", "content": "b"}), "messages[1].role", "wrong_role"),
    (chat({"role": "User", "content": "a"}, ANSWER), "messages[0].role", "wrong_role"),
    (chat({"role": 1, "content": "a"}, ANSWER), "messages[0].role", "wrong_role"),
    (chat({"role": "user"}, ANSWER), "messages[0].content", "missing_content"),
    (chat(USER, {"role": "assistant", "content": None}), "messages[1].content", "empty_content"),
    (chat(USER, {"role": "assistant", "content": " \n"}), "messages[1].content", "empty_content"),
    (chat(said(), ANSWER), "messages[0].content", "empty_content"),
    (chat({"role": "user", "content": 7}, ANSWER), "messages[0].content", "wrong_type"),
    (chat(USER, {"role": "system", "content": "s"}, ANSWER), "messages[1].role", "system_not_first"),
    (chat(USER, ANSWER, USER), "messages[2].role", "no_assistant_end"),
    (chat(ANSWER), "messages", "no_user"),
    (chat(USER, ANSWER, label="x"), "label", "unknown_key"),
    (chat({**USER, "text": "x"}, ANSWER), "messages[0].text", "unknown_key"),
    (chat({**USER, "name": 1}, ANSWER), "messages[0].name", "wrong_type"),
    (chat(USER, {**ANSWER, "weight": 2}), "messages[1].weight", "bad_weight"),
    (chat(USER, {**ANSWER, "weight": True}), "messages[1].weight", "bad_weight"),
    (chat({**USER, "weight": 1}, ANSWER), "messages[0].weight", "misplaced_weight"),
    (chat(USER, {**ANSWER, "weight": 0}), "messages", "nothing_to_learn"),
    (chat(USER, CALLING), "messages[1].tool_calls[0].function.name", "undeclared_tool"),
    (chat(USER, CALLING, ANSWER, tools=TOOLS), "messages[1].tool_calls[0].id", "call_without_answer"),
    (
        chat(USER, {"role": "tool", "tool_call_id": "x", "content": "1"}, ANSWER),
        "messages[1].tool_call_id",
        "answer_without_call",
    ),
    (chat(USER, {"role": "tool", "content": "1"}, ANSWER), "messages[1].tool_call_id", "missing_tool_call_id"),
    (
        chat(USER, {"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}),
        "messages[1].tool_calls[0].id",
        "bad_tool_call",
    ),
    (chat(USER, {"role": "assistant", "tool_calls": [7]}), "messages[1].tool_calls[0]", "wrong_type"),
    (chat(USER, {**ANSWER, "tool_calls": []}), "messages[1].tool_calls", "bad_tool_call"),
    (
        chat(USER, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}),
        "messages[1].tool_calls[0].function.arguments",
        "bad_arguments",
    ),
    (chat(USER, ANSWER, tools=[{"name": "f"}]), "tools[0]", "bad_tool"),
    (chat(USER, ANSWER, tools={}), "tools", "wrong_type"),
    (chat(USER, ANSWER, tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "bad_tool"),
    (chat(USER, ANSWER, parallel_tool_calls="no"), "parallel_tool_calls", "wrong_type"),
    (chat(said({"type": "audio"}), ANSWER), "messages[0].content[0].type", "bad_part"),
    (chat(said({"type": "text", "text": ""}), ANSWER), "messages[0].content[0].text", "empty_content"),
    (
        chat(said({"type": "image_url", "image_url": {"url": "b.gif"}}), ANSWER),
        "messages[0].content[0].image_url.url",
        "bad_image",
    ),
    (chat(said(*[PNG] * 11), ANSWER), "messages", "too_many_images"),
    (chat(USER, {"role": "assistant", "content": [PNG]}), "messages[1].content[0].image_url", "misplaced_image"),
]


def places(problems: Iterator[Problem]) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in problems]


@pytest.mark.parametrize(("record", "field", "code"), OPENAI)
def test_openai_chats(record: dict[str, Any], field: str, code: str) -> None:
    assert (field, code) in places(openai.check_chat(record))


@pytest.mark.parametrize(
    "record",
    [
        chat({"role": "system", "content": "s"}, USER, {**ANSWER, "weight": 1}),
        chat({"role": "developer", "content": "s"}, USER, {**ANSWER, "weight": 0}, USER, ANSWER),
        chat(USER, CALLING, {"role": "tool", "tool_call_id": "c1", "content": "1"}, ANSWER, tools=TOOLS),
        chat(USER, CALLING, tools=TOOLS, parallel_tool_calls=False),
        chat(USER, {**ANSWER, "refusal": None, "annotations": None}),
        chat(said({"type": "text", "text": "what?"}, PNG), ANSWER),
        chat(said({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}), ANSWER),
    ],
)
def test_good_openai_chats_have_no_problems(record: dict[str, Any]) -> None:
    assert places(openai.check_chat(record)) == []


def pair(**changes: Any) -> dict[str, Any]:
    record = {
        "input": {"messages": [USER]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{"role": "assistant", "content": "c"}],
    }
    return {key: value for key, value in (record | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("record", "field", "code"),
    [
        (pair(input=None), "input", "missing_input"),
        (pair(input=[USER]), "input", "flat_input"),
        (pair(input=7), "input", "wrong_type"),
        (pair(input={}), "input.messages", "missing_messages"),
        (pair(input={"messages": [USER, ANSWER]}), "input.messages[1].role", "ends_with_assistant"),
        (pair(input={"messages": [{"role": "bot", "content": "x"}]}), "input.messages[0].role", "wrong_role"),
        (pair(preferred_output=None), "preferred_output", "missing_answer"),
        (pair(preferred_output=[ANSWER, ANSWER]), "preferred_output", "bad_answer"),
        (pair(preferred_output=[USER]), "preferred_output[0].role", "wrong_role"),
        (pair(non_preferred_output=[ANSWER]), "non_preferred_output", "same_answers"),
        (pair(preferred_output=None, preferred_completion=[ANSWER]), "preferred_completion", "old_key"),
        (pair(preferred_output=[{"role": "assistant", "content": ""}]), "preferred_output[0].content", "empty_content"),
    ],
)
def test_openai_pairs(record: dict[str, Any], field: str, code: str) -> None:
    assert (field, code) in places(openai.check_pair(record))
    assert places(openai.check_pair(pair())) == []


ASKED = {"role": "user", "parts": [{"text": "a"}]}
TOLD = {"role": "model", "parts": [{"text": "b"}]}


def turns(*contents: Any, **more: Any) -> dict[str, Any]:
    return {"contents": list(contents), **more}


@pytest.mark.parametrize(
    ("record", "field", "code"),
    [
        (chat(USER, ANSWER), "contents", "missing_contents"),
        (turns(), "contents", "empty_contents"),
        ({"contents": {}}, "contents", "wrong_type"),
        (turns("a", TOLD), "contents[0]", "wrong_type"),
        (turns({"parts": [{"text": "a"}]}, TOLD), "contents[0].role", "missing_role"),
        (turns(ASKED, {"role": "assistant", "parts": [{"text": "b"}]}), "contents[1].role", "wrong_role"),
        (turns({"role": "system", "parts": [{"text": "b"}]}, TOLD), "contents[0].role", "wrong_role"),
        (turns(ASKED), "contents[0].role", "no_assistant_end"),
        (turns({"role": "user", "content": "a"}, TOLD), "contents[0].parts", "missing_parts"),
        (turns({"role": "user", "parts": []}, TOLD), "contents[0].parts", "empty_content"),
        (turns({"role": "user", "parts": "a"}, TOLD), "contents[0].parts", "wrong_type"),
        (turns({"role": "user", "parts": [{"text": ""}]}, TOLD), "contents[0].parts[0].text", "empty_content"),
        (turns({"role": "user", "parts": [{"image": "x"}]}, TOLD), "contents[0].parts[0]", "bad_part"),
        (
            turns({"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "https://x"}}]}, TOLD),
            "contents[0].parts[0].fileData.fileUri",
            "bad_file",
        ),
        (
            turns({"role": "user", "parts": [{"fileData": {"fileUri": "gs://b/x"}}]}, TOLD),
            "contents[0].parts[0].fileData.mimeType",
            "bad_file",
        ),
        (
            turns(ASKED, {"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]}),
            "contents[1].parts[0].functionCall.args",
            "bad_function",
        ),
        (turns(ASKED, TOLD, systemInstruction="s"), "systemInstruction", "wrong_type"),
        (
            turns(ASKED, TOLD, systemInstruction={"parts": [{"fileData": {}}]}),
            "systemInstruction.parts[0]",
            "not_text",
        ),
        (turns(ASKED, TOLD, tools=TOOLS), "tools[0]", "bad_tool"),
        (turns(ASKED, TOLD, label="x"), "label", "unknown_key"),
    ],
)
def test_vertex_contents(record: dict[str, Any], field: str, code: str) -> None:
    assert (field, code) in places(vertex.check_contents(record))


def scored(*scores: Any, contents: Any = (ASKED,)) -> dict[str, Any]:
    answers = [{"role": "model", "parts": [{"text": f"b{n}"}]} for n in range(len(scores))]
    pairs = zip(scores, answers, strict=True)
    return {"contents": list(contents), "completions": [{"score": s, "completion": answer} for s, answer in pairs]}


@pytest.mark.parametrize(
    ("record", "field", "code"),
    [
        (turns(ASKED), "completions", "missing_answer"),
        (scored(1, 1), "completions", "bad_scores"),
        (scored(1, 0, 0), "completions", "bad_scores"),
        (scored(1, None), "completions", "bad_scores"),
        (scored(1, 0, contents=[ASKED, TOLD]), "contents[1].role", "ends_with_assistant"),
        (
            {"contents": [ASKED], "completions": [{"score": 1, "completion": ASKED}, {"score": 0, "completion": TOLD}]},
            "completions[0].completion.role",
            "wrong_role",
        ),
        ({"contents": [ASKED], "completions": 7}, "completions", "wrong_type"),
    ],
)
def test_vertex_pairs(record: dict[str, Any], field: str, code: str) -> None:
    assert (field, code) in places(vertex.check_pair(record))
    assert places(vertex.check_pair(scored(0, 1))) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["messages", "role", "content", "tool_calls", "function", "tools", "weight", "name", "type", "image_url", "url",
     "contents", "parts", "text", "fileData", "functionCall", "completions", "score", "completion", "input",
     "preferred_output", "non_preferred_output", "systemInstruction", "functionDeclarations", "functions", "arguments"]
)  # fmt: skip
SHAPES = st.recursive(
    JSON | st.sampled_from(["user", "model", "assistant", "tool", "text", "image_url"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(record=st.dictionaries(KEYS, SHAPES, max_size=5))
def test_no_record_makes_a_rule_fail(record: dict[str, Any]) -> None:
    """Rules look at raw records and never raise, whatever those hold."""
    for rule in (openai.check_chat, openai.check_pair, vertex.check_contents, vertex.check_pair):
        assert all(problem.message and problem.code for problem in rule(record))


# -- whole data sets -------------------------------------------------------------------------------------------------


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def good(n: int) -> list[dict[str, Any]]:
    return [chat({"role": "user", "content": f"q{i}"}, ANSWER) for i in range(n)]


def test_all_problems_are_reported_with_line_field_and_fix(tmp_path: Path) -> None:
    """Not only the first: every one of a line, and of all lines."""
    bad = chat({"role": "human", "content": ""}, {"role": "model", "content": "b"})
    path = lines(tmp_path / "a.jsonl", *good(10), bad)
    path.write_text(path.read_text() + "{torn")
    report = Dataset.load(path).check("openai", on=ON)
    assert [(issue.line, issue.field, issue.code) for issue in report.errors] == [
        (11, "messages[0].role", "wrong_role"),
        (11, "messages[0].content", "empty_content"),
        (11, "messages[1].role", "wrong_role"),
        (12, "", "invalid_json"),
    ]
    assert not report.ok
    assert report.rows.tolist() == [10, 11]
    assert all(issue.fix for issue in report.errors)
    assert (
        'error: line 11: messages[1].role: "model" is Gemini\'s word; OpenAI calls it "assistant" [wrong_role]'
        '  fix: Write "assistant"'
    ) in str(report)


def test_counts_are_exact_where_issues_are_capped(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *([chat(USER, {"role": "assistant", "content": ""})] * 1200))
    report = Dataset.load(path).check("openai", on=ON)
    assert (report.counts["empty_content"], report.n_errors, len(report.errors)) == (1200, 1200, 1000)
    assert "and 1,150 more" in str(report)


@pytest.mark.parametrize(("n", "codes"), [(9, {"insufficient_examples"}), (10, {"few_examples"}), (50, set())])
def test_how_many_examples_are_enough(tmp_path: Path, n: int, codes: set[str]) -> None:
    report = Dataset.load(lines(tmp_path / "a.jsonl", *good(n))).check("openai", on=ON)
    assert set(report.counts) == codes
    assert report.ok is (n >= 10)


@pytest.mark.parametrize(
    ("provider", "model", "on", "code", "ok"),
    [
        ("openai", "gpt-4.1-nano", ON, "model_retired", False),
        ("openai", "gpt-4.1-mini-2025-04-14", ON, "model_retires_soon", True),
        ("openai", "gpt-4.1-mini-2025-04-14", date(2027, 1, 6), "training_closed", False),
        ("openai", "openai:gpt-4o-2024-11-20", ON, "not_tunable", False),
        ("openai", "gpt-9", ON, "unknown_model", True),
        ("openai", None, date(2027, 2, 1), "no_tunable_model", True),
        ("vertex", "gemini-2.5-flash", ON, "model_retired", True),  # sources contradict each other: the service decides
        ("vertex", "gemini-3.5-flash", date(2027, 5, 19), "model_retired", False),
    ],
)
def test_a_check_knows_the_model_and_the_day(
    tmp_path: Path, provider: str, model: str | None, on: date, code: str, ok: bool
) -> None:
    data = Dataset.load(lines(tmp_path / "a.jsonl", *good(100)))
    report = data.check(provider, model=model, on=on)
    assert code in report.counts
    assert report.ok is ok


def test_only_models_that_take_images_take_them(tmp_path: Path) -> None:
    data = Dataset.load(lines(tmp_path / "a.jsonl", *([chat(said(PNG), ANSWER)] * 10)))
    assert data.check("openai", model="gpt-4o-2024-08-06", on=ON).ok
    assert "images_not_supported" in data.check("openai", model="gpt-4o-mini-2024-07-18", on=ON).counts


def test_other_formats_are_checked_as_they_would_be_converted(tmp_path: Path) -> None:
    records = [chat(USER, {**ANSWER, "weight": 0}, USER, ANSWER), *good(99)]
    report = Dataset.load(lines(tmp_path / "a.jsonl", *records)).check("vertex", on=ON)
    assert [(issue.line, issue.field, issue.code) for issue in report.errors] == [
        (1, "messages[1].weight", "cannot_convert")
    ]
    assert "other_format" in report.counts


def test_pairs_have_their_own_rules(tmp_path: Path) -> None:
    data = Dataset.load(lines(tmp_path / "a.jsonl", *([pair(), pair(preferred_output=[USER])] * 30)))
    report = data.check("openai", on=ON)
    assert (report.format, report.counts) == ("openai-preference", {"wrong_role": 30})
    assert "pairs_not_supported" in data.check("local", on=ON).counts


def test_examples_in_memory_are_checked_too() -> None:
    data = Dataset.from_examples([Example(messages=(user(f"{n}"), assistant(""))) for n in range(60)])
    report = data.check("openai", on=ON)
    assert report.counts == {"empty_content": 60}


def test_validate_gives_the_data_back_or_raises_with_the_report(tmp_path: Path) -> None:
    data = Dataset.load(lines(tmp_path / "a.jsonl", *good(60)))
    assert data.validate("openai", on=ON) is data
    with pytest.raises(InvalidDataError, match="9 examples") as caught:
        data[:9].validate("openai", on=ON)
    assert caught.value.report.counts == {"insufficient_examples": 1}


def test_dropping_a_report_leaves_valid_data(tmp_path: Path) -> None:
    data = Dataset.load(lines(tmp_path / "a.jsonl", chat(USER), *good(60), {"x": 1}))
    clean = data.drop(data.check("openai", on=ON))
    assert len(clean) == 60
    assert clean.check("openai", on=ON).ok


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"known: .*local,.* openai, vertex"):
        rules_for("nobody")


def test_long_examples_are_a_warning(tmp_path: Path) -> None:
    """The provider cuts them off at the end, where the answer stands."""
    long = chat({"role": "user", "content": "word " * 70_000}, ANSWER)
    report = Dataset.load(lines(tmp_path / "a.jsonl", *good(60), long)).check("openai", on=ON)
    assert [(issue.line, issue.code) for issue in report.warnings] == [(61, "too_long")]
    assert report.ok
