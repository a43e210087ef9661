"""Pairs of rows that share hashes, found in blocks of bounded size, and how similar their sets are."""

from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.shingles import Hashes, Ints, bound, levels

Floats = NDArray[np.float64]

PAIRS_PER_BLOCK: Final = 2_000_000
"""Pairs that are held at once, before they are counted."""

_MOST_SHARED: Final = 1_000
_HUBS: Final = 4
_BITS: Final = 40


def sampled_pairs(
    rows: NDArray[np.int32], hashes: Hashes, counts: Ints, kept: int, lowest: float
) -> Iterator[tuple[Ints, Ints]]:
    """Pairs that may be similar, in blocks, the left row before the right one: estimated from samples of their sets.

    Of what more than 1,000 rows share, only the first rows are paired with all others, so that neither a set phrase nor
    thousands of copies of one text take a time that grows with their square.

    Args:
        rows: The row of each hash.
        hashes: Those of the row's set that are below the bound of its level (see `shingles.levels`).
        counts: How large each row's set is, about.
        kept: How many hashes of a row were to be kept at least.
        lowest: Least estimated Jaccard index, 0 to 1.
    """
    size = len(counts)
    bits = np.uint64(size.bit_length())
    packed = np.sort((hashes & ~_low(bits)) | rows.astype(np.uint64))  # by hash, then row; sorts faster than indices do
    packed = packed[_new(packed)]
    keys, rows_of = packed >> bits, (packed & _low(bits)).astype(np.int64)
    starts = np.flatnonzero(_new(keys))
    shared = np.diff(np.append(starts, len(keys)))
    light = np.repeat(shared <= _MOST_SHARED, shared)
    level = levels(counts, kept)
    sizes = _sizes(rows_of[light], packed[light], size, int(level.max(initial=0)) + 1)
    several = np.repeat(shared > 1, shared)
    for left, right, common in joined(rows_of[several], keys[several], size):
        step = np.maximum(level[left], level[right])
        alike = common >= lowest * (sizes[left, step] + sizes[right, step] - common)
        yield left[alike], right[alike]


def joined(rows: Ints, keys: Hashes | Ints, size: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Pairs of rows that share keys, and how many they share, in blocks of left rows.

    Args:
        rows: Sorted by key, then row; each pair of key and row once.
        keys: As many.
        size: How many rows there are.
    """
    if not len(rows):
        return
    starts = np.flatnonzero(_new(keys))
    shared = np.diff(np.append(starts, len(keys)))
    place = np.arange(len(keys)) - np.repeat(starts, shared)
    partners = np.repeat(shared, shared) - place - 1
    partners[(place >= _HUBS) & np.repeat(shared > _MOST_SHARED, shared)] = 0
    block = np.cumsum(np.bincount(rows, weights=partners).astype(np.int64)) // PAIRS_PER_BLOCK
    sources = np.flatnonzero(partners)
    order = sources[np.argsort(block[rows[sources]], kind="stable")]
    cuts = np.flatnonzero(np.diff(block[rows[order]])) + 1
    for part in np.split(order, cuts):
        many = partners[part]
        source = np.repeat(part, many)
        target = source + np.arange(len(source)) - np.repeat(np.cumsum(many) - many, many) + 1
        pairs, common = np.unique(rows[source] * size + rows[target], return_counts=True)
        yield pairs // size, pairs % size, common.astype(np.int64)


def _sizes(rows: Ints, hashes: Hashes, size: int, highest: int) -> Ints:
    """How many hashes each row has at each level, shape `(size, highest)`."""
    level = np.zeros(len(rows), dtype=np.int64)
    for step in range(1, highest):
        level += hashes <= bound(np.array(step))
    table = np.bincount(rows * highest + level, minlength=size * highest).reshape(size, highest)
    return np.cumsum(table[:, ::-1], axis=1)[:, ::-1]


def _new(values: Hashes | Ints) -> NDArray[np.bool_]:
    """Where sorted values begin to differ from those before."""
    new = np.ones(len(values), dtype=np.bool_)
    new[1:] = values[1:] != values[:-1]
    return new


def _low(bits: np.uint64) -> np.uint64:
    return (np.uint64(1) << bits) - np.uint64(1)


@attrs.frozen(eq=False)
class Sets:
    """Sets of hashes, of which 40 bits are compared.

    Attributes:
        members: Row and hash of each, sorted.
        sizes: Members of each row.
    """

    members: Hashes
    sizes: Ints

    @classmethod
    def of(cls, rows: Ints, hashes: Hashes, size: int, without: Hashes) -> "Sets":
        """The sets of `size` rows, less what `without` (sorted) has."""
        if len(without):
            own = without[np.minimum(np.searchsorted(without, hashes), len(without) - 1)] != hashes
            rows, hashes = rows[own], hashes[own]
        members = np.sort((rows.astype(np.uint64) << np.uint64(_BITS)) | (hashes >> np.uint64(64 - _BITS)))
        members = members[_new(members)]
        return cls(members, np.bincount((members >> np.uint64(_BITS)).astype(np.int64), minlength=size))

    @property
    def rows(self) -> Ints:
        """The row of each member."""
        return (self.members >> np.uint64(_BITS)).astype(np.int64)

    @property
    def hashes(self) -> Hashes:
        """The 40 bits of each member."""
        return self.members & _low(np.uint64(_BITS))

    def jaccard(self, left: Ints, right: Ints) -> Floats:
        """Jaccard index of pairs of rows, 0 to 1; 0 for two empty sets."""
        starts = np.cumsum(self.sizes) - self.sizes
        sides = np.concatenate([left, right])
        many = self.sizes[sides]
        offsets = np.cumsum(many) - many
        places = np.repeat(starts[sides] - offsets, many) + np.arange(int(many.sum()))
        pair = np.repeat(np.tile(np.arange(len(left), dtype=np.uint64), 2), many)
        held = np.sort((pair << np.uint64(_BITS)) | (self.members[places] & _low(np.uint64(_BITS))))
        twice = (held[1:][held[1:] == held[:-1]] >> np.uint64(_BITS)).astype(np.int64)
        shared = np.bincount(twice, minlength=len(left))
        similarity: Floats = shared / np.maximum(1, self.sizes[left] + self.sizes[right] - shared)
        return similarity
