"""Faster exact tokenizers, used where one is installed and gives tiktoken's very tokens on a fixed corpus.

tiktoken is the reference. A faster one takes seconds to load, so that it comes in only once much text has been counted.
A tokenizer that fails the check, or fails to load, is left alone: counts never depend on what is installed.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
import numpy as np

Encode = Callable[[str], list[int]]

CHECKED: Final = (
    "The quick brown fox jumps over the lazy dog. It's what they'd've done, isn't it? I'LL SEE YOU'RE THERE.\n",
    "  leading and   inner    spaces\t\ttabs\r\n\r\nand line ends \n \n  \n",
    'def f(x: int) -> str:\n    return f"{x!r}" if x != 0 else None  # 1234567890 0x1F 3.14159e-10\n',
    '{"a": 1, "b": [true, null], "c": {"d": "\\u00e9\\n"}} <a href="https://example.com/?q=1&r=2">x</a>',
    "我被重复收费了两次，请退款。これは日本語のテキストです。カタカナも。한국어 문장입니다.",
    "Größe, naïve façade, señor, Ελληνικά, русский текст, العربية, עברית, हिन्दी, ไทย",
    "😀🎉👩‍👩‍👧‍👦🏳️‍🌈 1️⃣ ©®™ ½ ² ﬁ ∑∫√ — “quoted” ‘single’ …",
    "<|endoftext|> <|im_start|>user<|im_sep|> <|endofprompt|> [INST] </s>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!!!!!!!--------------------================ ,,,,;;;;",
    "camelCaseWords SCREAMING_SNAKE kebab-case-words a1b2c3 v1.2.3-rc.4 \u00a0\u2003\u3000 e\u0301 \u200b\ufeff",
    "",
    " ",
    "\n",
)
"""Texts on which a tokenizer must equal the reference: languages, code, signs, spaces, special tokens, oddities."""


class Tokenizer(Protocol):
    """Counts tokens of many texts."""

    @property
    def name(self) -> str:
        """The package that does it."""
        ...

    def count(self, texts: Sequence[str], /) -> list[int]:
        """Tokens of each text."""
        ...


@attrs.frozen
class Reference:
    """tiktoken, one text after the other on each of several threads: it lets go of the interpreter while it works.

    Attributes:
        encode: Tokens of a text.
        threads: How many threads.
    """

    encode: Encode = attrs.field(repr=False)
    threads: int = 1

    @property
    def name(self) -> str:
        """The package that does it."""
        return "tiktoken"

    def count(self, texts: Sequence[str], /) -> list[int]:
        """Tokens of each text."""
        if self.threads == 1 or len(texts) < self.threads:
            return self._count(texts)
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(pool.map(self._count, [texts[n :: self.threads] for n in range(self.threads)]))
        counts = [0] * len(texts)
        for n, part in enumerate(parts):
            counts[n :: self.threads] = part
        return counts

    def _count(self, texts: Sequence[str]) -> list[int]:
        encode = self.encode
        return [len(encode(text)) for text in texts]


@attrs.frozen
class Batched:
    """A tokenizer that takes many texts at once.

    Attributes:
        name: The package that does it.
        encode_batch: Tokens of each text.
        count: How many those are.
    """

    name: str
    encode_batch: Callable[[Sequence[str]], list[list[int]]] = attrs.field(repr=False)
    count: Callable[[Sequence[str]], list[int]] = attrs.field(repr=False)


def faster(encoding: str, ranks: bytes, pattern: str, reference: Encode) -> Tokenizer | None:
    """The fastest tokenizer that is installed and equals the reference; None where there is none.

    Args:
        encoding: `o200k_base` or `cl100k_base`.
        ranks: The rank file, as tiktoken publishes it.
        pattern: How text is cut before merging.
        reference: tiktoken's `encode_ordinary`.
    """
    for name, load in _KNOWN.items():
        if find_spec(name) is None:
            continue
        try:
            found = load(import_module(name), encoding, ranks, pattern)
            same = equals(found, reference)
        except Exception:  # noqa: BLE001, S112  # whatever a young package raises, tiktoken counts as well
            continue
        if same:
            return found
    return None


def equals(found: Batched, reference: Encode) -> bool:
    """Whether a tokenizer gives the reference's tokens, and counts them, on `CHECKED`."""
    wanted = [reference(text) for text in CHECKED]
    return found.encode_batch(CHECKED) == wanted and found.count(CHECKED) == list(map(len, wanted))


def _fastokens(package: Any, encoding: str, ranks: bytes, pattern: str) -> Batched:
    del encoding  # the pattern says it
    tokenizer = _from_file(
        ranks, lambda path: package.Tokenizer.from_tiktoken(str(path), pattern=pattern, special_tokens={})
    )

    def flat(texts: Sequence[str]) -> tuple[bytes, bytes]:
        given: tuple[bytes, bytes] = tokenizer.encode_batch_flat(list(texts))
        return given

    def encode_batch(texts: Sequence[str]) -> list[list[int]]:
        ids, places = flat(texts)
        tokens = np.frombuffer(ids, dtype="<u4").tolist()
        return [tokens[start:end] for start, end in pairwise(np.frombuffer(places, dtype="<u8").tolist())]

    def count(texts: Sequence[str]) -> list[int]:
        counts: list[int] = np.diff(np.frombuffer(flat(texts)[1], dtype="<u8").astype(np.int64)).tolist()
        return counts

    return Batched("fastokens", encode_batch, count)


def _gigatoken(package: Any, encoding: str, ranks: bytes, pattern: str) -> Batched:
    del pattern  # it has its own for each encoding
    scheme = encoding.removesuffix("_base")
    tokenizer = _from_file(
        ranks, lambda path: package.Tokenizer.from_tiktoken(path, pretokenizer=scheme, special_tokens={})
    )

    def encode_batch(texts: Sequence[str]) -> list[list[int]]:
        return [list(map(int, tokens)) for tokens in tokenizer.encode_batch_list(list(texts))]

    def count(texts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in tokenizer.encode_batch_list(list(texts))]

    return Batched("gigatoken", encode_batch, count)


_KNOWN: Final[Mapping[str, Callable[[Any, str, bytes, str], Batched]]] = {
    "fastokens": _fastokens,
    "gigatoken": _gigatoken,
}


def _from_file(ranks: bytes, load: Callable[[Path], Any]) -> Any:
    """What a loader makes of the rank file, which it wants on the disk."""
    descriptor, name = tempfile.mkstemp(suffix=".tiktoken")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(ranks)
        return load(path)
    finally:
        path.unlink(missing_ok=True)
