"""A data set repaired as its report proposes."""

import json

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user


def lines(path, *rows):
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    )
    return Dataset.load(path)


def chat(n, **more):
    return {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}], **more}


@pytest.fixture
def messy(tmp_path):
    wrong = {"messages": [{"role": "human", "content": "q"}, {"role": "gpt", "content": "a"}]}
    rows = [chat(n, label="x") for n in range(60)]
    return lines(tmp_path / "a.jsonl", *rows, "", wrong, "{torn", {"messages": [{"role": "user", "content": "only"}]})


def test_the_whole_plan_makes_the_data_valid(messy):
    """Changed rows keep their lines; the file stays as it was."""
    report = messy.check("openai")
    plan = report.fix_plan()
    assert [fix.code for fix in plan.fixes] == ["wrong_role", "unknown_key", "no_assistant_end", "blank_lines", "drop"]
    fixed = messy.repair(plan)
    after = fixed.check("openai")
    assert (after.counts, len(fixed)) == ({}, 61)
    assert (fixed.line(60), fixed[60].messages[0].role, fixed[60].completion) == (62, "user", "a")
    assert fixed[0].label == "x"
    assert messy.check("openai").counts == report.counts


def test_only_what_is_accepted_is_done(messy):
    plan = messy.check("openai").fix_plan()
    kept = messy.repair(plan.only("wrong_role"))
    counts = kept.check("openai").counts
    assert len(kept) == 63
    assert "wrong_role" not in counts
    assert (counts["invalid_json"], counts["unknown_key"]) == (1, 60)


def test_a_repaired_set_can_be_written_and_read(messy, tmp_path):
    fixed = messy.repair(messy.check("openai").fix_plan())
    again = Dataset.load(fixed.write(tmp_path / "out.jsonl"))
    assert again.check("openai").counts == {}
    assert again.fingerprint == fixed.fingerprint
    assert [step.verb for step in fixed.lineage.steps][:1] == ["repair"]


def test_other_formats_are_repaired_as_they_are_checked(tmp_path):
    """Data of another format keeps its metadata on the way."""
    rows = [{"instruction": f"i{n}", "input": "", "output": f"o{n}", "label": "x"} for n in range(60)]
    data = lines(tmp_path / "a.jsonl", *rows)
    fixed = data.repair(data.check("openai").fix_plan())
    assert fixed.check("openai").counts == {}
    assert (fixed[3].user_text, fixed[3].label) == ("i3", "x")


def test_gemini_lines_are_repaired_too(tmp_path):
    good = {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}
    bad = {"contents": [{"role": "user", "content": "a"}, {"role": "assistant", "parts": [{"text": "b"}]}]}
    data = lines(tmp_path / "a.jsonl", *[good] * 110, bad)
    fixed = data.repair(data.check("vertex").fix_plan())
    assert (len(fixed), fixed.check("vertex").n_errors) == (111, 0)
    assert fixed[110].completion == "b"


def test_examples_in_memory_are_repaired():
    data = Dataset.from_examples(
        [Example(messages=(user(f"q{n}"), assistant("" if n == 7 else "a"))) for n in range(60)]
    )
    fixed = data.repair(data.check("openai").fix_plan())
    assert len(fixed) == 59
    assert fixed.check("openai").counts == {}
