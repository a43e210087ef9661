"""Each kind of bad input that the workflow names gives one clear error: line, field, code and fix."""

import json

import pytest

from finetuner.cli import main

USER = {"role": "user", "content": "Where is my parcel?"}
ANSWER = {"role": "assistant", "content": "delivery"}


def chat(*messages) -> str:
    return json.dumps({"messages": messages})


def gemini(*turns) -> str:
    return json.dumps({"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns]})


CHAT_ROWS = [chat({"role": "user", "content": f"Where is parcel {number}?"}, ANSWER) for number in range(12)]
GEMINI_ROWS = [gemini(("user", f"Where is parcel {number}?"), ("model", "delivery")) for number in range(12)]


@pytest.mark.parametrize(
    ("provider", "line", "place", "code", "fix"),
    [
        ("openai", '{"messages": [{"role": "user"', "line 13: ", "invalid_json", "Put each record on one line"),
        ("openai", chat({"content": "a"}, ANSWER), "messages[0].role: is missing", "missing_role", "Say who speaks"),
        (
            "openai",
            chat({"role": "model", "content": "a"}, ANSWER),
            "messages[0].role: ",
            "wrong_role",
            'Write "assist',
        ),
        ("vertex", gemini(("user", "a"), ("assistant", "b")), "contents[1].role: ", "wrong_role", 'Write "model"'),
        ("openai", chat(USER, {**ANSWER, "content": ""}), "messages[1].content: ", "empty_content", "Give the text"),
        (
            "openai",
            chat(USER, {"role": "system", "content": "s"}, ANSWER),
            "messages[1].role",
            "system_not_first",
            "Move it",
        ),
        ("openai", chat(USER), "messages[0].role: ", "no_assistant_end", "Add the answer"),
    ],
)
def test_a_bad_line_is_one_error_with_its_place_and_fix(tmp_path, capsys, provider, line, place, code, fix):
    path = tmp_path / "training.jsonl"
    rows = CHAT_ROWS if provider == "openai" else GEMINI_ROWS
    path.write_text("\n".join([*rows, line]) + "\n", "utf-8")
    assert main(["validate", str(path), "--provider", provider]) == 1
    errors = [text for text in capsys.readouterr().out.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert "line 13: " in errors[0]
    assert place in errors[0]
    assert f"[{code}]" in errors[0]
    assert f"fix: {fix}" in errors[0]


def test_too_few_examples_say_how_many_are_missing(tmp_path, capsys):
    path = tmp_path / "training.jsonl"
    path.write_text("\n".join(CHAT_ROWS[:3]) + "\n", "utf-8")
    assert main(["validate", str(path), "--provider", "openai"]) == 1
    printed = capsys.readouterr().out
    assert "openai needs at least 10 examples; there are 3 [insufficient_examples]  fix: Add at least 7" in printed


def test_all_problems_are_told_at_once(tmp_path, capsys):
    path = tmp_path / "training.jsonl"
    path.write_text("\n".join([*CHAT_ROWS, chat(USER), "{", chat({"content": "a"}, ANSWER)]) + "\n", "utf-8")
    assert main(["validate", str(path), "--provider", "openai", "--json"]) == 1
    issues = json.loads(capsys.readouterr().out)["issues"]
    assert {(13, "no_assistant_end"), (14, "invalid_json"), (15, "missing_role")} <= {
        (issue["line"], issue["code"]) for issue in issues
    }


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["validate", "nowhere.jsonl", "--provider", "openai"], 1, "nowhere.jsonl: there is no such file"),
        (["validate", "training.jsonl", "--provider", "opnai"], 1, "known: "),
        (["create", "nowhere.jsonl", "--provider", "local", "--model", "ngram-small"], 2, "nowhere.jsonl"),
        (["status", "ftjob-unknown", "--provider", "local"], 1, "ftjob-unknown"),
        (["evaluate", "some-model", "training.jsonl"], 2, "provider:model"),
        (["split", "training.jsonl", "--train", "80", "--val", "10", "--test", "20"], 2, "110"),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, capsys, words, status, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training.jsonl").write_text("\n".join(CHAT_ROWS) + "\n", "utf-8")
    assert main([*words, "--workspace", str(tmp_path)] if words[0] not in {"validate", "split"} else words) == status
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert len(printed.splitlines()) == 1
    assert "Traceback" not in printed
