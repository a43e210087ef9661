"""Pairs of similar texts, found without comparing every text with every other.

Similarity is the Jaccard index of two sets of shingles, that is shared shingles / all shingles. Short texts are sets of
4 characters, so that a typo costs little; long ones are sets of 5 words. Of the long ones a share that falls with the
length is kept (a fraction sketch: hashes below a bound), which finds pairs; each found pair is then compared exactly. A
text of middle length is both, so that no pair falls between.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.shingles import Hashes, Ints, bound, levels, mix, shingles
from finetuner.data.text import plain

_CHARACTERS: Final = 4
_SHORT_BELOW: Final = 400
_LONG_FROM: Final = 300
_KEPT_HASHES: Final = 32
_MARGIN: Final = 0.25
_BATCH_CHARACTERS: Final = 65_536
_TEMPLATE_SAMPLE: Final = 100
_COMPARED_AT_ONCE: Final = 2_000
_COMMON_SHARE: Final = 0.5
_COMMON_FROM: Final = 20
_MOST_SHARED: Final = 1_000
_PAIRS_PER_BLOCK: Final = 2_000_000
_SIGNATURE_WORDS: Final = 8
_LOWEST: Final = 0.5


_Found = tuple[Ints, Ints, NDArray[np.float64]]


@attrs.frozen(eq=False)
class Pairs:
    """Similar texts: three arrays of shape (n_pairs,), `left` < `right`, sorted.

    Attributes:
        left: 0-based number of the earlier text.
        right: 0-based number of the later text.
        similarity: Jaccard index, exact for short texts and estimated for long ones, 0 to 1.
    """

    left: Ints
    right: Ints
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
    sketch = Sketch()
    for text in texts:
        sketch.add(text)
    return sketch.pairs(near, texts.__getitem__)


class Sketch:
    """What is kept of texts that go by one after the other: little, but enough to find similar pairs in the end."""

    def __init__(self) -> None:
        self._size = 0
        self._short: list[tuple[int, str]] = []
        self._names: list[int] = []
        self._waiting: list[str] = []
        self._characters = 0
        self._rows: list[NDArray[np.int32]] = []
        self._hashes: list[Hashes] = []
        self._words: list[Ints] = []

    def add(self, text: str) -> None:
        """Take note of the next text."""
        if len(text) < 2 * _SHORT_BELOW:
            simple = plain(text)
            if 0 < len(simple) < _SHORT_BELOW:
                self._short.append((self._size, simple))
            long = len(simple) >= _LONG_FROM
        else:
            long = True
        if long:
            self._names.append(self._size)
            self._waiting.append(text)
            self._characters += len(text)
            if self._characters >= _BATCH_CHARACTERS:
                self._flush()
        self._size += 1

    def _flush(self) -> None:
        if self._waiting:
            found = shingles(self._waiting, _KEPT_HASHES)
            first = len(self._names) - len(self._waiting)
            self._rows.append((found.rows + first).astype(np.int32))
            self._hashes.append(found.hashes)
            self._words.append(found.words)
            self._waiting, self._characters = [], 0

    def pairs(self, near: float, text: Callable[[int], str]) -> Pairs:
        """All pairs of texts whose similarity is at least `near`.

        Args:
            near: Lowest similarity, 0.5 to 1.
            text: Gives a text again, by its number.

        Raises:
            ValueError: `near` is outside 0.5 to 1.
        """
        if not _LOWEST <= near <= 1:
            raise ValueError(f"near is {near}; similarity is found from {_LOWEST} to 1")
        self._flush()
        names = np.array([name for name, _ in self._short], dtype=np.int64)
        found = [_short_pairs([simple for _, simple in self._short], names, near), self._long_pairs(near, text)]
        left, right, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((-similarity, right, left))
        left, right, similarity = left[order], right[order], similarity[order]
        first = np.ones(len(left), dtype=bool)
        first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
        return Pairs(left[first], right[first], similarity[first])

    def _long_pairs(self, near: float, text: Callable[[int], str]) -> _Found:
        names = np.array(self._names, dtype=np.int64)
        if not len(names):
            return _joined([], names)
        few = np.linspace(0, len(names) - 1, min(len(names), _TEMPLATE_SAMPLE)).astype(np.int64)
        template = _template([text(name) for name in names[few].tolist()])
        candidates = _sketched_pairs(
            np.concatenate(self._rows), np.concatenate(self._hashes), np.concatenate(self._words), near, template
        )
        found: list[_Found] = []
        for left, right in candidates:
            for start in range(0, len(left), _COMPARED_AT_ONCE):
                one, other = left[start : start + _COMPARED_AT_ONCE], right[start : start + _COMPARED_AT_ONCE]
                similarity = _exact(one, other, lambda row: text(int(names[row])), template)
                kept = similarity >= near - 1e-9
                found.append((one[kept], other[kept], similarity[kept]))
        return _joined(found, names)


def clusters(size: int, pairs: Sequence[tuple[int, int]]) -> Ints:
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


def _windows(units: Hashes, counts: Ints, width: int) -> tuple[Ints, Hashes]:
    """Row number and hash of every run of `width` units inside one row; each row has at least `width` units."""
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    hashes = np.zeros(max(len(units) - width + 1, 0), dtype=np.uint64)
    for offset in range(width):
        part = units[offset : offset + len(hashes)]
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + mix(part + np.uint64(1))
    inside = rows[: len(hashes)] == rows[width - 1 :]
    return rows[: len(hashes)][inside], mix(hashes[inside])


def _sets(rows: Ints, hashes: Hashes, size: int) -> tuple[Ints, Ints, Hashes]:
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


def _blocks(rows: Ints, keys: Ints) -> list[tuple[Ints, Ints]]:
    """For each block of rows the positions of its entries (sorted by key, then row), and how many partners follow."""
    ends = np.searchsorted(keys, keys, side="right")
    partners = ends - np.arange(len(keys)) - 1
    per_row = np.bincount(rows, weights=partners).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    block_of_row = np.cumsum(per_row) // _PAIRS_PER_BLOCK
    block = block_of_row[rows] if len(rows) else rows
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    return [(part, partners[part]) for part in np.split(order, starts[1:])] if len(rows) else []


def _candidates(rows: Ints, positions: Ints, partners: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Pairs of rows that share keys, with how many they share."""
    source = np.repeat(positions, partners)
    starts = np.cumsum(partners) - partners
    target = source + np.arange(len(source)) - np.repeat(starts, partners) + 1
    pairs, shared = np.unique(rows[source] * size + rows[target], return_counts=True)
    return pairs // max(size, 1), pairs % max(size, 1), shared


def _joined(found: list[_Found], names: Ints) -> _Found:
    empty: _Found = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))
    left, right, similarity = (np.concatenate(part) for part in zip(empty, *found, strict=True))
    return names[left], names[right], similarity


def _short_pairs(texts: list[str], names: Ints, near: float) -> _Found:
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


def _signatures(rows: Ints, hashes: Hashes, size: int) -> Hashes:
    """512 bits for each row; a bit set in one and not in the other proves a member that isn't shared."""
    bits = hashes % np.uint64(_SIGNATURE_WORDS * 64)
    signatures = np.zeros((size, _SIGNATURE_WORDS), dtype=np.uint64)
    np.bitwise_or.at(
        signatures, (rows, (bits >> np.uint64(6)).astype(np.int64)), np.uint64(1) << (bits & np.uint64(63))
    )
    return signatures


def _shared(left: Ints, right: Ints, sizes: Ints, starts: Ints, members: Ints, ranks: Ints, span: int) -> Ints:
    """How many members two rows share, shape (n_pairs,)."""
    many = sizes[left]
    offsets = np.cumsum(many) - many
    member = np.repeat(starts[left] - offsets, many) + np.arange(int(many.sum()))
    wanted = np.repeat(right, many) * span + ranks[member]
    place = np.minimum(np.searchsorted(members, wanted), len(members) - 1)
    hits = np.concatenate([[0], np.cumsum(members[place] == wanted)]) if len(wanted) else np.zeros(1, dtype=np.int64)
    return np.asarray(hits[offsets + many] - hits[offsets], dtype=np.int64)


def _template(texts: Sequence[str]) -> Hashes:
    """The shingles that more than half of the texts have; none where there are few texts."""
    if len(texts) < _COMMON_FROM:
        return np.zeros(0, dtype=np.uint64)
    _, hashes = _all_shingles(texts)
    values, counts = np.unique(hashes, return_counts=True)
    return values[counts > len(texts) * _COMMON_SHARE]


def _all_shingles(texts: Sequence[str]) -> tuple[Ints, Hashes]:
    """Row and hash of all shingles, a few texts at a time: large arrays don't fit the processor's cache."""
    rows, hashes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.uint64)]
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text)
        if characters >= _BATCH_CHARACTERS or end == len(texts):
            found = shingles(texts[start:end])
            rows.append(found.rows + start)
            hashes.append(found.hashes)
            start, characters = end, 0
    return np.concatenate(rows), np.concatenate(hashes)


def _sketched_pairs(
    rows: NDArray[np.int32], hashes: Hashes, words: Ints, near: float, template: Hashes
) -> Iterator[tuple[Ints, Ints]]:
    """Pairs that may be similar, in blocks: estimated from the hashes below the bound of the longer text."""
    if len(template):
        own = ~np.isin(hashes, template)
        rows, hashes = rows[own], hashes[own]
    size = len(words)
    level = levels(words, _KEPT_HASHES)
    highest = int(level.max()) + 1
    sizes = np.stack(
        [
            np.bincount(rows[hashes <= bound(np.array(step))], minlength=size).astype(np.int32)
            for step in range(highest)
        ],
        axis=1,
    )
    order = np.argsort(hashes, kind="stable")  # rows go up, so they do among equal hashes too
    rows, hashes = rows[order], hashes[order]
    new = np.ones(len(hashes), dtype=bool)
    new[1:] = hashes[1:] != hashes[:-1]
    counts = np.diff(np.append(np.flatnonzero(new), len(hashes)))
    shared = np.repeat((counts > 1) & (counts <= _MOST_SHARED), counts)
    joined, keys = rows[shared].astype(np.int64), np.cumsum(new)[shared]
    lowest = max(0.0, near - _MARGIN)
    for positions, partners in _blocks(joined, keys):
        left, right, common = _candidates(joined, positions, partners, size)
        step = np.maximum(level[left], level[right])
        alike = common >= lowest * (sizes[left, step] + sizes[right, step] - common)
        yield left[alike], right[alike]


def _exact(left: Ints, right: Ints, text: Callable[[int], str], template: Hashes) -> NDArray[np.float64]:
    """Jaccard index of pairs, over all their shingles that are no template."""
    names = np.unique(np.concatenate([left, right]))
    rows, hashes = _all_shingles([text(int(name)) for name in names])
    if len(template):
        own = ~np.isin(hashes, template)
        rows, hashes = rows[own], hashes[own]
    starts = np.searchsorted(rows, np.arange(len(names) + 1))
    similarity = np.zeros(len(left), dtype=np.float64)
    for place, (one, other) in enumerate(
        zip(np.searchsorted(names, left).tolist(), np.searchsorted(names, right).tolist(), strict=True)
    ):
        first, second = hashes[starts[one] : starts[one + 1]], hashes[starts[other] : starts[other + 1]]
        common = len(np.intersect1d(first, second, assume_unique=True))
        similarity[place] = common / max(1, len(first) + len(second) - common)
    return similarity
