"""Counting tokens: exact with tiktoken where its ranks are on this machine, else an estimate that says so.

Nothing is downloaded: ranks come from tiktoken's own cache, or from the installed package `bpe-openai` (extra
`tokens`). Rank files are checked against their published SHA-256.
"""

import base64
import gzip
import hashlib
import importlib.resources
import os
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.examples import Example
from finetuner.data.ports import Examples

if TYPE_CHECKING:
    import tiktoken

PER_MESSAGE: Final = 3
"""Tokens that a chat template adds for each message, and once for each example (an estimate of OpenAI's, 2026-06)."""

PER_NAME: Final = 1
"""Tokens for a `name`."""

_SHA256: Final = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"  # of o200k_base's rank file
_CACHED_NAME: Final = "fb374d419588a4632f3f557e76b4b70aebbca790"  # tiktoken's cache file: SHA-1 of the file's address
_SPECIAL: Final = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
_CHARACTERS_PER_TOKEN: Final = 4.2  # English in o200k_base
_GEMINI: Final = 1.15  # Gemma-3 tokens for each o200k token on mixed text

# How o200k_base cuts text before merging: words with an optional leading sign, in two cases; numbers by three digits;
# runs of signs; line ends; white space.
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN: Final = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


@attrs.frozen(kw_only=True)
class Distribution:
    """Tokens of many texts: smallest, mean, median, 95th percentile, largest."""

    min: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    max: int = 0

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "Distribution":
        """The distribution of counts, shape `(n,)`; all zeros where there are none."""
        if not len(counts):
            return cls()
        p50, p95 = np.percentile(counts, (50, 95))
        return cls(
            min=int(counts.min()), mean=float(counts.mean()), p50=float(p50), p95=float(p95), max=int(counts.max())
        )

    def __str__(self) -> str:
        """`min=2 max=31 avg=11.9 p95=24`."""
        return f"min={self.min} max={self.max} avg={self.mean:.1f} p95={self.p95:.0f}"


@attrs.frozen(kw_only=True, eq=False)
class TokenCounts:
    """Tokens of a data set.

    Attributes:
        per_example: Tokens of each example with the chat template's share, shape `(n_examples,)`.
        input: Tokens of the prompts.
        output: Tokens of the answers.
        exact: Whether the text was counted by the model's own tokenizer (the template's share is an estimate always).
    """

    per_example: NDArray[np.int64] = attrs.field(repr=False)
    input: Distribution
    output: Distribution
    exact: bool

    @property
    def total(self) -> int:
        """Tokens of all examples."""
        return int(self.per_example.sum())


def count_text(text: str, model: str | None = None) -> int:
    """Tokens of a text; texts that look like special tokens are counted as text."""
    return _counter(_family(model))(text)


def is_exact(model: str | None = None) -> bool:
    """Whether counts for a model are exact on this machine."""
    return _family(model) == "o200k" and _encoding() is not None


def count_example(example: Example, model: str | None = None) -> tuple[int, int]:
    """Tokens of prompt and answer, with the chat template's share."""
    count = _counter(_family(model))
    prompt = PER_MESSAGE
    for message in example.prompt:
        prompt += PER_MESSAGE + count(message.text) + (PER_NAME if message.name else 0)
        prompt += sum(count(call.name) + count(call.arguments) for call in message.tool_calls)
    answer = example.answer
    if answer is None:
        return prompt, 0
    calls = sum(count(call.name) + count(call.arguments) for call in answer.tool_calls)
    return prompt, PER_MESSAGE + count(answer.text) + calls


def count_dataset(data: Examples, model: str | None = None) -> TokenCounts:
    """Tokens of all examples, in one pass.

    Args:
        data: The examples.
        model: The model's name (tuned names mean their base); None counts as OpenAI's current models do.

    Raises:
        DataFormatError: At the first line that can't be read.
    """
    pairs = np.array([count_example(example, model) for example in data], dtype=np.int64).reshape(-1, 2)
    return TokenCounts(
        per_example=pairs.sum(axis=1),
        input=Distribution.of(pairs[:, 0]),
        output=Distribution.of(pairs[:, 1]),
        exact=is_exact(model),
    )


def _family(model: str | None) -> str:
    name = (model or "").rpartition("/")[2]
    return "gemini" if "gemini" in name else "o200k"


class _Counter:
    """Counts texts, remembering those that come again, such as system prompts."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._known = lru_cache(maxsize=4096)(self._count)

    def __call__(self, text: str) -> int:
        """Tokens of a text."""
        return self._known(text) if text else 0

    def _count(self, text: str) -> int:
        encoding = _encoding()
        if encoding is None:
            return max(1, round(self._factor * _estimated(text)))
        return round(self._factor * len(encoding.encode_ordinary(text)))


@lru_cache(maxsize=4)
def _counter(family: str) -> _Counter:
    return _Counter(_GEMINI if family == "gemini" else 1.0)


def _estimated(text: str) -> float:
    wide = sum(1 for character in text if ord(character) >= 0x2E80)  # noqa: PLR2004  # CJK: about a token each
    return wide + (len(text) - wide) / _CHARACTERS_PER_TOKEN


@lru_cache(maxsize=1)
def _encoding() -> "tiktoken.Encoding | None":
    ranks = _ranks()
    if ranks is None:
        return None
    import tiktoken

    return tiktoken.Encoding(name="o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=_SPECIAL)


def _ranks() -> dict[bytes, int] | None:
    for data in (_from_cache(), _from_package()):
        if data is not None and hashlib.sha256(data).hexdigest() == _SHA256:
            lines = (line.split() for line in data.splitlines())
            return {base64.b64decode(token): int(rank) for token, rank in lines}
    return None


def _from_cache() -> bytes | None:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    path = Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache") / _CACHED_NAME
    return path.read_bytes() if path.is_file() else None


def _from_package() -> bytes | None:
    if find_spec("bpe_openai") is None:
        return None
    file = importlib.resources.files("bpe_openai").joinpath("data", "o200k_base.tiktoken.gz")
    return gzip.decompress(file.read_bytes()) if file.is_file() else None
