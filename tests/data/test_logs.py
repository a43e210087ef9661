"""From production logs to examples: known shapes, honest counts, a sample that lasts."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetuner.data.dataset import Dataset, extract
from finetuner.data.logs import Dropped, example_of
from finetuner.errors import DataFormatError

ASK = [{"role": "user", "content": "a"}]
REPLY = {"choices": [{"message": {"role": "assistant", "content": "b", "refusal": None}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "record",
    [
        {"request": {"messages": ASK}, "response": REPLY},
        {"request": {"body": {"messages": ASK}}, "response": {"status_code": 200, "body": REPLY}},
        {"request": {"body": json.dumps({"messages": ASK})}, "response": {"body": json.dumps(REPLY)}},
        {"request": json.dumps({"messages": ASK}), "response": json.dumps(REPLY)},
        {"messages": ASK, "response": REPLY},
        {"messages": ASK, "response": "b"},
        {"input": ASK, "output": {"role": "assistant", "content": "b"}},
        {"input": {"messages": ASK}, "output": {"content": "b"}},
        {"input": "a", "output": "b"},
        {"prompt": "a", "response": "b"},
        {"prompt": "a", "completion": {"choices": [{"text": "b", "finish_reason": "stop"}]}},
        {"messages": [*ASK, {"role": "assistant", "content": "b"}]},
        {
            "request": {"contents": [{"role": "user", "parts": [{"text": "a"}]}]},
            "response": {
                "candidates": [{"content": {"role": "model", "parts": [{"text": "b"}]}, "finishReason": "STOP"}]
            },
        },
    ],
    ids="-".join,
)
def test_shapes_of_logs(record: dict[str, Any]) -> None:
    found = example_of(record)
    assert not isinstance(found, Dropped)
    assert [(message.role, message.text) for message in found.messages] == [("user", "a"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"request": {"messages": ASK}, "error": {"status": 500}}, "error"),
        ({"request": {"messages": ASK}, "response": {"status_code": 429, "body": {"error": {}}}}, "error"),
        ({"request": {"messages": ASK}, "response": REPLY, "status": "failed"}, "error"),
        (
            {"messages": ASK, "response": {"choices": [{"message": {"content": "b"}, "finish_reason": "length"}]}},
            "truncated",
        ),
        ({"messages": ASK, "response": {"choices": [{"finish_reason": "content_filter"}]}}, "filtered"),
        ({"messages": ASK}, "no_answer"),
        ({"messages": ASK, "response": {"choices": []}}, "no_answer"),
        ({"messages": ASK, "response": {"choices": [{"message": {"content": None}}]}}, "no_answer"),
        ({"hello": 1}, "unreadable"),
        ({"messages": [{"role": 7}], "response": "b"}, "unreadable"),
        ([1], "unreadable"),
    ],
)
def test_bad_lines_are_dropped_by_reason(record: Any, reason: str) -> None:
    assert example_of(record) == Dropped(reason)


def test_what_is_known_about_a_request_is_kept() -> None:
    record = {
        "id": "r1",
        "userId": "u1",
        "session_id": "s1",
        "timestamp": "2026-10-01",
        "score": 1,
        "metadata": {"team": "x"},
        "request": {"model": "m", "messages": ASK},
        "response": REPLY,
    }
    found = example_of(record)
    assert not isinstance(found, Dropped)
    assert found.metadata == {
        "team": "x",
        "request_id": "r1",
        "user": "u1",
        "conversation": "s1",
        "time": "2026-10-01",
        "feedback": 1,
        "model": "m",
    }


def write(path: Path, n: int) -> Path:
    lines = [json.dumps({"prompt": f"question {i}", "response": "b"}) for i in range(n)]
    path.write_text("\n".join([*lines, "{broken", json.dumps({"prompt": "x", "error": 1})]))
    return path


def test_counts_add_up(tmp_path: Path) -> None:
    found = extract(write(tmp_path / "a.jsonl", 20), sample=15)
    assert found.counts == {"read": 22, "kept": 15, "not_sampled": 5, "unreadable": 1, "error": 1}
    assert found.dataset.file(0) == str(tmp_path / "a.jsonl")


def test_a_sample_is_seeded_and_hardly_changes_when_the_log_grows(tmp_path: Path) -> None:
    """The choice hangs on each line's content: new lines push out a few, and move none."""
    old = {example.user_text for example in Dataset.from_logs(write(tmp_path / "a.jsonl", 200), sample=100)}
    again = {example.user_text for example in Dataset.from_logs(tmp_path / "a.jsonl", sample=100)}
    grown = {example.user_text for example in Dataset.from_logs(write(tmp_path / "b.jsonl", 220), sample=100)}
    other = {example.user_text for example in Dataset.from_logs(tmp_path / "a.jsonl", sample=100, seed=1)}
    assert old == again
    assert len(old & grown) >= 80
    assert len(old & other) < 80


def test_logs_without_answers_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"hello": 1}\n{"prompt": "a", "error": 1}\n')
    with pytest.raises(DataFormatError, match=r"none of 2 lines.*1 unreadable, 1 error"):
        Dataset.from_logs(tmp_path / "a.jsonl")
