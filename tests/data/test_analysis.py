"""Analysis of a data set."""

from collections import Counter

import pytest

from finetuner.data.analysis import analyze
from finetuner.data.dataset import Dataset
from finetuner.data.drift import mix_drift
from finetuner.data.examples import Example, assistant, system, user
from finetuner.errors import UsageError

TOPICS = ["card", "transfer", "refund", "rate", "top up", "identity", "cash", "limit", "address", "password"]


def request(number):
    return f"{number * 7919 % 10007} {TOPICS[number % 10]} {TOPICS[number // 10 % 10]} {number:x}q"


def labelled(**sizes):
    numbers = iter(range(10_000))
    return Dataset.from_examples(
        [
            Example(messages=(user(request(next(numbers))), assistant(label)))
            for label, size in sizes.items()
            for _ in range(size)
        ]
    )


@pytest.mark.parametrize(("many", "level"), [(30, "ok"), (31, "attention"), (100, "attention"), (101, "alarm")])
def test_balance_warns_over_3_to_1_and_alarms_over_10_to_1(many, level):
    found = analyze(labelled(many=many, few=10), tokens=False)
    assert found.balance == many / 10
    assert found.balance_level == level
    assert found.classes == {"many": many, "few": 10}


def test_imbalance_is_printed_with_its_ratio():
    text = str(analyze(labelled(many=57, few=10)))
    assert "Total examples: 67" in text
    assert "many: 57 (85.1%)" in text
    assert "Class imbalance detected (5.7:1 ratio)" in text


def test_free_text_has_no_classes():
    rows = [Example(messages=(user(request(n)), assistant(f"The answer to {n} is {n * n}."))) for n in range(50)]
    found = analyze(Dataset.from_examples(rows), tokens=False)
    assert not found.closed_set
    assert found.classes == {}
    assert found.balance_level == "ok"
    assert "free text" in str(found)


def test_duplicates_over_5_percent_alarm():
    rows = [Example(messages=(user(request(n % 90)), assistant("yes"))) for n in range(100)]
    found = analyze(Dataset.from_examples(rows), tokens=False)
    assert found.exact_duplicates == pytest.approx(0.1)
    assert found.duplicate_level == "alarm"


def test_conflicting_answers_are_found_with_their_rows():
    rows = [
        Example(messages=(user(text), assistant(label)))
        for text, label in [("Lost card", "lost"), ("Other", "x"), ("lost  CARD", "stolen"), ("Other", "X")]
    ]
    (found,) = analyze(Dataset.from_examples(rows), tokens=False).conflicts
    assert found.answers == ("lost", "stolen")
    assert found.rows == (0, 2)
    assert found.lines == (1, 3)


def test_examples_over_the_context_are_counted():
    rows = [Example(messages=(user("word " * n), assistant("yes"))) for n in (5, 50, 500)]
    found = analyze(Dataset.from_examples(rows), limit=100)
    assert found.over_context == 1
    assert "Examples exceeding context: 1 (33.3%)" in str(found)


def test_an_empty_data_set_can_be_analyzed():
    found = analyze(Dataset.from_examples([]))
    assert found.size == 0
    assert found.balance == 1
    assert str(found)


def test_mix_drift_is_the_share_that_would_have_to_move():
    """60/30/10 in training against 80/15/5 in production: a fifth would have to move."""
    drift = mix_drift(labelled(a=60, b=30, c=10), labelled(a=80, b=15, c=5))
    assert drift.distance == pytest.approx(0.2)
    assert next(iter(drift.shares.items())) == ("a", (0.6, 0.8))
    assert mix_drift(labelled(a=3), labelled(b=3)).distance == 1
    with pytest.raises(UsageError, match="empty"):
        mix_drift(labelled(a=1), labelled())


class Counting:
    """Examples that count how often a row is read."""

    def __init__(self, data):
        self._data = data
        self.reads = Counter()

    def __len__(self):
        return len(self._data)

    def __getitem__(self, row):
        self.reads[row] += 1
        return self._data[row]

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    def line(self, row):
        return self._data.line(row)


def test_the_rows_are_read_once_and_few_again_to_be_looked_at():
    """One pass for all questions; of 3,000 rows at most 1,000 are looked at before to see what kind of data it is."""
    data = Counting(labelled(a=2000, b=1000))
    analyze(data)
    assert sum(count > 2 for count in data.reads.values()) < 100
    assert sum(data.reads.values()) <= 3_000 + 1_000 + 300


def test_lines_that_cannot_be_read_are_counted_and_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    line = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    path.write_text(f"{line}\n{{torn\n{line}\n", "utf-8")
    found = analyze(Dataset.load(path))
    assert (found.size, found.unreadable) == (2, 1)
    assert "Unreadable lines: 1" in str(found)


def test_tokens_are_told_by_role_and_add_up():
    messages = (system("Be brief."), user("one two"), assistant("three"), user("four five six"), assistant("seven"))
    data = Dataset.from_examples([Example(messages=messages)])
    found = analyze(data)
    assert found.tokens.per_example.tolist() == data.tokens().per_example.tolist()
    assert set(found.roles) == {"system", "user", "other", "assistant"}
    assert found.roles["user"].max > found.roles["other"].max > 0


def test_languages_are_counted():
    rows = [
        Example(messages=(user(text), assistant("ja"))) for text in ("Wo ist die Karte, bitte?", "Where is the card?")
    ]
    assert analyze(Dataset.from_examples(rows), tokens=False).languages == {"de": 1, "en": 1}
