"""Runs of words of long texts as hashes, worked out for many texts at a time.

Words are runs of letters and digits; where a script writes no spaces (Chinese, Japanese) each character is a word. Case
and signs don't count.
"""

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.text import SIMPLE

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
_Bytes = NDArray[np.uint8]

WORDS: Final = 5
"""In a run."""

_SPACE: Final = 0x20
_LATIN_SIGNS: Final = 0xC2  # first byte of U+0080 to U+00BF
_SIGNS: Final = 0xE2  # of U+2000 to U+2FFF: quotation marks, dashes, arrows
_EMOJI: Final = (0xF0, 0x9F)
_CJK_SIGNS: Final = (0xE3, 0x80)
_WIDE: Final = (0xE3, 0xED)  # first bytes of characters that are words by themselves
_FULL_WIDTH_SIGNS: Final = "，。！？：；（）…"
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_PIECE: Final = 8  # bytes that are hashed at once
_END: Final = b" " * _PIECE  # so that 8 bytes follow each place of a word
_LONGEST: Final = 64  # bytes of a word that are hashed in pieces


@attrs.frozen(eq=False)
class Shingles:
    """Runs of words of some texts.

    Attributes:
        rows: The text of each, shape `(n,)`.
        hashes: 64 evenly spread bits, shape `(n,)`.
        words: Words of each text, shape `(n_texts,)`.
    """

    rows: Ints
    hashes: Hashes
    words: Ints


def shingles(texts: Sequence[str], kept: int | None = None, width: int = WORDS) -> Shingles:
    """The different runs of words of some texts, by text and hash; of a text shorter than a run, its words.

    Args:
        texts: The texts.
        kept: How many runs of each text to keep at least, as far as it has so many: those whose hashes are lowest, by a
            bound that is halved for each doubling of the length (see `levels`). All by default.
        width: Words in a run.
    """
    found = runs(texts, kept, width)
    order = np.lexsort((found.hashes, found.rows))
    rows, hashes = found.rows[order], found.hashes[order]
    new = np.ones(len(hashes), dtype=np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    return Shingles(rows[new], hashes[new], found.words)


def runs(texts: Sequence[str], kept: int | None = None, width: int = WORDS) -> Shingles:
    """As `shingles`, but each text's runs in no order, and as often as the text has them."""
    parts = [_folded(text) for text in texts]
    data = np.frombuffer(b" ".join((b"", *parts, _END)).translate(SIMPLE), dtype=np.uint8)
    units, starts = _units(data)
    last = np.searchsorted(starts, np.cumsum([len(part) + 1 for part in parts], dtype=np.int64) + 1).astype(np.int64)
    words = np.diff(last, prepend=0)
    hashes = units[: max(0, len(units) - width + 1)].copy()
    for offset in range(1, width):
        hashes *= _STEP
        hashes += units[offset : offset + len(hashes)]
    rows, hashes = inside(mix(hashes), last, width, words, kept)
    few = (words < width) & (words > 0)
    if few.any():
        places = np.flatnonzero(np.repeat(few, words))
        single = np.searchsorted(last, places, side="right").astype(np.int64)
        rows, hashes = np.concatenate([rows, single]), np.concatenate([hashes, mix(units[places])])
    return Shingles(rows, hashes, words)


def inside(hashes: Hashes, last: Ints, width: int, counts: Ints, kept: int | None) -> tuple[Ints, Hashes]:
    """Row and hash of the runs that lie inside one text and below the bound of its level.

    Args:
        hashes: One for each unit from which a run starts.
        last: Where each text's units end, shape `(n_texts,)`.
        width: Units in a run.
        counts: From which each text's level follows.
        kept: How many runs of each text to keep at least; all where None.
    """
    bounds = np.full(len(last), _ALL) if kept is None else bound(levels(counts, kept))
    places = np.flatnonzero(hashes <= bounds.max(initial=0))
    rows = np.searchsorted(last, places, side="right").astype(np.int64)
    hashes = hashes[places]
    own = (places + width <= last[rows]) & (hashes <= bounds[rows])
    return rows[own], hashes[own]


def levels(words: Ints, kept: int) -> Ints:
    """How often the bound of the kept hashes is halved for texts of so many words."""
    return np.maximum(0, np.log2(np.maximum(words, 1) / kept)).astype(np.int64)


def bound(level: Ints) -> Hashes:
    """The largest hash that is kept at a level."""
    return _ALL >> level.astype(np.uint64)


def mix(values: Hashes) -> Hashes:
    """The finalizer of splitmix64: spreads any input evenly over 64 bits."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _folded(text: str) -> bytes:
    """UTF-8 in which only ASCII letters and signs still have to be made alike."""
    if text.isascii():
        return text.encode()
    if not unicodedata.is_normalized("NFKC", text):
        for sign in _FULL_WIDTH_SIGNS:  # the usual reason, and cheaper so
            text = text.replace(sign, " ")
        if not unicodedata.is_normalized("NFKC", text):
            text = unicodedata.normalize("NFKC", text)
    return text.casefold().encode("utf-8", "surrogatepass")


def _units(data: _Bytes) -> tuple[Hashes, Ints]:
    """Hash and start of each word."""
    starts, ends = _spans(data)
    lengths = ends - starts
    pieces: Hashes = np.ndarray((len(data) - _PIECE + 1,), "<u8", data, strides=(1,))  # 8 bytes from each place on
    units = pieces[starts] & _MASKS[np.minimum(lengths, _PIECE)]
    offset, rest = _PIECE, np.flatnonzero(lengths > _PIECE)
    while len(rest) and offset < _LONGEST:
        units[rest] = mix(units[rest]) + (pieces[starts[rest] + offset] & _MASKS[np.minimum(lengths[rest] - offset, 8)])
        offset += _PIECE
        rest = rest[lengths[rest] > offset]
    for word in rest.tolist():
        digest = blake2b(data[starts[word] : ends[word]].tobytes(), digest_size=_PIECE).digest()
        units[word] = int.from_bytes(digest, "little")
    return units, starts


def _spans(data: _Bytes) -> tuple[Ints, Ints]:
    """Start and end of each word; the data begin and end with a space."""
    inside = data != _SPACE
    high = np.flatnonzero(data >= _LATIN_SIGNS)
    wide = _mark_signs(data, inside, high) if len(high) else high
    if not len(wide):
        edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
        return edges[::2], edges[1::2]
    first = inside.copy()
    first[1:] &= ~inside[:-1]
    first[wide] = True
    first[wide + 3] = inside[wide + 3]
    behind = inside[:-1] & (~inside[1:] | first[1:])
    return np.flatnonzero(first), np.flatnonzero(behind) + 1


def _mark_signs(data: _Bytes, inside: NDArray[np.bool_], high: Ints) -> Ints:
    """Take signs beyond ASCII out of the words; where the characters start that are words by themselves.

    Args:
        data: UTF-8.
        inside: Whether a byte is part of a word; changed.
        high: Where characters beyond ASCII start.
    """
    lead, following = data[high], data[high + 1]
    for found, length in (
        (lead == _LATIN_SIGNS, 2),
        (lead == _SIGNS, 3),
        ((lead == _CJK_SIGNS[0]) & (following == _CJK_SIGNS[1]), 3),
        ((lead == _EMOJI[0]) & (following == _EMOJI[1]), 4),
    ):
        place = high[found]
        for offset in range(length):
            inside[place + offset] = False
    return high[(lead >= _WIDE[0]) & (lead <= _WIDE[1]) & inside[high]]


_MASKS: Final = np.array([(1 << 8 * length) - 1 for length in range(_PIECE + 1)], dtype=np.uint64)
