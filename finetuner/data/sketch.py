"""Pairs of similar texts, found without comparing every text with every other.

Similarity is the Jaccard index of two sets of shingles, that is shared shingles / all shingles. Short texts are sets of
4 characters, so that a typo costs little; long ones are sets of 5 words. Of each text a share of its runs that falls
with the length is kept (a fraction sketch: hashes below a bound), which finds pairs; each found pair is then compared
exactly. A text of middle length is both, so that no pair falls between.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.grams import alike, grams
from finetuner.data.joins import Floats, Sets, sampled_pairs
from finetuner.data.shingles import Hashes, Ints, runs
from finetuner.data.text import plain

_SHORT_BELOW: Final = 400
_PERHAPS_SHORT_BELOW: Final = 600  # signs and spaces count here
_LONG_FROM: Final = 300
_KEPT: Final = 32
_MARGIN: Final = 0.25
_BATCH_CHARACTERS: Final = 131_072
_TEMPLATE_SAMPLE: Final = 100
_SHORT_TEMPLATE_SAMPLE: Final = 500
_COMPARED_AT_ONCE: Final = 2_000
_COMMON_SHARE: Final = 0.5
_COMMON_FROM: Final = 20
_LOWEST: Final = 0.5

_Found = tuple[Ints, Ints, Floats]
_Item = TypeVar("_Item")
_Runs = Callable[[Sequence[str]], tuple[Ints, Hashes]]


@attrs.frozen(eq=False)
class Pairs:
    """Similar texts: three arrays of shape (n_pairs,), `left` < `right`, sorted.

    Attributes:
        left: 0-based number of the earlier text.
        right: 0-based number of the later text.
        similarity: Jaccard index, 0 to 1.
    """

    left: Ints
    right: Ints
    similarity: Floats

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


@attrs.define
class _Waiting:
    """Texts whose runs aren't worked out yet."""

    rows: list[int] = attrs.field(factory=list[int])
    texts: list[str] = attrs.field(factory=list[str])
    characters: int = 0


class Sketch:
    """What is kept of texts that go by one after the other: little, but enough to find similar pairs in the end."""

    def __init__(self) -> None:
        self._size = 0
        self._short: list[tuple[int, str]] = []
        self._names: list[int] = []
        self._waiting = {True: _Waiting(), False: _Waiting()}
        self._rows: list[NDArray[np.int32]] = []
        self._hashes: list[Hashes] = []
        self._words: list[tuple[list[int], Ints]] = []

    def add(self, text: str) -> None:
        """Take note of the next text."""
        length = len(text)
        long = True
        if length < _PERHAPS_SHORT_BELOW:
            simple = plain(text)
            if 0 < len(simple) < _SHORT_BELOW:
                self._short.append((self._size, simple))
            long = len(simple) >= _LONG_FROM
        if long:
            waiting = self._waiting[text.isascii()]  # apart, as those of only ASCII take fewer steps
            waiting.rows.append(len(self._names))
            waiting.texts.append(text)
            waiting.characters += length
            self._names.append(self._size)
            if waiting.characters >= _BATCH_CHARACTERS:
                self._flush(waiting)
        self._size += 1

    def _flush(self, waiting: "_Waiting") -> None:
        if waiting.texts:
            found = runs(waiting.texts, _KEPT)
            self._rows.append(np.array(waiting.rows, dtype=np.int32)[found.rows])
            self._hashes.append(found.hashes)
            self._words.append((waiting.rows, found.words))
            waiting.rows, waiting.texts, waiting.characters = [], [], 0

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
        for waiting in self._waiting.values():
            self._flush(waiting)
        found = [*self._short_pairs(near), *self._long_pairs(near, text)]
        empty = np.zeros(0, dtype=np.int64)
        left, right, similarity = (
            np.concatenate(part) for part in zip((empty, empty, np.zeros(0)), *found, strict=True)
        )
        order = np.lexsort((-similarity, right, left))
        left, right, similarity = left[order], right[order], similarity[order]
        first = np.ones(len(left), dtype=bool)
        first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
        return Pairs(left[first], right[first], similarity[first])

    def _short_pairs(self, near: float) -> Iterator[_Found]:
        names = np.array([name for name, _ in self._short], dtype=np.int64)
        texts = [simple for _, simple in self._short]
        template = _template(_spread(texts, _SHORT_TEMPLATE_SAMPLE), _character_runs)
        candidates = alike(texts, near, template)
        return _compared(candidates, texts.__getitem__, _character_runs, template, near, names)

    def _long_pairs(self, near: float, text: Callable[[int], str]) -> Iterator[_Found]:
        if not self._names:
            return iter(())
        names = np.array(self._names, dtype=np.int64)
        template = _template([text(name) for name in _spread(self._names, _TEMPLATE_SAMPLE)], _word_runs)
        words = np.zeros(len(names), dtype=np.int64)
        for places, counts in self._words:
            words[places] = counts
        rows, hashes = np.concatenate(self._rows), np.concatenate(self._hashes)
        candidates = sampled_pairs(rows, hashes, words, _KEPT, max(0.0, near - _MARGIN))
        return _compared(candidates, lambda row: text(int(names[row])), _word_runs, template, near, names)


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


def _spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """Items evenly spread over a sequence."""
    places = np.linspace(0, len(items) - 1, min(len(items), most)).astype(np.int64)
    return [items[place] for place in places.tolist()]


def _character_runs(texts: Sequence[str]) -> tuple[Ints, Hashes]:
    rows, hashes, _ = grams(texts)
    return rows, hashes


def _word_runs(texts: Sequence[str]) -> tuple[Ints, Hashes]:
    """All runs of words, a few texts at a time: large arrays don't fit the processor's cache."""
    rows, hashes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.uint64)]
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text)
        if characters >= _BATCH_CHARACTERS or end == len(texts):
            found = runs(texts[start:end])
            rows.append(found.rows + start)
            hashes.append(found.hashes)
            start, characters = end, 0
    return np.concatenate(rows), np.concatenate(hashes)


def _template(texts: Sequence[str], runs_of: _Runs) -> Hashes:
    """The shingles that more than half of the texts have, sorted; none where there are few texts."""
    if len(texts) < _COMMON_FROM:
        return np.zeros(0, dtype=np.uint64)
    rows, hashes = runs_of(texts)
    order = np.lexsort((rows, hashes))
    rows, hashes = rows[order], hashes[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (hashes[1:] != hashes[:-1])
    values, counts = np.unique(hashes[new], return_counts=True)
    return values[counts > len(texts) * _COMMON_SHARE]


def _compared(
    candidates: Iterable[tuple[Ints, Ints]],
    text: Callable[[int], str],
    runs_of: _Runs,
    template: Hashes,
    near: float,
    names: Ints,
) -> Iterator[_Found]:
    """The candidates whose Jaccard index, over all their shingles that are no template, is at least `near`."""
    for lefts, rights in candidates:
        for start in range(0, len(lefts), _COMPARED_AT_ONCE):
            left, right = lefts[start : start + _COMPARED_AT_ONCE], rights[start : start + _COMPARED_AT_ONCE]
            rows = np.unique(np.concatenate([left, right]))
            sets = Sets.of(*runs_of([text(row) for row in rows.tolist()]), len(rows), template)
            similarity = sets.jaccard(np.searchsorted(rows, left), np.searchsorted(rows, right))
            kept = similarity >= near - 1e-9
            yield names[left[kept]], names[right[kept]], similarity[kept]
