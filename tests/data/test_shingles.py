"""Runs of words of long texts, against a plain reading of the same rule."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.shingles import WORDS, bound, levels, shingles

ASCII = st.text(st.characters(codec="ascii"), max_size=200)


def expected(text):
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[n : n + WORDS]) for n in range(len(words) - WORDS + 1)} if len(words) >= WORDS else set(words)


@given(st.lists(ASCII, min_size=1, max_size=5))
def test_a_text_has_its_different_runs_of_five_words(texts):
    found = shingles(texts)
    counts = np.bincount(found.rows, minlength=len(texts))
    assert counts.tolist() == [len(expected(text)) for text in texts]
    assert found.words.tolist() == [len(re.findall(r"[a-z0-9]+", text.lower())) for text in texts]


@given(ASCII, ASCII, ASCII)
def test_hashes_do_not_depend_on_the_texts_around(one, other, third):
    alone, together = shingles([one]), shingles([other, one, third])
    assert alone.hashes.tolist() == together.hashes[together.rows == 1].tolist()


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_any_text_has_sorted_different_hashes_in_order(texts):
    found = shingles(texts)
    keys = list(zip(found.rows.tolist(), found.hashes.tolist(), strict=True))
    assert all(one < other for one, other in pairwise(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The quick brown fox jumps", "the QUICK, brown-fox (jumps)"),
        ("“Straße” für alle — und mehr", "strasse für alle und mehr"),
        ("你好,世界和平", "你好世界和平"),
        ("one two three four five 😀", "one two three four five"),
        ("ｏｎｅ two three four five", "one two three four five"),
    ],
)
def test_case_signs_and_width_do_not_count(one, other):
    assert shingles([one]).hashes.tolist() == shingles([other]).hashes.tolist()


def test_chinese_characters_are_words():
    assert shingles(["我要取消这个订单"]).words.tolist() == [8]


def test_a_share_of_the_hashes_is_kept_that_falls_with_the_length():
    words = [f"word{n}" for n in range(6400)]
    text = " ".join(words)
    few, every = shingles([text], 32), shingles([text])
    level = levels(few.words, 32)
    assert level.tolist() == [7]
    assert few.hashes.tolist() == [value for value in every.hashes.tolist() if value <= bound(level)[0]]
    assert 20 < len(few.hashes) < 90
