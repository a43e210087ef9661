"""Counting tokens: exact with tiktoken where its ranks are on this machine, else an estimate that says so.

Nothing is downloaded: ranks come from tiktoken's own cache, or from the installed package `bpe-openai` (extra
`tokens`). Rank files are checked against their published SHA-256.
"""

import base64
import gzip
import hashlib
import os
import re
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

_CHARACTERS_PER_TOKEN: Final = 4.2  # English in o200k_base
_GEMINI: Final = 1.15  # Gemma-3 tokens for each o200k token on mixed text

# How text is cut before merging: words with an optional leading sign (o200k_base: in two cases); numbers by three
# digits; runs of signs; line ends; white space. The patterns are tiktoken's (MIT, Copyright (c) 2022 OpenAI,
# Shantanu Jain).
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN: Final = "|".join(
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
_CL100K_PATTERN: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


@attrs.frozen(kw_only=True)
class _Ranks:
    """An encoding: where its rank file lies, and how it cuts text."""

    name: str
    sha256: str
    cached_as: str  # SHA-1 of the address from which tiktoken gets it
    pattern: str


_O200K: Final = _Ranks(
    name="o200k_base",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    cached_as="fb374d419588a4632f3f557e76b4b70aebbca790",
    pattern=_O200K_PATTERN,
)
_CL100K: Final = _Ranks(
    name="cl100k_base",
    sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    cached_as="9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    pattern=_CL100K_PATTERN,
)
_KNOWN: Final = re.compile(r"gpt-4\.1|gpt-4o|chatgpt-4o|gpt-4\.5|gpt-5|gpt-oss|o[134](?![\w.])")
_OLD: Final = re.compile(r"gpt-4(?![\w.])|gpt-3\.5|text-embedding-")


@attrs.frozen(kw_only=True)
class Rule:
    """How a model's tokens are counted.

    Attributes:
        encoding: `o200k_base` or `cl100k_base`.
        factor: Tokens for each token of the encoding.
        assumed: Whether the model isn't known to use this encoding.
    """

    encoding: str
    factor: float = 1.0
    assumed: bool = False


def rule(model: str | None) -> Rule:
    """How tokens are counted for a model; None means OpenAI's current ones.

    Takes `provider:model`, tuned names (`ft:base:…`) and their checkpoints. Gemini's own tokenizer isn't here: its
    tokens are estimated from OpenAI's.
    """
    name = "gpt-4.1" if model is None else model.removeprefix("openai:")
    if name.startswith("ft:"):
        name = name.split(":")[1]
    if "gemini" in name:
        return Rule(encoding=_O200K.name, factor=_GEMINI, assumed=True)
    if _OLD.match(name):
        return Rule(encoding=_CL100K.name)
    return Rule(encoding=_O200K.name, assumed=_KNOWN.match(name) is None)


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
    return _counter(rule(model))(text)


def is_exact(model: str | None = None) -> bool:
    """Whether counts for a model are exact on this machine: its encoding is known, and its ranks are here."""
    used = rule(model)
    return not used.assumed and _encoding(used.encoding) is not None


def count_example(example: Example, model: str | None = None) -> tuple[int, int]:
    """Tokens of prompt and answer (in preference data of both answers), with the chat template's share."""
    count = _counter(rule(model))
    prompt = PER_MESSAGE
    for message in example.prompt:
        prompt += PER_MESSAGE + count(message.text) + (PER_NAME if message.name else 0)
        prompt += sum(count(call.name) + count(call.arguments) for call in message.tool_calls)
    answers = [answer for answer in (example.answer, example.rejected) if answer is not None]
    output = sum(PER_MESSAGE + count(answer.text) for answer in answers)
    output += sum(count(call.name) + count(call.arguments) for answer in answers for call in answer.tool_calls)
    return prompt, output


def example_length(example: Example, model: str | None = None) -> int:
    """Tokens that a model has to hold for an example: the prompt and the longer answer."""
    prompt, output = count_example(example, model)
    if example.preferred is None or example.rejected is None:
        return prompt + output
    first = attrs.evolve(example, rejected=None)
    second = attrs.evolve(example, preferred=example.rejected, rejected=None)
    return max(sum(count_example(one, model)) for one in (first, second))


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


class _Counter:
    """Counts texts, remembering those that come again, such as system prompts."""

    def __init__(self, used: Rule) -> None:
        self._rule = used
        self._known = lru_cache(maxsize=4096)(self._count)

    def __call__(self, text: str) -> int:
        """Tokens of a text."""
        return self._known(text) if text else 0

    def _count(self, text: str) -> int:
        encoding = _encoding(self._rule.encoding)
        tokens = _estimated(text) if encoding is None else len(encoding.encode_ordinary(text))
        return max(1, round(self._rule.factor * tokens))


@lru_cache(maxsize=4)
def _counter(used: Rule) -> _Counter:
    return _Counter(used)


def _estimated(text: str) -> float:
    wide = sum(1 for character in text if ord(character) >= 0x2E80)  # noqa: PLR2004  # CJK: about a token each
    return wide + (len(text) - wide) / _CHARACTERS_PER_TOKEN


@lru_cache(maxsize=2)
def _encoding(name: str) -> "tiktoken.Encoding | None":
    source = _O200K if name == _O200K.name else _CL100K
    ranks = _ranks(source)
    if ranks is None:
        return None
    import tiktoken

    # encode_ordinary reads special tokens as text, so none are declared
    return tiktoken.Encoding(name=name, pat_str=source.pattern, mergeable_ranks=ranks, special_tokens={})


def _ranks(source: _Ranks) -> dict[bytes, int] | None:
    for read in (_from_cache, _from_package):
        data = read(source)
        if data is not None and hashlib.sha256(data).hexdigest() == source.sha256:
            lines = (line.split() for line in data.splitlines())
            return {base64.b64decode(token): int(rank) for token, rank in lines}
    return None


def _from_cache(source: _Ranks) -> bytes | None:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    path = Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache") / source.cached_as
    return path.read_bytes() if path.is_file() else None


def _from_package(source: _Ranks) -> bytes | None:
    found = find_spec("bpe_openai")  # found, not imported: only its data is wanted
    for folder in (found and found.submodule_search_locations) or ():
        file = Path(folder) / "data" / f"{source.name}.tiktoken.gz"
        if file.is_file():
            return gzip.decompress(file.read_bytes())
    return None
