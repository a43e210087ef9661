"""Rows that say the same: exactly, but for case and spacing, or nearly; and test rows that training data contains."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, Literal

import attrs
import numpy as np

from finetuner.data.examples import Example
from finetuner.data.ports import Examples, Rows
from finetuner.data.sketch import similar_pairs
from finetuner.data.text import normalize, plain, request_texts
from finetuner.errors import UsageError

NEAR: Final = 0.8
"""The usual lowest similarity of near-duplicates."""

Kind = Literal["exact", "normalized", "near"]
_LOWEST_NEAR: Final = 0.5
_COMPARED_ONE_BY_ONE: Final = 1_000


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
    return find_in(list(dataset), [dataset.line(row) for row in range(len(dataset))], near)


def find_in(examples: Sequence[Example], lines: Sequence[int], near: float | None) -> DuplicateReport:
    """As `find`, over examples in memory and their line numbers."""
    requests = request_texts(examples)
    groups = equal_rows(
        [(normalize(request), _answer(example)) for request, example in zip(requests, examples, strict=True)]
    )
    removed: dict[int, tuple[int, Kind, float]] = {}
    for first, *others in groups:
        for row in others:
            equal = examples[row].content_hash == examples[first].content_hash
            removed[row] = (first, "exact" if equal else "normalized", 1.0)
    pairs = (
        ()
        if near is None
        else _near_pairs(examples, requests, [r for r in range(len(examples)) if r not in removed], near)
    )
    for pair in pairs:
        if pair.first not in removed and pair.second not in removed:
            removed[pair.second] = (pair.first, "near", pair.similarity)
    return DuplicateReport(
        size=len(examples),
        groups=tuple(tuple(group) for group in groups),
        near=pairs,
        removed=tuple(
            Removal(row=row, line=lines[row], kept=kept, kept_line=lines[kept], kind=kind, similarity=similarity)
            for row, (kept, kind, similarity) in sorted(removed.items())
        ),
    )


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


def _near_pairs(
    examples: Sequence[Example], requests: Sequence[str], rows: Sequence[int], near: float
) -> tuple[NearPair, ...]:
    """Near pairs among rows, in order; rows with the same request and unlike answers are left out."""
    unique: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        unique[normalize(requests[row])].append(row)
    members = list(unique.values())
    pairs = similar_pairs(list(unique), near)
    found: list[NearPair] = []
    lefts: list[int] = pairs.left.tolist()
    rights: list[int] = pairs.right.tolist()
    similarities: list[float] = pairs.similarity.tolist()
    for left, right, similarity in zip(lefts, rights, similarities, strict=True):
        found.extend(
            NearPair(min(one, other), max(one, other), similarity)
            for one, other in _alike_rows(examples, members[left], members[right], near)
        )
    for group in members:
        answers = similar_pairs([examples[row].completion for row in group], near) if len(group) > 1 else None
        if answers is not None:
            firsts: list[int] = answers.left.tolist()
            seconds: list[int] = answers.right.tolist()
            found.extend(NearPair(group[one], group[other], 1.0) for one, other in zip(firsts, seconds, strict=True))
    return tuple(sorted(found, key=lambda pair: (pair.second, pair.first)))


def _alike_rows(
    examples: Sequence[Example], left: Sequence[int], right: Sequence[int], near: float
) -> Iterator[tuple[int, int]]:
    """Rows of two similar requests with answers that say the same; where there are very many, with equal answers."""
    if len(left) * len(right) <= _COMPARED_ONE_BY_ONE:
        yield from ((one, other) for one in left for other in right if _alike(examples[one], examples[other], near))
        return
    by_answer = {_answer(examples[row]): row for row in reversed(left)}
    for other in right:
        one = by_answer.get(_answer(examples[other]))
        if one is not None:
            yield one, other


def _alike(one: Example, other: Example, near: float) -> bool:
    """Whether two answers say the same: equal, or with enough words in common."""
    if _answer(one) == _answer(other):
        return True
    first, second = set(plain(one.completion).split()), set(plain(other.completion).split())
    return bool(first) and len(first & second) >= near * len(first | second)


@attrs.frozen(kw_only=True)
class Contaminated:
    """A row of the second set whose request occurs in the first.

    Attributes:
        row: 0-based row in the second set (the one to be clean, as a test set).
        line: 1-based line of it.
        found: 0-based row in the first set.
        found_line: 1-based line of it.
        similarity: Jaccard index of the two requests, 1 where they are equal.
    """

    row: int
    line: int
    found: int
    found_line: int
    similarity: float


@attrs.frozen(kw_only=True)
class Contamination:
    """Which rows of a set occur in another.

    Attributes:
        size: Rows of the second set.
        hits: One for each row that occurs, with its most similar match.
    """

    size: int
    hits: tuple[Contaminated, ...]

    @property
    def rate(self) -> float:
        """Share of rows that occur in the other set, 0 to 1."""
        return len(self.hits) / self.size if self.size else 0.0

    @property
    def rows(self) -> Rows:
        """0-based rows of the second set to drop, in order."""
        return np.array([hit.row for hit in self.hits], dtype=np.int64)


def contamination(training: Examples, test: Examples, near: float | None = NEAR) -> Contamination:
    """Which requests of `test` occur in `training`, whatever the answers.

    Args:
        training: What a model has seen.
        test: What should be new to it.
        near: Lowest Jaccard similarity, 0.5 to 1; None finds only requests that are equal after normalization.

    Raises:
        UsageError: `near` is outside 0.5 to 1.
    """
    if near is not None:
        check_near(near)
    requests = [normalize(text) for text in request_texts([*training, *test])]
    border = len(training)
    first: dict[str, int] = {}
    for row, text in enumerate(requests[:border]):
        first.setdefault(text, row)
    best = {row: (first[text], 1.0) for row, text in enumerate(requests[border:]) if text in first}
    if near is not None:
        pairs = similar_pairs(requests, near)
        crossing = (pairs.left < border) & (pairs.right >= border)
        for left, right, similarity in zip(
            pairs.left[crossing].tolist(),
            (pairs.right[crossing] - border).tolist(),
            pairs.similarity[crossing].tolist(),
            strict=True,
        ):
            if right not in best or best[right][1] < similarity:
                best[right] = (left, similarity)
    return Contamination(
        size=len(test),
        hits=tuple(
            Contaminated(
                row=row, line=test.line(row), found=found, found_line=training.line(found), similarity=similarity
            )
            for row, (found, similarity) in sorted(best.items())
        ),
    )
