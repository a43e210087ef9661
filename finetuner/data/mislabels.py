"""Labels that similar requests contradict: likely mistakes of labeling, to be looked at by a person."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from zlib import crc32

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.text import plain

_SIZE: Final = 1_024
_RIDGE: Final = 1.0
_OTHER: Final = 0.3
_OWN: Final = 0.05
_MOST: Final = 50_000
_BLOCK: Final = 2_000
_LOOKED_AT: Final = 1_000  # characters of a text: what is asked stands at the start, what is quoted behind it
_WORD: Final = re.compile(r"\S+")

_Vectors = NDArray[np.float64]


@attrs.frozen
class Mislabel:
    """A row that looks like another label.

    Attributes:
        row: 0-based row.
        suggested: The label that it looks like.
        score: How much more it does than any row would: about 1 for a typical example of that label, 0 for none.
    """

    row: int
    suggested: str
    score: float


def likely_mislabels(texts: Sequence[str], labels: Sequence[str]) -> tuple[Mislabel, ...]:
    """Rows that all the other rows together take for another label than their own.

    Each row's label is predicted by ridge regression fitted without that row, on word and word-pair counts weighted by
    rarity (the leave-one-out residual in closed form: Allen, Technometrics 16, 1974). Of more than 50,000 rows an even
    sample of that size is looked at, of each text the first 1,000 characters.

    Args:
        texts: What is labeled.
        labels: The label of each text, of a closed set.

    Returns:
        The rows, in order. On Banking77 with 2 % of the labels changed at random it finds half of them, and 7 of 10
        findings are changed ones: a hint, not a proof.
    """
    rows: NDArray[np.int64] = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), _MOST)).astype(np.int64))
    chosen: list[int] = rows.tolist()
    names = sorted({labels[row] for row in chosen})
    if len(names) < 2:  # noqa: PLR2004 - with one label nothing can be mistaken
        return ()
    number = {name: place for place, name in enumerate(names)}
    own_label = np.array([number[labels[row]] for row in chosen], dtype=np.int64)
    vectors = _vectors([texts[row] for row in chosen])
    order = np.argsort(own_label, kind="stable")
    starts = np.flatnonzero(np.diff(own_label[order], prepend=-1))
    shares = np.bincount(own_label) / len(own_label)  # what a row scores whatever its text: scores count from there
    sums = np.add.reduceat(vectors[order], starts).T - np.outer(vectors.sum(axis=0), shares)
    inverse = np.linalg.inv(vectors.T @ vectors + _RIDGE * np.eye(_SIZE))
    weights = inverse @ sums
    found: list[Mislabel] = []
    for start in range(0, len(rows), _BLOCK):
        block, own = vectors[start : start + _BLOCK], own_label[start : start + _BLOCK]
        itself = np.einsum("ij,jk,ik->i", block, inverse, block, optimize=True)
        scores = block @ weights + np.outer(itself, shares)
        here = np.arange(len(block))
        scores[here, own] -= itself
        scores /= np.maximum(1 - itself, 1e-9)[:, None]
        best = scores.argmax(axis=1)
        doubtful = np.flatnonzero((scores[here, best] >= _OTHER) & (scores[here, own] < _OWN))
        found += [Mislabel(int(rows[start + i]), names[int(best[i])], float(scores[i, best[i]])) for i in doubtful]
    return tuple(found)


def _vectors(texts: Sequence[str]) -> _Vectors:
    """Unit vectors, shape `(n, 1024)`: signed hashing of words and word pairs, weighted by inverse frequency."""
    known: dict[str, int] = {}
    rows: list[int] = []
    terms: list[int] = []
    for row, text in enumerate(texts):
        words = _WORD.findall(plain(text[:_LOOKED_AT]))
        for term in {*words, *(f"{one} {other}" for one, other in pairwise(words))}:
            rows.append(row)
            terms.append(known.setdefault(term, len(known)))
    place, term = np.array(rows, dtype=np.int64), np.array(terms, dtype=np.int64)
    hashes = np.array([crc32(name.encode("utf-8", "surrogatepass")) for name in known], dtype=np.int64)
    frequency = np.bincount(term, minlength=len(known))
    weight = np.log((1 + len(texts)) / (1 + frequency)) * np.where(hashes & (1 << 20), 1, -1)
    vectors = np.zeros((len(texts), _SIZE), dtype=np.float64)
    np.add.at(vectors, (place, hashes[term] % _SIZE), weight[term])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors
