"""Runs of characters of short texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.grams import alike, grams


@pytest.mark.parametrize("width", [4, 8, 16])
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_equal_runs_have_equal_hashes_and_others_have_not(width, texts):
    """Across texts, whatever the script; a text has as many runs as places for them."""
    rows, hashes, counts = grams(texts, width)
    padded = [f" {text} ".ljust(width) for text in texts]
    expected = [(row, text[n : n + width]) for row, text in enumerate(padded) for n in range(len(text) - width + 1)]
    assert rows.tolist() == [row for row, _ in expected]
    assert counts.tolist() == [len(text) - width + 1 for text in padded]
    names = {}
    for (_, run), value in zip(expected, hashes.tolist(), strict=True):
        assert names.setdefault(run, value) == value
    assert len(set(names.values())) == len(names)


def test_of_long_texts_a_share_is_kept_that_texts_agree_on():
    text = " ".join(f"word{n * 7919 % 1009}" for n in range(400))
    _, every, counts = grams([text], 12)
    rows, few, _ = grams([text, "something else"], 12, 32)
    kept = few[rows == 0].tolist()
    assert kept == [value for value in every.tolist() if value <= max(kept)]
    assert 20 < len(kept) < counts[0] / 16


@pytest.mark.parametrize("near", [0.5, 0.7, 0.8])
def test_texts_that_share_nothing_are_no_candidates(near):
    texts = ["abcd" * 3, "efgh" * 3, "ijkl" * 30, "mnop" * 30]
    assert sum(len(left) for left, _ in alike(texts, near, np.zeros(0, dtype=np.uint64))) == 0
