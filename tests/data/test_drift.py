"""How two data sets differ."""

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.drift import drift
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import UsageError


def labelled(text="number {} in the list of all", **sizes):
    labels = [label for label, size in sizes.items() for _ in range(size)]
    return Dataset.from_examples(
        [Example(messages=(user(text.format(n * 7919 % 10007)), assistant(name))) for n, name in enumerate(labels)]
    ).analyze()


def test_the_same_mix_has_not_moved():
    found = drift(labelled(a=60, b=40), labelled(a=6, b=4))
    assert found.classes.distance == pytest.approx(0)
    assert found.level == "ok"
    assert "Drift of the class mix: 0.0% would have to move" in str(found)


def test_training_against_production_is_told_class_by_class():
    """60/30/10 against 80/15/5: a fifth would have to move."""
    found = drift(labelled(a=60, b=30, c=10), labelled(a=80, b=15, c=5))
    assert found.classes.distance == pytest.approx(0.2)
    assert found.level == "attention"
    assert "WARNING: Drift of the class mix: 20.0% would have to move\n  a: 60.0% here, 80.0% there\n" in str(found)


def test_spellings_are_no_drift_and_free_text_has_no_classes():
    assert drift(labelled(yes=60, no=40), labelled(Yes=60, no=40)).classes.distance == pytest.approx(0)
    free = Dataset.from_examples(
        [Example(messages=(user(f"q {n}"), assistant(f"an answer of its own, {n}"))) for n in range(30)]
    )
    assert drift(free.analyze(), labelled(a=5)).classes is None


def test_languages_and_lengths_drift_too():
    found = drift(labelled(a=50), labelled(text="Wo ist die Nummer {} und was ist das für eine Liste mit allen", a=50))
    assert found.languages.distance == 1
    assert found.input_tokens[1] > found.input_tokens[0]
    assert "Drift of input tokens (median):" in str(found)


def test_an_empty_set_has_no_mix():
    with pytest.raises(UsageError, match="empty"):
        drift(Dataset.from_examples([]).analyze(), labelled(a=5))
