"""Pairs of rows that share hashes, against sets."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data import joins
from finetuner.data.joins import Sets, joined

SETS = st.lists(st.sets(st.integers(0, 30), max_size=8), min_size=1, max_size=10)


def flat(sets):
    """Row and member of each, sorted by member."""
    entries = sorted((member, row) for row, members in enumerate(sets) for member in members)
    keys, rows = zip(*entries, strict=True) if entries else ((), ())
    return np.array(rows, dtype=np.int64), np.array(keys, dtype=np.int64)


@pytest.mark.parametrize("block", [1, 5, 2_000_000])
@given(SETS)
def test_rows_that_share_keys_are_joined_and_counted(block, sets):
    rows, keys = flat(sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joins, "PAIRS_PER_BLOCK", block)
        blocks = list(joined(rows, keys, len(sets)))
    found = Counter()
    for left, right, common in blocks:
        found.update(
            {
                (one, other): many
                for one, other, many in zip(left.tolist(), right.tolist(), common.tolist(), strict=True)
            }
        )
    expected = {(i, j): len(sets[i] & sets[j]) for i, j in combinations(range(len(sets)), 2) if sets[i] & sets[j]}
    assert found == expected
    assert sum(len(left) for left, _, _ in blocks) == len(expected)


@given(SETS)
def test_the_jaccard_index_is_that_of_sets(sets):
    rows, keys = flat(sets)
    made = Sets.of(rows, keys.astype(np.uint64) << np.uint64(58), len(sets), np.zeros(0, dtype=np.uint64))
    left, right = np.array([*combinations(range(len(sets)), 2)], dtype=np.int64).reshape(-1, 2).T
    expected = [len(sets[i] & sets[j]) / max(1, len(sets[i] | sets[j])) for i, j in zip(left, right, strict=True)]
    assert made.jaccard(left, right).tolist() == pytest.approx(expected)


def test_members_that_do_not_count_are_left_out():
    rows, keys = flat([{1, 2, 3}, {1, 4}])
    hashes = keys.astype(np.uint64) << np.uint64(58)
    made = Sets.of(rows, hashes, 2, np.array([1 << 58], dtype=np.uint64))
    assert made.sizes.tolist() == [2, 1]
