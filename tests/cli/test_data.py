"""Each data command does what it says, and prints its result alone on standard output."""

import json
from pathlib import Path

import pytest

from finetuner.evaluation.judge import Verdict
from finetuner.evaluation.judge_prompt import Judgement
from finetuner.providers.ports import Usage


def test_extract_writes_examples_and_says_what_was_left_out(shell, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    good = {
        "request": {"messages": [{"role": "user", "content": "hello"}]},
        "response": {"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]},
    }
    (logs / "a.jsonl").write_text("\n".join(json.dumps(line) for line in (good, {"request": {}})), encoding="utf-8")
    assert shell("extract", "--logs", logs, "--output", "raw.jsonl", "--sample", 5, "--json") == 0
    assert shell.json["kept"] == 1
    assert "2 lines read" in shell.err
    assert shell("convert", "raw.jsonl", "--to", "openai") == 0
    assert json.loads(shell.out)["messages"][-1]["content"] == "hi"


def test_convert_writes_a_file_that_validates(shell, training):
    assert shell("convert", training, "--to", "vertex", "--output", "vertex.jsonl") == 0
    assert shell("validate", "vertex.jsonl", "--provider", "vertex", "--json") == 0
    assert shell.json["ok"] is True


def test_validate_exits_with_1_and_lists_each_problem(shell, training):
    training.write_text(training.read_text("utf-8") + '\n{"messages": [{"content": "x"}]}', encoding="utf-8")
    assert shell("validate", training, "--json") == 1
    issue = next(issue for issue in shell.json["issues"] if issue["severity"] == "error")
    assert issue["line"] == 81
    assert issue["fix"]


def test_analyze_shows_classes(shell, training):
    assert shell("analyze", training, "--tokens") == 0
    assert "Total examples: 80" in shell.out
    assert "Input: " in shell.out
    assert shell("analyze", training, "--json") == 0
    assert shell.json["balance"] == 1.0


def test_review_writes_the_flagged_examples(shell, training):
    lines = training.read_text("utf-8").splitlines()
    training.write_text("\n".join([*lines, lines[0]]), encoding="utf-8")
    assert shell("review", training) == 0
    assert "Duplicate inputs: 1" in shell.out
    assert len(Path("flagged_for_review.jsonl").read_text("utf-8").splitlines()) == 1


def test_review_flags_what_its_judge_fails_and_what_it_has_no_readable_verdict_on(
    shell, training, tmp_path, monkeypatch
):
    rubric = tmp_path / "rubric.md"
    rubric.write_text(
        "# Evaluation Rubric: Label\n\n## Evaluation Criteria\n\n### Criterion 1: Right\n\n**Weight:** 100%\n\n"
        "| Score | Description |\n|---|---|\n| 5 | right |\n| 1 | wrong |\n",
        encoding="utf-8",
    )

    def judged(_judge, example, _answer):
        wrong = Judgement(scores={"criterion_1": 1}, overall=1.0, passed=False, justification="off topic")
        right = Judgement(scores={"criterion_1": 5}, overall=5.0, passed=True)
        judgements = {"refund": (wrong,), "card": ()}.get(example.label, (right,))
        return Verdict(judgements=judgements, unreadable=int(not judgements), usage=Usage())

    monkeypatch.setattr("finetuner.evaluation.judge.Judge.judge", judged)
    assert shell("review", training, "--llm-judge") == 2
    words = ("--llm-judge", "--rubric", rubric, "--judge-model", "local:ngram-small", "--json")
    assert shell("review", training, *words) == 0
    assert shell.json["counts"]["judge"] == 40
    assert {flag["message"] for flag in shell.json["flags"]} == {"off topic", "the judge's reply can't be read"}


def test_sample_keeps_the_mix_of_classes(shell, training):
    assert shell("sample", training, "--n", 8, "--stratify", "class", "--json") == 0
    assert shell.json == {"output": "sample_review.jsonl", "examples": 8, "stratify": "class"}


@pytest.mark.parametrize(("command", "examples"), [("dedupe", 80), ("redact", 80), ("rebalance", 80)])
def test_shaping_commands_write_beside_the_file(shell, training, command, examples):
    assert shell(command, training, "--json") == 0
    assert shell.json["examples"] == examples
    assert Path(shell.json["output"]).exists()


def test_split_writes_three_files_and_proves_that_nothing_leaks(shell, training):
    assert shell("split", training, "--train", 80, "--val", 10, "--test", 10) == 0
    assert "shared exact requests: 0" in shell.out
    sizes = [len(Path(f"training_{part}.jsonl").read_text("utf-8").splitlines()) for part in ("train", "val", "test")]
    assert sum(sizes) == 80
    assert min(sizes) > 0


def test_split_gives_the_rest_to_the_test_set(shell, training):
    assert shell("split", training, "--train", 80, "--val", 20, "--json") == 0
    assert set(shell.json["files"]) == {"train", "val"}


def test_estimate_tells_tokens_and_price(shell, training):
    assert shell("estimate", training, "--provider", "local", "--model", "ngram-base", "--epochs", 2, "--json") == 0
    assert shell.json["training_tokens"] == 2 * shell.json["tokens"]
