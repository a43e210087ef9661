"""Review of single examples, and likely mislabels."""

import random

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.data.mislabels import likely_mislabels
from finetuner.data.quality import review

GOOD = "The balance is updated every night, so please look again tomorrow, number {}."


def reviewed(*rows, judge=None):
    """Free text around the rows in question, which stand last."""
    filler = [(f"question {n * 7919 % 1009}", GOOD.format(n)) for n in range(30)]
    data = [Example(messages=(user(ask), assistant(answer))) for ask, answer in (*filler, *rows)]
    return review(Dataset.from_examples(data), judge)


@pytest.mark.parametrize(
    ("ask", "answer", "code", "severity"),
    [
        ("Where is it?", "  ", "empty_response", "error"),
        ("Where is it?", "where is  IT?", "response_is_prompt", "error"),
        ("Where is it?", "ok", "short_response", "warning"),
        ("Where is it?", '{"place": "here", "for": ["how", "long"]}', "json_response", "warning"),
        ("Where is it?", "As an AI I have no opinion on where things are.", "boilerplate", "error"),
        ("Where is it?", "Dear {{customer_name}}, it is on its way to you.", "template_leftover", "warning"),
        ("Where is it?", "it is here now " * 6, "repetition", "warning"),
        ("Where is it?", "Write to ann.lee@example.com, she knows where it is.", "personal_data", "warning"),
    ],
)
def test_what_a_careful_person_would_stop_at(ask, answer, code, severity):
    (flag,) = [flag for flag in reviewed((ask, answer)).flags if flag.code == code]
    assert (flag.row, flag.line, flag.severity) == (30, 31, severity)


def test_good_rows_have_no_flags():
    found = reviewed()
    assert found.flags == ()
    assert len(found.flagged) == 0


def test_json_is_fine_where_it_is_the_usual_answer():
    rows = [(f"ask {n * 7919 % 1009}", f'{{"number": {n}, "text": "words of {n}"}}') for n in range(40)]
    assert "json_response" not in reviewed(*rows).counts


def test_errors_are_dropped_and_warnings_only_flagged():
    found = reviewed(("Where is it?", ""), ("How long?", "ok"))
    assert found.rows.tolist() == [30]
    assert found.flagged.tolist() == [30, 31]
    assert found.counts == {"empty_response": 1, "short_response": 1}
    assert "Empty responses: 1 (flag for removal): lines 31" in str(found)


def test_conflicts_are_placed_by_row_even_where_files_share_line_numbers():
    rows = [Example(messages=(user("Lost card"), assistant(label))) for label in ("a", "b")]
    found = review(Dataset.from_examples(rows, "two files", lines=[1, 1], files=["x", "y"]))
    assert [flag.row for flag in found.flags if flag.code == "conflicting_answers"] == [0, 1]


def test_labels_are_not_short_and_rare_spellings_are_flagged():
    words = [f"{n * 7919 % 1009} about things {n:x}" for n in range(40)]
    labels = ["refund_request", "other"] * 19 + ["Refund request", "other"]
    found = review(
        Dataset.from_examples([Example(messages=(user(a), assistant(b))) for a, b in zip(words, labels, strict=True)])
    )
    assert [flag.row for flag in found.flags if flag.code == "label_spelling"] == [38]
    assert "short_response" not in found.counts


def test_a_judges_objection_is_a_flag():
    class Judge:
        def objection(self, example):
            return "wrong" if example.user_text == "bad" else None

    found = reviewed(("bad", GOOD.format(99)), judge=Judge())
    assert [(flag.row, flag.message) for flag in found.flags] == [(30, "wrong")]


def topics(dice, size=40):
    words = {label: [f"{label}{n}" for n in range(25)] for label in ("card", "cash", "rate", "fee")}
    return [
        (" ".join(dice.sample(words[label], 6) + dice.sample("abcdefghij", 3)), label)
        for label in words
        for _ in range(size)
    ]


def test_planted_mislabels_are_found():
    """Of 8 changed labels among 160 most are found with their true label, and no other row is accused."""
    rows = topics(random.Random(0))
    changed = set(random.Random(1).sample(range(len(rows)), 8))
    labels = ["fee" if label != "fee" else "card" for _, label in rows]
    labels = [labels[n] if n in changed else label for n, (_, label) in enumerate(rows)]
    found = likely_mislabels([text for text, _ in rows], labels)
    assert {doubt.row for doubt in found} <= changed
    assert len(found) >= 6
    assert all(doubt.suggested == rows[doubt.row][1] for doubt in found)


def test_clean_labels_are_left_alone():
    texts, labels = zip(*topics(random.Random(3)), strict=True)
    assert likely_mislabels(texts, labels) == ()


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_too_little_data_accuses_nobody(rows):
    assert likely_mislabels([f"text {n}" for n in range(rows)], [str(n % 2) for n in range(rows)]) == ()
    assert likely_mislabels(["", "", ""], ["a", "b", "a"]) == ()


def test_rows_that_cannot_be_read_are_flagged_and_the_others_reviewed(tmp_path):
    path = tmp_path / "a.jsonl"
    good = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}'
    path.write_text(f"{good}\n{{torn\n", "utf-8")
    found = review(Dataset.load(path))
    assert [(flag.line, flag.code) for flag in found.flags] == [(1, "empty_response"), (2, "format_error")]
    assert str(found).startswith("Format errors: 1: lines 2\nEmpty responses: 1 (flag for removal): lines 1\n")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("The balance is updated every night, so please look again", "where others end with a mark"),
        ("Use this code, which prints it for you:\n```python\nprint(1)", "code block"),
        ('{"place": "here", "for": ["how", "lon', "JSON ends in the middle"),
    ],
)
def test_answers_that_look_cut_off_are_flagged(answer, says):
    (flag,) = [flag for flag in reviewed(("Where is it?", answer)).flags if flag.code == "truncated_response"]
    assert says in flag.message
    assert flag.line == 31


def test_secrets_are_errors_and_personal_data_is_a_warning():
    found = reviewed(
        ("Key?", f"It is AKIAIOSFODNN7EXAMPLE, as of today. {GOOD}"), ("Who?", "Ask ann.lee@example.com, please.")
    )
    assert {(flag.row, flag.code, flag.severity) for flag in found.flags} == {
        (30, "secret", "error"),
        (31, "personal_data", "warning"),
    }


def test_places_name_the_file_where_there_are_several():
    rows = [Example(messages=(user(f"ask {n}"), assistant(""))) for n in range(2)]
    found = review(Dataset.from_examples(rows, "two files", lines=[7, 7], files=["logs/x.jsonl", "logs/y.jsonl"]))
    assert "Empty responses: 2 (flag for removal): x.jsonl:7, y.jsonl:7" in str(found)


def test_what_the_judge_says_is_summed_up():
    class Judge:
        def objection(self, example):
            return "wrong" if example.user_text == "bad" else None

    text = str(reviewed(("bad", GOOD.format(99)), judge=Judge()))
    assert "Pass: 30 (97%)\nFail: 1 (3%)\nFlagged for human review: 1\n" in text
    assert "Suspicious patterns: 0" in text
