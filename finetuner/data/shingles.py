"""Runs of words of long texts as hashes, worked out for a megabyte of texts at a time.

Words are runs of letters and digits; where a script writes no spaces (Chinese, Japanese) each character is a word. Case
and signs don't count.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
_Bytes = NDArray[np.uint8]
_Flags = NDArray[np.bool_]

WORDS: Final = 5
"""In a run."""

_LATIN_SIGNS: Final = 0xC2  # first byte of U+0080 to U+00BF
_SIGNS: Final = 0xE2  # of U+2000 to U+2FFF: quotation marks, dashes, arrows
_EMOJI: Final = (0xF0, 0x9F)
_CJK_SIGNS: Final = (0xE3, 0x80)
_WIDE: Final = (0xE3, 0xED)  # first bytes of characters that are words by themselves
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


@attrs.frozen(eq=False)
class Shingles:
    """The different runs of each text, in the order of texts and hashes.

    Attributes:
        rows: The text of each, shape `(n,)`.
        hashes: 64 evenly spread bits, shape `(n,)`.
        words: Words of each text, shape `(n_texts,)`.
    """

    rows: Ints
    hashes: Hashes
    words: Ints


def shingles(texts: Sequence[str], kept: int | None = None, width: int = WORDS) -> Shingles:
    """The runs of words of some texts; of a text with fewer words than a run has, its words.

    Args:
        texts: The texts.
        kept: How many runs of each text to keep at least, as far as it has so many: those whose hashes are lowest, by a
            bound that is halved for each doubling of the length (see `levels`). All by default.
        width: Words in a run.
    """
    parts = [_folded(text) for text in texts]
    data = np.frombuffer(b" ".join(parts) + b" ", dtype=np.uint8)
    ends = np.cumsum([len(part) + 1 for part in parts], dtype=np.int64)
    units, starts = _units(data)
    words = np.diff(np.searchsorted(starts, ends), prepend=0).astype(np.int64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), words)
    size = max(0, len(units) - width + 1)
    runs = np.zeros(size, dtype=np.uint64)
    for offset in range(width):
        runs = runs * _STEP + units[offset : offset + size]
    runs = mix(runs)
    bounds = bound(levels(words, kept)) if kept is not None else np.full(len(texts), _ALL, dtype=np.uint64)
    inside = (rows[:size] == rows[len(rows) - size :]) & (runs <= bounds[rows[:size]])
    few = np.flatnonzero((words < width) & (words > 0))
    if len(few):
        places = np.flatnonzero(np.isin(rows, few))
        found_rows = np.concatenate([rows[:size][inside], rows[places]])
        hashes = np.concatenate([runs[inside], units[places]])
    else:
        found_rows, hashes = rows[:size][inside], runs[inside]
    order = np.lexsort((hashes, found_rows))
    found_rows, hashes = found_rows[order], hashes[order]
    new = np.ones(len(hashes), dtype=np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (found_rows[1:] != found_rows[:-1])
    return Shingles(found_rows[new], hashes[new], words)


def levels(words: Ints, kept: int) -> Ints:
    """How often the bound of the kept hashes is halved for texts of so many words."""
    return np.maximum(0, np.log2(np.maximum(words, 1) / kept)).astype(np.int64)


def bound(level: Ints) -> Hashes:
    """The largest hash that is kept at a level."""
    return _ALL >> level.astype(np.uint64)


def mix(values: Hashes) -> Hashes:
    """The finalizer of splitmix64: spreads any input evenly over 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _folded(text: str) -> bytes:
    if text.isascii():
        return text.lower().encode()
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return text.casefold().encode("utf-8", "surrogatepass")


def _units(data: _Bytes) -> tuple[Hashes, Ints]:
    """Hash and start of each word."""
    inside = _CLASS[data]
    wide = np.zeros(0, dtype=np.int64)
    if len(data) and int(data.max()) >= _LATIN_SIGNS:
        wide = _mark_signs(data, inside)
    first = inside.copy()
    first[1:] &= ~inside[:-1]
    if len(wide):
        first[wide] = True
        behind = wide + 3
        behind = behind[behind < len(data)]
        first[behind] = inside[behind]
    starts = np.flatnonzero(first)
    last = inside.copy()
    last[:-1] &= ~inside[1:] | first[1:]
    ends = np.flatnonzero(last) + 1
    powers, inverses = _powers(1 << max(16, len(data).bit_length()))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(_VALUE[data] * powers[: len(data)], out=sums[1:])
    return mix((sums[ends] - sums[starts]) * inverses[starts]), starts.astype(np.int64)


def _mark_signs(data: _Bytes, inside: _Flags) -> Ints:
    """Take signs beyond ASCII out of the words; where the characters start that are words by themselves."""
    here, following = data[:-1], data[1:]
    for place, length in (
        (np.flatnonzero(data == _LATIN_SIGNS), 2),
        (np.flatnonzero(data == _SIGNS), 3),
        (np.flatnonzero((here == _CJK_SIGNS[0]) & (following == _CJK_SIGNS[1])), 3),
        (np.flatnonzero((here == _EMOJI[0]) & (following == _EMOJI[1])), 4),
    ):
        for offset in range(length):
            inside[np.minimum(place + offset, len(data) - 1)] = False
    wide = np.flatnonzero((data >= _WIDE[0]) & (data <= _WIDE[1]) & inside)
    return wide.astype(np.int64)


def _classes() -> _Flags:
    table = np.zeros(256, dtype=np.bool_)
    for low, high in ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0x80, 0xFF)):
        table[low : high + 1] = True
    return table


_CLASS: Final = _classes()
_VALUE: Final = mix(np.arange(1, 257, dtype=np.uint64) * _STEP)


@lru_cache(maxsize=2)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """Powers of an odd number modulo 2^64, and their inverses: a word's hash doesn't depend on where it stands."""
    step = int(_STEP)
    inverse = pow(step, -1, 1 << 64)

    def grown(factor: int) -> Hashes:
        values = np.ones(size, dtype=np.uint64)
        values[1:] = np.uint64(factor)
        return np.cumprod(values, dtype=np.uint64)

    return grown(step), grown(inverse)
