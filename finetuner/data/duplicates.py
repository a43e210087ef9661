"""Rows that say the same: exactly, but for case and spacing, or nearly; and test rows that training data contains."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal

import attrs
import numpy as np

from finetuner.data.examples import Example
from finetuner.data.ports import Examples, Rows
from finetuner.data.sketch import Sketch, similar_pairs
from finetuner.data.text import normalize, plain, request_text, system_counts
from finetuner.errors import DataFormatError, UsageError

NEAR: Final = 0.8
"""The usual lowest similarity of near-duplicates."""

Kind = Literal["exact", "normalized", "near"]
_LOWEST_NEAR: Final = 0.5
_COMPARED_ONE_BY_ONE: Final = 1_000
_LOOKED_AT: Final = 1_000
_REMEMBERED: Final = 4_096


@attrs.frozen(kw_only=True)
class Removal:
    """A row that is dropped because another one says the same.

    Attributes:
        row: 0-based row that goes.
        line: 1-based line of it in its file.
        kept: 0-based row that stays for it.
        kept_line: 1-based line of that row.
        kind: `exact` (equal), `normalized` (equal but for case, width and white space) or `near`.
        similarity: Jaccard index of the requests, 1 where they are equal.
    """

    row: int
    line: int
    kept: int
    kept_line: int
    kind: Kind
    similarity: float


@attrs.frozen
class NearPair:
    """Two rows with similar requests and the same (or similar) answer."""

    first: int
    second: int
    similarity: float


@attrs.frozen(kw_only=True)
class DuplicateReport:
    """What repeats in a dataset, and what stays when repetitions go: always the first row.

    Attributes:
        size: Rows looked at.
        groups: Rows that are equal after normalization, in order, for every text that occurs more than once.
        near: Pairs of near-duplicates; empty where they weren't asked for.
        removed: What goes, with the row that stays for it and why.
    """

    size: int
    groups: tuple[tuple[int, ...], ...]
    near: tuple[NearPair, ...]
    removed: tuple[Removal, ...]

    @property
    def keep(self) -> Rows:
        """0-based rows that stay, in order."""
        stays = np.ones(self.size, dtype=bool)
        stays[self.rows] = False
        return np.flatnonzero(stays)

    @property
    def rows(self) -> Rows:
        """0-based rows that go, in order."""
        return np.array([removal.row for removal in self.removed], dtype=np.int64)

    @property
    def exact_rate(self) -> float:
        """Share of rows that equal an earlier one after normalization, 0 to 1."""
        return self._rate("exact", "normalized")

    @property
    def near_rate(self) -> float:
        """Share of rows that go only because they are nearly an earlier one, 0 to 1."""
        return self._rate("near")

    def _rate(self, *kinds: Kind) -> float:
        return sum(removal.kind in kinds for removal in self.removed) / self.size if self.size else 0.0


def find(dataset: Examples, near: float | None = None) -> DuplicateReport:
    """What repeats: equal requests with equal answers, and with `near` also similar ones.

    Two rows with the same request and different answers are no duplicates but a conflict, and both stay. A row goes as
    a near-duplicate only where a row that stays is similar to it, so that chains of small changes don't swallow all.

    Args:
        dataset: The rows.
        near: Lowest Jaccard similarity of near-duplicates, 0.5 to 1; None finds equal ones only.

    Raises:
        UsageError: `near` is outside 0.5 to 1.
    """
    if near is not None:
        check_near(near)
    finder = Finder(near, with_system=system_counts(systems_of(dataset)))
    for row in range(len(dataset)):
        finder.add(row, dataset[row])
    return finder.report(dataset.__getitem__, dataset.line, len(dataset))


def find_in(examples: Sequence[Example], lines: Sequence[int], near: float | None) -> DuplicateReport:
    """As `find`, over examples in memory and their line numbers."""
    finder = Finder(near, with_system=system_counts(example.system or "" for example in examples))
    for row, example in enumerate(examples):
        finder.add(row, example)
    return finder.report(examples.__getitem__, lines.__getitem__, len(examples))


def systems_of(dataset: Examples) -> Iterator[str]:
    """System texts of rows evenly spread over a data set, at most 1,000; rows that can't be read are left out."""
    for row in np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).astype(np.int64)).tolist():
        try:
            yield dataset[row].system or ""
        except DataFormatError:
            continue  # check() reports it; here only the kind of data is asked


class Finder:
    """Finds what repeats among rows that go by one after the other; it keeps hashes, not texts."""

    def __init__(self, near: float | None, *, with_system: bool) -> None:
        self._near = near
        self._with_system = with_system
        self._by_request: dict[bytes, dict[bytes, list[int]]] = {}
        self._sketch = Sketch()

    def add(self, row: int, example: Example) -> None:
        """Take note of a row."""
        request = self._request(example)
        key = _digest(request)
        if key not in self._by_request:
            self._by_request[key] = {}
            if self._near is not None:
                self._sketch.add(request)
        self._by_request[key].setdefault(_digest(_answer(example)), []).append(row)

    def _request(self, example: Example) -> str:
        return normalize(request_text(example, with_system=self._with_system))

    def report(self, example: Callable[[int], Example], line: Callable[[int], int], size: int) -> DuplicateReport:
        """What repeats.

        Args:
            example: Gives a row's example again.
            line: Gives a row's line.
            size: How many rows there are.
        """
        groups = sorted(
            tuple(rows) for answers in self._by_request.values() for rows in answers.values() if len(rows) > 1
        )
        removed: dict[int, tuple[int, Kind, float]] = {}
        for first, *others in groups:
            own = example(first).content_hash
            for row in others:
                removed[row] = (first, "exact" if example(row).content_hash == own else "normalized", 1.0)
        pairs = () if self._near is None else self._near_pairs(self._near, example)
        for pair in pairs:
            if pair.first not in removed and pair.second not in removed:
                removed[pair.second] = (pair.first, "near", pair.similarity)
        return DuplicateReport(
            size=size,
            groups=tuple(groups),
            near=pairs,
            removed=tuple(
                Removal(row=row, line=line(row), kept=kept, kept_line=line(kept), kind=kind, similarity=similarity)
                for row, (kept, kind, similarity) in sorted(removed.items())
            ),
        )

    def _near_pairs(self, near: float, example: Callable[[int], Example]) -> tuple[NearPair, ...]:
        """Near pairs among rows, in order; rows with the same request and unlike answers are left out."""
        members = [sorted(rows[0] for rows in answers.values()) for answers in self._by_request.values()]
        again = lru_cache(maxsize=_REMEMBERED)(example)
        pairs = self._sketch.pairs(near, lambda number: self._request(again(members[number][0])))
        found: list[NearPair] = []
        lefts: list[int] = pairs.left.tolist()
        rights: list[int] = pairs.right.tolist()
        similarities: list[float] = pairs.similarity.tolist()
        for left, right, similarity in zip(lefts, rights, similarities, strict=True):
            found.extend(
                NearPair(min(one, other), max(one, other), similarity)
                for one, other in _alike_rows(again, members[left], members[right], near)
            )
        for group in members:
            answers = similar_pairs([again(row).completion for row in group], near) if len(group) > 1 else None
            if answers is not None:
                firsts: list[int] = answers.left.tolist()
                seconds: list[int] = answers.right.tolist()
                found.extend(
                    NearPair(group[one], group[other], 1.0) for one, other in zip(firsts, seconds, strict=True)
                )
        return tuple(sorted(found, key=lambda pair: (pair.second, pair.first)))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def equal_rows(keys: Sequence[Hashable]) -> list[list[int]]:
    """The rows of every key that occurs more than once, in order of the first."""
    rows: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return [group for group in rows.values() if len(group) > 1]


def check_near(near: float) -> None:
    """Raises `UsageError` where `near` isn't a similarity that can be searched for."""
    if not _LOWEST_NEAR <= near <= 1:
        raise UsageError(f"near is {near}; give a similarity from {_LOWEST_NEAR} to 1, such as {NEAR}")


def _answer(example: Example) -> str:
    answer = example.answer
    calls = tuple((call.name, call.arguments) for call in answer.tool_calls) if answer is not None else ()
    rejected = example.rejected.text if example.rejected is not None else ""
    return repr((normalize(example.completion), calls, normalize(rejected)))


def _alike_rows(
    example: Callable[[int], Example], left: Sequence[int], right: Sequence[int], near: float
) -> Iterator[tuple[int, int]]:
    """Rows of two similar requests with answers that say the same; where there are very many, with equal answers."""
    if len(left) * len(right) <= _COMPARED_ONE_BY_ONE:
        yield from ((one, other) for one in left for other in right if _alike(example(one), example(other), near))
        return
    by_answer = {_answer(example(row)): row for row in reversed(left)}
    for other in right:
        one = by_answer.get(_answer(example(other)))
        if one is not None:
            yield one, other


def _alike(one: Example, other: Example, near: float) -> bool:
    """Whether two answers say the same: equal, or with enough words in common."""
    if _answer(one) == _answer(other):
        return True
    first, second = set(plain(one.completion).split()), set(plain(other.completion).split())
    return bool(first) and len(first & second) >= near * len(first | second)
