"""Slices: what divides rows, what doesn't, and the price of looking at many."""

import attrs
import pytest

from finetuner.evaluation.results import ScoredRow
from finetuner.evaluation.slices import script, slices, tags


def pair(index, base, tuned, prompt="x", **named):
    row = ScoredRow(index=index, line=None, row_hash="", prompt_text=prompt, expected="e", tags=named)
    return attrs.evolve(row, scores={"m": base}), attrs.evolve(row, scores={"m": tuned})


def test_metadata_scripts_and_classes_divide():
    """Texts, numbers and flags do; long texts and lists don't."""
    found = tags(
        {"plan": "pro", "tries": 2, "beta": True, "note": "x" * 100, "tags": ["a"], "label": "l"}, "привет", "bug"
    )
    assert found == {"plan": "pro", "tries": "2", "beta": "True", "script": "cyrillic", "class": "bug"}
    assert tags({}, "1 + 1", None) == {"script": "none"}


@pytest.mark.parametrize(
    ("text", "name"),
    [("hello", "latin"), ("你好", "cjk"), ("مرحبا", "arabic"), ("привет ok", "cyrillic"), ("", "none")],
)
def test_scripts_are_told_by_most_letters(text, name):
    assert script(text) == name


def test_groups_that_do_not_divide_are_left_out():
    """One value for all, or a value of its own for each row, says nothing."""
    pairs = [pair(i, 0.0, 1.0, plan=("a", "b")[i % 2], same="x", own=str(i)) for i in range(60)]
    assert [(part.group, part.name) for part in slices(pairs, "m", "holm")] == [("plan", "a"), ("plan", "b")]


def test_lengths_are_thirds():
    """By the prompt's characters, with the limits in the names."""
    pairs = [pair(i, 0.0, float(i >= 20), prompt="x" * (i + 1)) for i in range(30)]
    parts = slices(pairs, "m", "holm")
    assert [part.name for part in parts] == ["11 to 20 characters", "over 20 characters", "up to 10 characters"]
    assert [part.difference.value for part in parts] == [0, 1, 0]
    assert parts[1].title == "length over 20 characters"


def test_small_parts_are_no_slices():
    pairs = [pair(i, 0.0, 1.0, plan="rare" if i < 4 else "usual") for i in range(40)]
    assert [part.name for part in slices(pairs, "m", "holm")] == ["usual"]


def test_looking_at_many_has_its_price():
    """Holm's adjusted values are never below Benjamini-Hochberg's, and both never below the raw ones."""
    pairs = [
        pair(i, float(i % 3 == 0), float(i % 5 > 0), **{f"k{j}": str(i % (j + 2)) for j in range(6)})
        for i in range(120)
    ]
    for strict, loose in zip(slices(pairs, "m", "holm"), slices(pairs, "m", "bh"), strict=True):
        assert strict.p_value <= loose.adjusted_p_value <= strict.adjusted_p_value
