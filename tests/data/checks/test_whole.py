"""Rules about a data set as a whole."""

import json
from datetime import date

import attrs
import pytest

from finetuner.data.checks import rules
from finetuner.data.checks.run import check
from finetuner.data.dataset import Dataset
from finetuner.errors import UsageError

ON = date(2026, 9, 1)  # o4-mini can be tuned
USER = {"role": "user", "content": "a"}
ANSWER = {"role": "assistant", "content": "b"}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}


def load(path, *records, head=b""):
    path.write_bytes(head + b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return Dataset.load(path)


def chats(n):
    return [{"messages": [{"role": "user", "content": f"q{i}"}, ANSWER]} for i in range(n)]


def tasks(n):
    return [{"messages": [{"role": "user", "content": f"q{i}"}], "reference": i} for i in range(n)]


def test_a_byte_order_mark_is_told(tmp_path):
    """The file is read all the same; it is for those who read it as it lies there."""
    report = load(tmp_path / "a.jsonl", *chats(60), head=b"\xef\xbb\xbf").check("openai", on=ON)
    assert report.counts == {"byte_order_mark": 1}
    assert (
        report.issues[0].message
        == "the file begins with a byte order mark, which many readers take for a part of line 1"
    )


@pytest.mark.parametrize(
    ("model", "records", "codes"),
    [
        ("gpt-4.1-2025-04-14", chats(60), set()),
        ("o4-mini-2025-04-16", tasks(60), set()),
        ("o4-mini-2025-04-16", chats(60), {"no_user_end"}),
        ("gpt-3.5-turbo-0125", chats(60), set()),
        ("gpt-3.5-turbo-0125", "pairs", {"method_not_available"}),
    ],
)
def test_a_model_decides_what_data_is_for(tmp_path, model, records, codes):
    pair = {
        "input": {"messages": [USER]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{**ANSWER, "content": "c"}],
    }
    data = load(tmp_path / "a.jsonl", *([pair] * 60 if records == "pairs" else records))
    report = check(data._view, rules.rules_for("openai", model, ON), source="a")
    assert set(report.counts) - {"model_retires_soon"} == codes


def view(data):
    return data._view


def test_a_method_can_be_named(tmp_path):
    data = load(tmp_path / "a.jsonl", *tasks(60))
    given = rules.rules_for("openai", None, ON)
    assert set(check(view(data), given, source="a").counts) == {"no_assistant_end", "unknown_key"}
    assert check(view(data), given, source="a", method="reinforcement").counts == {}
    assert set(check(view(data), rules.rules_for("vertex", None, ON), source="a", method="reinforcement").counts) == {
        "method_not_supported"
    }
    with pytest.raises(UsageError, match="known: supervised, preference, reinforcement"):
        check(view(data), given, source="a", method="distillation")


def test_reinforcement_and_images_have_limits_of_their_own(tmp_path):
    given = attrs.evolve(
        rules.rules_for("openai", None, ON), max_reinforcement_examples=50, max_image_examples=20, max_examples=100
    )
    task = check(view(load(tmp_path / "a.jsonl", *tasks(60))), given, source="a", method="reinforcement")
    assert [issue.message for issue in task.errors] == ["openai takes at most 50 examples; there are 60"]
    pictures = load(tmp_path / "b.jsonl", *chats(40), *[{"messages": [IMAGE, ANSWER]}] * 21)
    report = check(view(pictures), given, source="b")
    assert [(issue.code, issue.message) for issue in report.errors] == [
        ("too_many_image_examples", "openai takes at most 20 examples with images; there are 21")
    ]
    many = check(view(load(tmp_path / "c.jsonl", *chats(101))), given, source="c")
    assert [issue.code for issue in many.errors] == ["too_many_examples"]


def test_a_file_may_be_too_large(tmp_path):
    given = attrs.evolve(rules.rules_for("openai", None, ON), max_file_bytes=5000)
    data = load(tmp_path / "a.jsonl", *chats(60))
    assert [issue.code for issue in check(view(data), given, source="a").errors] == ["file_too_large"]
    assert check(view(data[:50]), given, source="a").ok


def test_pairs_are_as_long_as_the_longer_answer(tmp_path):
    """Only one of the two is read at a time."""
    long = {"role": "assistant", "content": "word " * 40_000}
    pair = {
        "input": {"messages": [USER]},
        "preferred_output": [long],
        "non_preferred_output": [{**long, "content": "x"}],
    }
    both = {**pair, "non_preferred_output": [{**long, "content": "words " * 40_000}]}
    report = load(tmp_path / "a.jsonl", *[pair] * 60, both).check("openai", on=ON)
    assert report.counts == {}
