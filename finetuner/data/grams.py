"""Runs of characters of short texts, and pairs of short texts that share some.

Similarity is over runs of 4 characters, so that a typo costs little. Pairs are found by longer runs, which unlike texts
hardly share: a sample of them for each text. Very short texts have too few of those; of them the rarest runs of 4 are
compared, which finds every pair.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from finetuner.data.joins import Sets, joined, sampled_pairs
from finetuner.data.shingles import Hashes, Ints, inside, mix

CHARACTERS: Final = 4
"""In a run, of which a text's set is made."""

_KEPT: Final = 32
_AT_LEAST_SHARED: Final = 4

# Below which length all pairs of rare runs are looked at, and for which lengths (from, below) runs of how many
# characters are sampled. They overlap by so much that both texts of a pair of that similarity are in one of them.
_BANDS: Final = {0.7: (24, ((16, 96, 8), (64, 1 << 30, 16))), 0.5: (48, ((24, 1 << 30, 8),))}
_BATCH: Final = 512
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def grams(texts: Sequence[str], width: int = CHARACTERS, kept: int | None = None) -> tuple[Ints, Hashes, Ints]:
    """Row and hash of each run of characters of some texts, in no order, and how many runs each text has.

    Args:
        texts: The texts, which get a space at both ends.
        width: Characters in a run, a multiple of 4.
        kept: How many runs of each text to keep at least, as of `shingles.shingles`.
    """
    padded = [f" {text} ".ljust(width) for text in texts]
    units = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    last = np.cumsum([len(text) for text in padded], dtype=np.int64)
    units *= _STEP
    units ^= units >> np.uint64(32)
    for offset in (1, 2):  # runs of 2, then of 4
        units = units[:-offset] * _power(offset) + units[offset:]
    runs = units[: max(0, len(units) - width + CHARACTERS)]
    for offset in range(CHARACTERS, width, CHARACTERS):
        runs = runs * _power(CHARACTERS) + units[offset : offset + len(runs)]
    counts = np.diff(last, prepend=0) - width + 1
    return *inside(mix(runs), last, width, counts, kept), counts


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_STEP), exponent, 1 << 64))


def alike(texts: Sequence[str], near: float, without: Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of short texts that may be similar, in blocks: left and right numbers; some of them twice.

    Args:
        texts: The texts.
        near: Lowest similarity of a pair, 0.5 to 1.
        without: Runs of 4 characters that don't count.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    tiny_below, bands = _BANDS[max(lowest for lowest in _BANDS if near >= lowest)]
    tiny = np.flatnonzero(lengths < tiny_below)
    for left, right in _rarest([texts[number] for number in tiny.tolist()], near, without):
        yield tiny[left], tiny[right]
    for start, end, width in bands:
        band = np.flatnonzero((lengths >= start) & (lengths < end))
        for left, right in _sampled([texts[number] for number in band.tolist()], near, width):
            yield band[left], band[right]


def _sampled(texts: Sequence[str], near: float, width: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs that share runs longer than those by which they are compared."""
    changed = (1 - near) / (1 + near) * width / CHARACTERS  # share of the runs, if each change stands alone
    lowest = (1 - changed) / (1 + changed) / 3
    rows, hashes, counts = _batched(texts, lambda batch: grams(batch, width, _KEPT))
    return sampled_pairs(rows.astype(np.int32), hashes, counts, _KEPT, lowest)


def _rarest(texts: Sequence[str], near: float, without: Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Two sets with Jaccard >= t share n of their `size - ceil(t size) + n` rarest members (prefix filter)."""
    size = len(texts)
    rows, hashes, _ = _batched(texts, grams)
    sets = Sets.of(rows, hashes, size, without)
    rows, keys = sets.rows, sets.hashes
    _, number, frequency = np.unique(keys, return_inverse=True, return_counts=True)
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    members = np.sort(rows * max(1, len(rank)) + rank[number])  # by row, the rarest first
    rows, ranks = np.divmod(members, max(1, len(rank)))
    sizes = sets.sizes
    position = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    shared = np.ceil(near * sizes - 1e-9).astype(np.int64)
    at_least = np.minimum(shared, _AT_LEAST_SHARED)
    prefix = position < (sizes - shared + at_least)[rows]
    rows, ranks = rows[prefix], ranks[prefix]
    order = np.lexsort((rows, ranks))
    for left, right, common in joined(rows[order], ranks[order], size):
        smaller, larger = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
        enough = np.minimum(at_least[left], at_least[right])
        likely = (smaller >= near * larger - 1e-9) & (common >= enough)
        yield left[likely], right[likely]


def _batched(
    texts: Sequence[str], of: Callable[[Sequence[str]], tuple[Ints, Hashes, Ints]]
) -> tuple[Ints, Hashes, Ints]:
    """Runs of many texts, worked out for some at a time: large arrays don't fit the processor's cache."""
    empty = np.zeros(0, dtype=np.int64)
    found = [(empty, np.zeros(0, dtype=np.uint64), empty)]
    for start in range(0, len(texts), _BATCH):
        rows, hashes, counts = of(texts[start : start + _BATCH])
        found.append((rows + start, hashes, counts))
    rows, hashes, counts = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, hashes, counts
