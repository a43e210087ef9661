"""From text to numbers: hashed n-grams of words and characters, weighted by rarity.

A text gives up to five *fields*: words, word pairs, word triples, stems, and characters inside word boundaries. Each
field is weighted by inverse document frequency and brought to length 1, so that the many character n-grams don't drown
the few words; the whole row is then brought to length 1 as well.

Hashing is BLAKE2b (RFC 7693) for strings and a multiply-xorshift mix for runs of words, never Python's salted `hash`:
the same text gives the same buckets in every process and on every platform.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.errors import UsageError
from finetuner.providers.local.sizes import FeatureConfig

Buckets = NDArray[np.uint32]
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
_Hashes = NDArray[np.uint64]

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s]|_")
_ENDINGS = ("ing", "ed", "es", "s")
_SHORTEST_STEM = 3
_LONGEST_WORD = 64
_LONGEST_TEXT = 2_000
_SMALL_SET = 1_000
_TRIPLES = 3

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINISHER = np.uint64(0xD6E8FEB86659FD93)
_EDGE = np.array([1], np.uint64)


def tokens(text: str) -> list[str]:
    """Words, numbers and punctuation marks of a text in lower case; at most the first 2,000."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    return [
        match.group()[:_LONGEST_WORD] for match, _ in zip(_TOKEN.finditer(plain), range(_LONGEST_TEXT), strict=False)
    ]


def stem(word: str) -> str:
    """The word without a common English ending; other languages lose little by it."""
    for ending in _ENDINGS:
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


@attrs.frozen(eq=False)
class SparseRows:
    """Texts as rows of (column, value) pairs, stored end to end.

    Attributes:
        starts: Where each row begins, and where the last one ends: shape (n_texts + 1,).
        columns: Column of each pair.
        values: Value of each pair.
    """

    starts: Rows
    columns: Rows
    values: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    def dense(self, rows: Rows, *, keep: float = 1.0, rng: np.random.Generator | None = None) -> tuple[Floats, Rows]:
        """The chosen rows as a matrix over the columns that occur in them.

        Args:
            rows: Row numbers.
            keep: Share of the pairs that survive; the others become 0 and the survivors grow by 1 / keep.
            rng: Decides which survive; needed when `keep` is below 1.

        Returns:
            The matrix of shape (len(rows), n_columns) and the sorted columns.
        """
        lengths = self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(lengths)
        shifts: Rows = np.repeat(self.starts[rows] - ends + lengths, lengths)
        places: Rows = np.arange(len(shifts), dtype=np.intp) + shifts
        values = self.values[places]
        if rng is not None and keep < 1:
            values = values * (rng.random(len(values), np.float32) < keep) / np.float32(keep)
        columns, compact = np.unique(self.columns[places], return_inverse=True)
        matrix = np.zeros((len(rows), len(columns)), np.float32)
        matrix[np.repeat(np.arange(len(rows)), lengths), compact] = values
        return matrix, columns


@attrs.frozen(eq=False)
class Vocabulary:
    """The buckets that occurred in training, and how telling each of them is.

    Attributes:
        config: What is seen of a text.
        buckets: Sorted bucket numbers: shape (n_features,).
        idf: `log((1 + n) / (1 + document frequency)) + 1` of each: shape (n_features,).
    """

    config: FeatureConfig
    buckets: Buckets
    idf: Floats

    @classmethod
    def fit(cls, texts: Sequence[str], config: FeatureConfig) -> "Vocabulary":
        """Learn which features exist.

        Sets below 1,000 texts keep features that occur once: there a rare word may be all that tells two labels apart.

        Raises:
            UsageError: When no text has a single word or sign.
        """
        seen = [np.unique(np.concatenate(fields)) for text in texts if (fields := _fields(text, config))]
        if not seen:
            raise UsageError("no training text has a word in it: the embedded model has nothing to learn from")
        buckets, frequency = np.unique(np.concatenate(seen), return_counts=True)
        if len(texts) >= _SMALL_SET and (frequent := frequency >= config.min_count).any():
            buckets, frequency = buckets[frequent], frequency[frequent]
        idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        return cls(config=config, buckets=buckets, idf=idf.astype(np.float32))

    def joined(self, earlier: "Vocabulary") -> "Vocabulary":
        """This vocabulary and an earlier one, whose weights of rarity stay as they were learned."""
        buckets = np.union1d(self.buckets, earlier.buckets)
        idf = np.empty(len(buckets), np.float32)
        idf[np.searchsorted(buckets, self.buckets)] = self.idf
        idf[np.searchsorted(buckets, earlier.buckets)] = earlier.idf
        return Vocabulary(config=self.config, buckets=buckets, idf=idf)

    def rows(self, texts: Iterable[str]) -> SparseRows:
        """Texts as rows over this vocabulary; features that training never saw are left out."""
        pairs = [self._row(text) for text in texts]
        starts = np.zeros(len(pairs) + 1, np.intp)
        np.cumsum([len(columns) for columns, _ in pairs], out=starts[1:])
        if not pairs:
            return SparseRows(starts, np.zeros(0, np.intp), np.zeros(0, np.float32))
        return SparseRows(
            starts, np.concatenate([columns for columns, _ in pairs]), np.concatenate([values for _, values in pairs])
        )

    def _row(self, text: str) -> tuple[Rows, Floats]:
        columns: list[Rows] = [np.zeros(0, np.intp)]
        values: list[Floats] = [np.zeros(0, np.float32)]
        for field in _fields(text, self.config):
            present, counts = np.unique(field, return_counts=True)
            places = np.minimum(np.searchsorted(self.buckets, present), len(self.buckets) - 1)
            known = self.buckets[places] == present
            weights = (1 + np.log(counts[known])).astype(np.float32) * self.idf[places[known]]
            columns.append(places[known])
            values.append(_unit(weights))
        return np.concatenate(columns), _unit(np.concatenate(values))


def _unit(values: Floats) -> Floats:
    length = np.sqrt(np.dot(values, values))
    return values / length if length > 0 else values


def _fields(text: str, config: FeatureConfig) -> list[Buckets]:
    words = [_word_hashes(token, config.char_min, config.char_max) for token in tokens(text)]
    if not words:
        return []
    whole = np.array([word for word, _, _ in words], np.uint64)
    padded = np.concatenate([_EDGE, whole, _EDGE])
    fields = [whole]
    if config.word_ngrams > 1:
        fields.append(_mix(padded[:-1], padded[1:]))
    if config.word_ngrams >= _TRIPLES:
        fields.append(_mix(_mix(padded[:-2], padded[1:-1]), padded[2:]))
    if config.stems:
        fields.append(np.array([stemmed for _, stemmed, _ in words], np.uint64))
    fields.append(np.concatenate([grams for _, _, grams in words]))
    return [(field % np.uint64(config.buckets)).astype(np.uint32) for field in fields if len(field)]


def _mix(first: _Hashes, second: _Hashes) -> _Hashes:
    mixed = (first * _MULTIPLIER) ^ second
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _FINISHER
    return mixed ^ (mixed >> np.uint64(29))


def _hash(kind: str, text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(f"{kind}{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


@lru_cache(maxsize=50_000)
def _word_hashes(word: str, char_min: int, char_max: int) -> tuple[int, int, _Hashes]:
    """Hashes of a word, of its stem, and of the character runs inside its boundaries."""
    framed = f"<{word}>"
    runs = (
        framed[start : start + length]
        for length in range(char_min, char_max + 1)
        for start in range(len(framed) - length + 1)
    )
    grams = np.array([_hash("c", run) for run in runs] if word[0].isalnum() else [], np.uint64)
    return _hash("w", word), _hash("s", stem(word)), grams
