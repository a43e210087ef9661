"""Calls of models inside traces."""

import json

import pytest

from finetuner.data.dataset import Dataset, extract
from finetuner.data.logs import Dropped, example_of
from finetuner.data.traces import calls

INPUT = [{"role": "user", "parts": [{"type": "text", "content": "a"}]}]
OUTPUT = [{"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "stop"}]
ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.conversation.id": "c1",
    "user.id": "u1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "s"}]),
    "gen_ai.input.messages": json.dumps(INPUT),
    "gen_ai.output.messages": json.dumps(OUTPUT),
}


def otlp(attributes, **span):
    """As an exporter writes it: one line, typed values, among spans that call no model."""
    listed = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    spans = [{"name": "GET /", "attributes": []}, {"name": "chat m", "attributes": listed, "traceId": "t1", **span}]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def read(record):
    return [example_of(call) for call in calls(record)]


def turns(example):
    return [(message.role, message.text) for message in example.messages]


@pytest.mark.parametrize(
    "record",
    [
        otlp(ATTRIBUTES, startTimeUnixNano="1790000000500000000"),
        {"name": "chat m", "attributes": ATTRIBUTES},
        {"attributes": {"gen_ai.request.model": "m"}, "events": [{"name": "gen_ai.x", "attributes": ATTRIBUTES}]},
    ],
    ids=["otlp", "span", "event"],
)
def test_a_span_is_a_conversation_with_what_is_known_about_it(record):
    (example,) = read(record)
    assert turns(example) == [("system", "s"), ("user", "a"), ("assistant", "b")]
    assert example.metadata["model"] == "m"
    if "attributes" not in record or "gen_ai.input.messages" in record["attributes"]:
        assert (example.metadata["user"], example.metadata["conversation"]) == ("u1", "c1")


def test_the_time_of_a_span_is_seconds():
    (example,) = read(otlp(ATTRIBUTES, startTimeUnixNano="1790000000500000000"))
    assert example.metadata["time"] == 1790000000.5


def test_older_indexed_attributes_are_read():
    (example,) = read(
        {
            "attributes": {
                "gen_ai.prompt.1.content": "a",
                "gen_ai.prompt.1.role": "user",
                "gen_ai.prompt.0.content": "s",
                "gen_ai.prompt.0.role": "system",
                "gen_ai.completion.0.content": "b",
            }
        }
    )
    assert turns(example) == [("system", "s"), ("user", "a"), ("assistant", "b")]


def test_tool_calls_and_their_answers_are_kept():
    call = {"type": "tool_call", "id": "1", "name": "f", "arguments": {"x": 1}}
    answer = {"type": "tool_call_response", "id": "1", "response": {"y": 2}}
    messages = [*INPUT, {"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]
    (example,) = read({"attributes": {**ATTRIBUTES, "gen_ai.input.messages": messages}})
    assert example.messages[2].tool_calls[0].arguments == '{"x":1}'
    assert (example.messages[3].tool_call_id, example.messages[3].text) == ("1", '{"y":2}')


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"attributes": ATTRIBUTES, "status": {"code": 2}}, "error"),
        ({"attributes": {**ATTRIBUTES, "error.type": "timeout"}}, "error"),
        (
            {"attributes": {**ATTRIBUTES, "gen_ai.output.messages": [{**OUTPUT[0], "finish_reason": "length"}]}},
            "truncated",
        ),
        ({"attributes": {key: ATTRIBUTES[key] for key in ATTRIBUTES if "output" not in key}}, "no_answer"),
    ],
)
def test_failed_and_cut_off_calls_are_dropped(record, reason):
    assert read(record) == [Dropped(reason)]


def test_spans_without_content_are_no_calls():
    assert read({"attributes": {"gen_ai.request.model": "m"}}) == []
    assert read({"attributes": {"http.method": "GET"}}) == []


LANGFUSE = {
    "id": "trace",
    "userId": "u1",
    "sessionId": "c1",
    "scores": [{"name": "good", "value": 1}],
    "observations": [
        {"type": "SPAN", "input": "x", "output": "y"},
        {"type": "GENERATION", "input": [{"role": "user", "content": "a"}], "output": "b", "startTime": "2026-01-01"},
        {"type": "GENERATION", "input": [{"role": "user", "content": "a"}], "level": "ERROR", "statusMessage": "no"},
    ],
}


def test_a_langfuse_trace_gives_its_generations():
    example, failed = read(LANGFUSE)
    assert turns(example) == [("user", "a"), ("assistant", "b")]
    assert example.metadata["user"] == "u1"
    assert example.metadata["time"] == "2026-01-01"
    assert example.metadata["feedback"] == [{"name": "good", "value": 1}]
    assert failed == Dropped("error")


def test_litellms_payload_is_read():
    payload = {
        "id": "1", "status": "success", "end_user": "u1", "startTime": 1.5, "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "response": {"choices": [{"message": {"role": "assistant", "content": "b"}, "finish_reason": "stop"}]},
    }  # fmt: skip
    (example,) = read(payload)
    assert turns(example) == [("user", "a"), ("assistant", "b")]
    assert example.metadata["user"] == "u1"
    assert read({**payload, "status": "failure", "response": {}}) == [Dropped("error")]


def lines(numbers):
    return "\n".join(
        json.dumps({"prompt": f"ask {n} at ann{n}@example.com", "response": "yes" if n % 4 else "no"}) for n in numbers
    )


def test_a_sample_from_appended_logs_keeps_what_it_had(tmp_path):
    """A row of the first sample leaves it only for a new row: by content, not by place."""
    log = tmp_path / "log.jsonl"
    log.write_text(lines(range(400)), "utf-8")
    before = {example.user_text for example in Dataset.from_logs(log, sample=100, seed=3)}
    log.write_text(lines(range(440)), "utf-8")
    after = {example.user_text for example in Dataset.from_logs(log, sample=100, seed=3)}
    old = {f"ask {n} at ann{n}@example.com" for n in range(400)}
    assert after & old <= before
    assert len(after & before) > 80


def test_a_stratified_sample_keeps_the_mix_and_redaction_comes_first(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(lines(range(400)), "utf-8")
    found = extract(log, sample=100, stratify="label", redact=True)
    assert found.dataset.analyze(tokens=False).classes == {"yes": 75, "no": 25}
    assert found.counts == {"read": 400, "kept": 100, "not_sampled": 300}
    assert all("@" not in example.user_text for example in found.dataset)


def test_a_trace_of_several_calls_counts_each(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(f"{json.dumps(LANGFUSE)}\n{json.dumps(otlp(ATTRIBUTES))}\n", "utf-8")
    found = extract(log)
    assert found.counts == {"read": 3, "kept": 2, "not_sampled": 0, "error": 1}
    assert [found.dataset.line(row) for row in range(2)] == [1, 2]
