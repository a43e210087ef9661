"""Test rows that training data contains: asked in the same words, nearly so, or quoted inside something longer."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs
import numpy as np

from finetuner.data.duplicates import NEAR, check_near
from finetuner.data.examples import Example
from finetuner.data.ports import Examples, Rows
from finetuner.data.shingles import Hashes, Ints, shingles
from finetuner.data.sketch import similar_pairs
from finetuner.data.text import normalize, request_texts, turns_text
from finetuner.errors import UsageError

CONTAINED: Final = 0.5
"""The usual share of a test row's runs of 13 words from which it counts as contained."""

_WIDTH: Final = 13
_COMMON_SHARE: Final = 0.5
_COMMON_FROM: Final = 20
_BATCH: Final = 32

How = Literal["equal", "near", "contained"]


@attrs.frozen(kw_only=True)
class Contaminated:
    """A row of the second set that occurs in the first.

    Attributes:
        row: 0-based row in the second set (the one to be clean, as a test set).
        line: 1-based line of it.
        found: 0-based row in the first set.
        found_line: 1-based line of it.
        how: `equal` after normalization, `near`, or `contained` in something longer.
        similarity: Jaccard index of the two requests, or the share of the row's runs of 13 words that are contained;
            1 where the requests are equal.
    """

    row: int
    line: int
    found: int
    found_line: int
    how: How
    similarity: float


@attrs.frozen(kw_only=True)
class Contamination:
    """Which rows of a set occur in another.

    Attributes:
        size: Rows of the second set.
        hits: One for each row that occurs, with its best match.
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


def contamination(
    training: Examples, test: Examples, near: float | None = NEAR, contained: float | None = CONTAINED
) -> Contamination:
    """Which requests of `test` occur in `training`, whatever the answers.

    A request is contained where a training example (its request or its answer) has most of its runs of 13 words. One
    shared run says little, since set phrases recur; runs that more than half of the test rows share don't count.

    Args:
        training: What a model has seen.
        test: What should be new to it.
        near: Lowest Jaccard similarity of requests, 0.5 to 1; None finds only requests that are equal after
            normalization.
        contained: Lowest share of contained runs, above 0 to 1; None doesn't look inside.

    Raises:
        UsageError: `near` or `contained` is out of range.
    """
    if near is not None:
        check_near(near)
    if contained is not None and not 0 < contained <= 1:
        raise UsageError(f"contained is {contained}; give a share above 0 up to 1, such as {CONTAINED}")
    best: dict[int, tuple[int, How, float]] = {}
    for row, found, how, similarity in _alike(training, test, near):
        if row not in best or best[row][2] < similarity:
            best[row] = found, how, similarity
    if contained is not None:
        for row, found, share in _contained(training, test, contained):
            best.setdefault(row, (found, "contained", share))
    return Contamination(
        size=len(test),
        hits=tuple(
            Contaminated(
                row=row,
                line=test.line(row),
                found=found,
                found_line=training.line(found),
                how=how,
                similarity=similarity,
            )
            for row, (found, how, similarity) in sorted(best.items())
        ),
    )


def _alike(training: Examples, test: Examples, near: float | None) -> Iterator[tuple[int, int, How, float]]:
    """Test row, training row, how, and similarity of equal and similar requests."""
    requests = [normalize(text) for text in request_texts([*training, *test])]
    border = len(training)
    first: dict[str, int] = {}
    for row, text in enumerate(requests[:border]):
        first.setdefault(text, row)
    for row, text in enumerate(requests[border:]):
        if text in first:
            yield row, first[text], "equal", 1.0
    if near is not None:
        pairs = similar_pairs(requests, near)
        crossing = (pairs.left < border) & (pairs.right >= border)
        lefts: list[int] = pairs.left[crossing].tolist()
        rights: list[int] = (pairs.right[crossing] - border).tolist()
        similarities: list[float] = pairs.similarity[crossing].tolist()
        for left, right, similarity in zip(lefts, rights, similarities, strict=True):
            yield right, left, "near", similarity


def _contained(training: Examples, test: Examples, contained: float) -> Iterator[tuple[int, int, float]]:
    """Test row, training row, and the share of the test row's runs that the training row has: the best for each."""
    known = shingles([turns_text(example) for example in test], width=_WIDTH)
    rows, hashes = _telling(known.rows, known.hashes, known.words)
    if not len(rows):
        return
    sizes = np.bincount(rows, minlength=len(test))
    order = np.argsort(hashes, kind="stable")
    rows, hashes = rows[order], hashes[order]
    shared: dict[tuple[int, int], int] = {}
    for start in range(0, len(training), _BATCH):
        batch = [_whole(training[row]) for row in range(start, min(start + _BATCH, len(training)))]
        seen = shingles(batch, width=_WIDTH)
        low, high = np.searchsorted(hashes, seen.hashes, "left"), np.searchsorted(hashes, seen.hashes, "right")
        for place in np.flatnonzero(high > low).tolist():
            for row in rows[low[place] : high[place]].tolist():
                pair = row, start + int(seen.rows[place])
                shared[pair] = shared.get(pair, 0) + 1
    best: dict[int, tuple[float, int]] = {}
    for (row, found), count in shared.items():
        share = count / int(sizes[row])
        if share >= contained and (row not in best or best[row] < (share, -found)):
            best[row] = share, -found
    for row, (share, found) in sorted(best.items()):
        yield row, -found, share


def _telling(rows: Ints, hashes: Hashes, words: Ints) -> tuple[Ints, Hashes]:
    """Runs of test rows that are long enough to have some, without those that most rows share."""
    long = words[rows] >= _WIDTH
    rows, hashes = rows[long], hashes[long]
    if len(words) >= _COMMON_FROM:
        _, number, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        own = counts[number] <= _COMMON_SHARE * len(words)
        rows, hashes = rows[own], hashes[own]
    return rows, hashes


def _whole(example: Example) -> str:
    return f"{turns_text(example)}\n{example.completion}"
