"""Pairs of similar texts, found without comparing every text with every other.

Similarity is the Jaccard index of two sets of shingles, that is shared shingles / all shingles. Short texts are sets of
4 characters, so that a typo costs little; long ones are sets of 5 words, of which a share that falls with the length
is kept (a fraction sketch: hashes below a bound). A text of middle length is both, so that no pair falls between.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.text import plain

_Hashes = NDArray[np.uint64]
_Ints = NDArray[np.int64]

_CHARACTERS: Final = 4
_WORDS: Final = 5
_SHORT_BELOW: Final = 400
_LONG_FROM: Final = 300
_KEPT_HASHES: Final = 128
_COMMON_SHARE: Final = 0.5
_COMMON_FROM: Final = 20
_MOST_SHARED: Final = 1_000
_PAIRS_PER_BLOCK: Final = 2_000_000
_SIGNATURE_WORDS: Final = 8
_LONGEST_WORD: Final = 20
_LOWEST: Final = 0.5


@attrs.frozen(eq=False)
class Pairs:
    """Similar texts: three arrays of shape (n_pairs,), `left` < `right`, sorted.

    Attributes:
        left: 0-based number of the earlier text.
        right: 0-based number of the later text.
        similarity: Jaccard index, exact for short texts and estimated for long ones, 0 to 1.
    """

    left: _Ints
    right: _Ints
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)


def similar_pairs(texts: Sequence[str], near: float) -> Pairs:
    """All pairs of different texts whose similarity is at least `near`.

    Shingles that more than half of all texts contain (a template around the real content) don't count. Memory stays
    bounded: candidates are made and judged in blocks.

    Args:
        texts: Different texts; equal ones only cost time.
        near: Lowest similarity, 0.5 to 1.

    Raises:
        ValueError: `near` is outside 0.5 to 1.
    """
    if not _LOWEST <= near <= 1:
        raise ValueError(f"near is {near}; similarity is found from {_LOWEST} to 1")
    simple = [plain(text) for text in texts]
    lengths = np.array([len(text) for text in simple], dtype=np.int64)
    short = np.flatnonzero((lengths < _SHORT_BELOW) & (lengths > 0))
    long = np.flatnonzero(lengths >= _LONG_FROM)
    found = [_short_pairs([simple[row] for row in short], short, near)]
    found.append(_long_pairs([simple[row] for row in long], long, near))
    left, right, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((-similarity, right, left))
    left, right, similarity = left[order], right[order], similarity[order]
    first = np.ones(len(left), dtype=bool)
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return Pairs(left[first], right[first], similarity[first])


def clusters(size: int, pairs: Sequence[tuple[int, int]]) -> _Ints:
    """For each of `size` items the lowest number that it is linked to, over any number of pairs (union-find)."""
    parent = list(range(size))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, other in pairs:
        first, second = root(one), root(other)
        parent[max(first, second)] = min(first, second)
    return np.array([root(item) for item in range(size)], dtype=np.int64)


def _mix(values: _Hashes) -> _Hashes:
    """The finalizer of splitmix64: spreads any input evenly over 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _windows(units: _Hashes, counts: _Ints, width: int) -> tuple[_Ints, _Hashes]:
    """Row number and hash of every run of `width` units inside one row; each row has at least `width` units."""
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    hashes = np.zeros(max(len(units) - width + 1, 0), dtype=np.uint64)
    for offset in range(width):
        part = units[offset : offset + len(hashes)]
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + _mix(part + np.uint64(1))
    inside = rows[: len(hashes)] == rows[width - 1 :]
    return rows[: len(hashes)][inside], _mix(hashes[inside])


def _sets(rows: _Ints, hashes: _Hashes, size: int) -> tuple[_Ints, _Ints, _Hashes]:
    """Row, rank and hash of each different shingle of each row; the rarest first within a row; common ones left out."""
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (hashes[1:] != hashes[:-1])
    rows, hashes = rows[new], hashes[new]
    _, number, frequency = np.unique(hashes, return_inverse=True, return_counts=True)
    if size >= _COMMON_FROM:
        kept = frequency[number] <= size * _COMMON_SHARE
        rows, hashes, number = rows[kept], hashes[kept], number[kept]
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    ranks = rank[number]
    order = np.lexsort((ranks, rows))
    return rows[order], ranks[order], hashes[order]


def _blocks(rows: _Ints, keys: _Ints) -> list[tuple[_Ints, _Ints]]:
    """For each block of rows the positions of its entries (sorted by key, then row), and how many partners follow."""
    ends = np.searchsorted(keys, keys, side="right")
    partners = ends - np.arange(len(keys)) - 1
    per_row = np.bincount(rows, weights=partners).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    block_of_row = np.cumsum(per_row) // _PAIRS_PER_BLOCK
    block = block_of_row[rows] if len(rows) else rows
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    return [(part, partners[part]) for part in np.split(order, starts[1:])] if len(rows) else []


def _candidates(rows: _Ints, positions: _Ints, partners: _Ints, size: int) -> tuple[_Ints, _Ints, _Ints]:
    """Pairs of rows that share keys, with how many they share."""
    source = np.repeat(positions, partners)
    starts = np.cumsum(partners) - partners
    target = source + np.arange(len(source)) - np.repeat(starts, partners) + 1
    pairs, shared = np.unique(rows[source] * size + rows[target], return_counts=True)
    return pairs // max(size, 1), pairs % max(size, 1), shared


_Found = tuple[_Ints, _Ints, NDArray[np.float64]]


def _joined(found: list[_Found], names: _Ints) -> _Found:
    empty: _Found = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))
    left, right, similarity = (np.concatenate(part) for part in zip(empty, *found, strict=True))
    return names[left], names[right], similarity


def _short_pairs(texts: list[str], names: _Ints, near: float) -> _Found:
    """Exact: two sets with Jaccard >= t share one of their `size - ceil(t size) + 1` rarest members (prefix filter)."""
    size = len(texts)
    padded = [f" {text} ".ljust(_CHARACTERS) for text in texts]
    units = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    counts = np.array([len(text) for text in padded], dtype=np.int64)
    rows, ranks, hashes = _sets(*_windows(units, counts, _CHARACTERS), size)
    sizes = np.bincount(rows, minlength=size)
    position = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    prefix = position < (sizes - np.ceil(near * sizes - 1e-9) + 1)[rows]
    order = np.lexsort((rows[prefix], ranks[prefix]))
    prefix_rows, keys = rows[prefix][order], ranks[prefix][order]
    signatures = _signatures(rows, hashes, size)
    span = int(ranks.max(initial=0)) + 1
    members = rows * span + ranks
    starts = np.cumsum(sizes) - sizes
    found: list[_Found] = []
    for positions, partners in _blocks(prefix_rows, keys):
        left, right, _ = _candidates(prefix_rows, positions, partners, size)
        total = sizes[left] + sizes[right]
        needed = np.ceil(near / (1 + near) * total - 1e-9)
        likely = needed <= np.minimum(sizes[left], sizes[right])
        left, right, total, needed = left[likely], right[likely], total[likely], needed[likely]
        missing = np.bitwise_count(signatures[left] & ~signatures[right]).sum(axis=1)
        likely = sizes[left] - missing >= needed
        left, right, total = left[likely], right[likely], total[likely]
        shared = _shared(left, right, sizes, starts, members, ranks, span)
        similarity = shared / (total - shared)
        kept = similarity >= near - 1e-9
        found.append((left[kept], right[kept], similarity[kept]))
    return _joined(found, names)


def _signatures(rows: _Ints, hashes: _Hashes, size: int) -> _Hashes:
    """512 bits for each row; a bit set in one and not in the other proves a member that isn't shared."""
    bits = hashes % np.uint64(_SIGNATURE_WORDS * 64)
    signatures = np.zeros((size, _SIGNATURE_WORDS), dtype=np.uint64)
    np.bitwise_or.at(
        signatures, (rows, (bits >> np.uint64(6)).astype(np.int64)), np.uint64(1) << (bits & np.uint64(63))
    )
    return signatures


def _shared(left: _Ints, right: _Ints, sizes: _Ints, starts: _Ints, members: _Ints, ranks: _Ints, span: int) -> _Ints:
    """How many members two rows share, shape (n_pairs,)."""
    many = sizes[left]
    offsets = np.cumsum(many) - many
    member = np.repeat(starts[left] - offsets, many) + np.arange(int(many.sum()))
    wanted = np.repeat(right, many) * span + ranks[member]
    place = np.minimum(np.searchsorted(members, wanted), len(members) - 1)
    hits = np.concatenate([[0], np.cumsum(members[place] == wanted)]) if len(wanted) else np.zeros(1, dtype=np.int64)
    return np.asarray(hits[offsets + many] - hits[offsets], dtype=np.int64)


def _units(text: str) -> list[str]:
    """Words; characters where the language doesn't put spaces between words."""
    words = text.split(" ")
    return words if len(words) * _LONGEST_WORD >= len(text) else list(text)


def _long_pairs(texts: list[str], names: _Ints, near: float) -> _Found:
    """Estimated from the shingle hashes below 1 / 2^level of the range, where the level grows with the length."""
    size = len(texts)
    vocabulary = _Vocabulary()
    rows_found: list[_Ints] = []
    hashes_found: list[_Hashes] = []
    levels = np.zeros(size, dtype=np.int64)
    for row, text in enumerate(texts):
        units = _units(text)
        levels[row] = max(0, (len(units) // _KEPT_HASHES).bit_length() - 1)
        values = np.array([vocabulary[unit] for unit in units], dtype=np.uint64)
        _, hashes = _windows(values, np.array([len(values)]), min(_WORDS, len(values)))
        kept = hashes <= _bound(int(levels[row]))
        hashes_found.append(hashes[kept])
        rows_found.append(np.full(int(kept.sum()), row, dtype=np.int64))
    if not texts:
        return _joined([], names)
    rows, ranks, hashes = _sets(np.concatenate(rows_found), np.concatenate(hashes_found), size)
    frequency = np.bincount(ranks)
    sizes = np.stack(
        [np.bincount(rows[hashes <= _bound(level)], minlength=size) for level in range(int(levels.max()) + 1)], axis=1
    )
    joinable = frequency[ranks] <= _MOST_SHARED
    order = np.lexsort((rows[joinable], ranks[joinable]))
    rows, keys = rows[joinable][order], ranks[joinable][order]
    found: list[_Found] = []
    for positions, partners in _blocks(rows, keys):
        left, right, shared = _candidates(rows, positions, partners, size)
        level = np.maximum(levels[left], levels[right])
        similarity = shared / (sizes[left, level] + sizes[right, level] - shared)
        kept = similarity >= near - 1e-9
        found.append((left[kept], right[kept], similarity[kept]))
    return _joined(found, names)


def _bound(level: int) -> np.uint64:
    return np.uint64((1 << (64 - level)) - 1)


class _Vocabulary(dict[str, int]):
    """The hash of each word, worked out once."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = self[word] = int.from_bytes(digest, "big")
        return value
