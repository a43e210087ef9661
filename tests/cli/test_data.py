"""Each data command does what it says, and prints its result alone on standard output."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest

from finetuner.data.dataset import Dataset
from finetuner.evaluation.judge import Verdict
from finetuner.evaluation.judge_prompt import Judgement
from finetuner.providers.ports import Usage
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal


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
    assert "2 requests read" in shell.err
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


def labels_of(path):
    return Counter(json.loads(line)["messages"][-1]["content"] for line in Path(path).read_text("utf-8").splitlines())


def test_sample_takes_as_many_of_each_class_or_keeps_the_mix(shell, training):
    lines = training.read_text("utf-8").splitlines()
    rare = [line for n, line in enumerate(lines) if n % 4 or n < 8]  # refund is rarer than the others
    training.write_text("\n".join(rare), encoding="utf-8")
    assert shell("sample", training, "--n", 8, "--stratify", "class") == 0
    assert shell.out == "sample_review.jsonl (8 examples, class-balanced)\n"
    assert set(labels_of("sample_review.jsonl").values()) == {2}
    assert shell("sample", training, "--n", 31, "--stratify", "class", "--proportional") == 0
    assert labels_of("sample_review.jsonl") == {"card": 10, "login": 10, "limit": 10, "refund": 1}
    assert shell("sample", training, "--n", 8, "--stratify", "error_type") == 2
    assert "'error_type'" in shell.err


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


def test_an_analysis_of_nothing_readable_is_no_success(shell, tmp_path):
    (tmp_path / "rows.csv").write_text("what,kind\nhi there,greeting\n", "utf-8")
    assert shell("analyze", "rows.csv") == 1
    assert "Unreadable lines: 1; validate lists them" in shell.out


def test_split_gives_the_rest_to_the_test_set(shell, training):
    assert shell("split", training, "--train", 80, "--val", 20, "--json") == 0
    assert set(shell.json["files"]) == {"train", "val"}


def test_estimate_tells_tokens_and_price(shell, training):
    assert shell("estimate", training, "--provider", "local", "--model", "ngram-base", "--epochs", 2, "--json") == 0
    assert shell.json["training_tokens"] == 2 * shell.json["tokens"]


def test_convert_names_the_labels_in_the_prompt(shell, tmp_path):
    (tmp_path / "rows.csv").write_text("what,kind\n" + "where is my card,card\nmoney back please,refund\n" * 3, "utf-8")
    words = ("--text", "what", "--label", "kind", "--instruction", "auto")
    assert shell("convert", "rows.csv", "--to", "openai", "--output", "training.jsonl", *words) == 0
    assert shell.out == "training.jsonl (6 examples, openai)\n"
    first = json.loads(Path("training.jsonl").read_text("utf-8").splitlines()[0])
    assert first["messages"][0] == {
        "role": "system",
        "content": "Classify the message. Answer with one of: card, refund.",
    }
    assert shell.err == ""


def test_convert_tells_what_is_lost_and_a_label_that_is_the_answer_is_not(shell, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label,channel\nwhere is my card,card,mail\n", "utf-8")
    assert shell("convert", "rows.csv", "--to", "openai") == 0
    assert shell.err == 'openai has no place for metadata; left out: channel ("finetuner" keeps it)\n'


def test_convert_writes_toon_and_json_to_standard_output(shell, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\nhi there,greeting\n", "utf-8")
    assert shell("convert", "rows.csv", "--to", "toon") == 0
    assert shell.out == "[1]{text,label}:\n  hi there,greeting\n"
    (tmp_path / "rows.toon").write_text(shell.out, "utf-8")
    assert shell("convert", "rows.toon", "--to", "json") == 0
    assert [record["messages"][1]["content"] for record in json.loads(shell.out)] == ["greeting"]


def test_convert_reports_each_row_that_the_target_cannot_hold(shell, training):
    lines = [json.loads(line) for line in training.read_text("utf-8").splitlines()]
    lines[3]["messages"][-1]["weight"] = lines[7]["messages"][-1]["weight"] = 0
    training.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert shell("convert", training, "--to", "vertex") == 1
    assert "line 4: messages[1].weight" in shell.out
    assert "line 8: messages[1].weight" in shell.out
    assert shell("convert", training, "--to", "vertex", "--skip", "--output", "v.jsonl", "--json") == 0
    assert (shell.json["examples"], shell.json["left_out"]) == (78, 2)
    assert "left out: line 4: messages[1].weight" in shell.err


def test_harmonize_merges_spellings(shell, training):
    lines = training.read_text("utf-8").splitlines()
    lines[0] = lines[0].replace('"refund"', '"Refund."')
    training.write_text("\n".join(lines), encoding="utf-8")
    assert shell("analyze", training) == 0
    assert "other spellings: 1, such as 'Refund.' for 'refund'" in shell.out
    assert shell("harmonize", training, "--merge", "card=cards") == 0
    assert shell.out.endswith("training_harmonized.jsonl (80 examples, 21 changed, 4 labels)\n")
    assert labels_of("training_harmonized.jsonl") == {"refund": 20, "cards": 20, "login": 20, "limit": 20}
    assert shell("harmonize", training, "--merge", "card") == 2


def test_metadata_stays_in_files_that_have_it(shell, training):
    data = Dataset.load(training)
    data.map(lambda example: attrs.evolve(example, metadata={"user": example.user_text[:5]})).write(
        "own.jsonl", format="finetuner"
    )
    assert shell("dedupe", "own.jsonl") == 0
    assert shell("split", "own_deduped.jsonl", "--group", "user") == 0
    assert "shared groups (user): 0" in shell.out


def test_analyze_tells_the_drift_against_other_data(shell, training):
    lines = training.read_text("utf-8").splitlines()
    Path("logs.jsonl").write_text("\n".join([*lines, *lines[::4] * 4]), encoding="utf-8")
    assert shell("analyze", training, "--against", "logs.jsonl") == 0
    assert "WARNING: Drift of the class mix: 37.5% would have to move" in shell.out
    assert "refund: 25.0% here, 62.5% there" in shell.out


def test_what_commands_find_is_noted_for_the_checklist(shell, training):
    for command in ("validate", "analyze", "review", "split"):
        shell(command, training)
    with Journal.open() as journal:
        kinds = {kind: Findings(journal).latest(kind, None) for kind in ("validation", "analysis", "review", "split")}
    assert len({found.subject for found in kinds.values()}) == 1
    assert kinds["split"].evidence["train"] == Dataset.load("training_train.jsonl").fingerprint
    assert kinds["analysis"].passed


def test_a_manifest_tells_how_a_file_came_to_be(shell, training):
    assert shell("split", training) == 0
    files = json.loads(Path("manifest.json").read_text("utf-8"))["files"]
    assert set(files) == {"training_train.jsonl", "training_val.jsonl", "training_test.jsonl"}
    assert files["training_test.jsonl"]["steps"][0]["parameters"]["part"] == "test"
    assert files["training_test.jsonl"]["parents"][0]["fingerprint"] == Dataset.load(training).fingerprint


def test_generate_synthetic_asks_each_prompt_once(shell, tmp_path):
    (tmp_path / "prompts.txt").write_text("my card is lost\nI want my money back\n", "utf-8")
    words = (
        "--prompts",
        "prompts.txt",
        "--model",
        "local:ngram-small",
        "--system",
        "Answer with one of: card, refund.",
    )
    assert shell("generate-synthetic", *words, "--output", "s.jsonl", "--dry-run") == 0
    assert "2 answers to buy" in shell.out
    assert shell("generate-synthetic", *words, "--output", "s.jsonl", "--json") == 0
    assert (shell.json["asked"], shell.json["reused"]) == (2, 0)
    (tmp_path / "prompts.txt").write_text("a new card please\nmy card is lost\nI want my money back\n", "utf-8")
    assert shell("generate-synthetic", *words, "--output", "s.jsonl", "--json") == 0
    assert (shell.json["asked"], shell.json["reused"]) == (1, 2)
    assert set(labels_of("s.jsonl")) <= {"card", "refund"}
    assert shell("generate-synthetic", "--model", "local:ngram-small", "--label", "refund") == 2


def test_the_script_takes_the_options_of_extract(tmp_path, training):
    script = Path(__file__).parents[2] / "scripts" / "extract_training_data.py"
    words = ("--logs", training, "--output", tmp_path / "raw.jsonl", "--sample", "5")
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == f"{tmp_path / 'raw.jsonl'} (5 examples)\n"
