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
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner._core.cores import cores
from finetuner.data.examples import Example, Message
from finetuner.data.ports import Examples
from finetuner.data.tokenizers import Reference, Tokenizer, faster

if TYPE_CHECKING:
    import tiktoken

PER_MESSAGE: Final = 3
"""Tokens that a chat template adds for each message, and once for each example (an estimate of OpenAI's, 2026-06)."""

PER_NAME: Final = 1
"""Tokens for a `name`."""

_CHARACTERS_PER_TOKEN: Final = 4.2  # English in o200k_base
_BATCH: Final = 256  # examples that are counted together
_REMEMBERED: Final = 8192  # texts whose counts are kept
_REPEATED: Final = 8192  # characters above which a text isn't expected to come again
_MUCH: Final = 8_000_000  # characters after which loading a faster tokenizer pays

Pairs = NDArray[np.int64]
"""Tokens of prompts and answers, shape `(n_examples, 2)`."""

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
    return _counter(rule(model)).many([text], threads=1)[0]


def is_exact(model: str | None = None) -> bool:
    """Whether counts for a model are exact on this machine: its encoding is known, and its ranks are here."""
    used = rule(model)
    return not used.assumed and _encoding(used.encoding) is not None


@attrs.frozen(kw_only=True)
class Pieces:
    """What is counted of an example.

    Attributes:
        prompt: Texts of the prompt.
        output: Texts of the answer (in preference data of both answers).
        prompt_share: Tokens that the chat template adds to the prompt.
        output_share: Tokens that it adds to the answer.
    """

    prompt: tuple[str, ...]
    output: tuple[str, ...]
    prompt_share: int
    output_share: int


def pieces(example: Example) -> Pieces:
    """What is counted of an example."""
    answers = [answer for answer in (example.answer, example.rejected) if answer is not None]
    names = sum(1 for message in example.prompt if message.name)
    return Pieces(
        prompt=tuple(text for message in example.prompt for text in message_texts(message)),
        output=tuple(text for message in answers for text in message_texts(message)),
        prompt_share=PER_MESSAGE * (1 + len(example.prompt)) + PER_NAME * names,
        output_share=PER_MESSAGE * len(answers),
    )


def chat_pieces(texts: Sequence[str], names: int) -> Pieces:
    """The same of a plain chat that ends in an answer.

    Args:
        texts: Of its messages.
        names: How many messages of the prompt name their speaker.
    """
    share = PER_MESSAGE * len(texts) + PER_NAME * names
    return Pieces(prompt=tuple(texts[:-1]), output=(texts[-1],), prompt_share=share, output_share=PER_MESSAGE)


def message_texts(message: Message) -> tuple[str, ...]:
    """What is counted of a message: its text, and names and arguments of the tools that it calls."""
    return (message.text, *[text for call in message.tool_calls for text in (call.name, call.arguments)])


def count_example(example: Example, model: str | None = None) -> tuple[int, int]:
    """Tokens of prompt and answer (in preference data of both answers), with the chat template's share."""
    prompt, output = count_pairs([pieces(example)], model, threads=1)[0].tolist()
    return prompt, output


def example_length(example: Example, model: str | None = None) -> int:
    """Tokens that a model has to hold for an example: the prompt and the longer answer."""
    if example.preferred is None or example.rejected is None:
        return sum(count_example(example, model))
    first = attrs.evolve(example, rejected=None)
    second = attrs.evolve(example, preferred=example.rejected, rejected=None)
    return max(sum(count_example(one, model)) for one in (first, second))


def count_pairs(data: Iterable[Pieces], model: str | None = None, *, threads: int | None = None) -> Pairs:
    """Tokens of prompts and answers, shape `(n_examples, 2)`.

    Args:
        data: What is counted of each example.
        model: The model's name.
        threads: How many threads count; by default as many as there are cores.
    """
    counter = _counter(rule(model))
    found = [np.empty((0, 2), dtype=np.int64)]
    rest = iter(data)
    while batch := list(islice(rest, _BATCH)):
        texts = [text for one in batch for text in (*one.prompt, *one.output)]
        counts = iter(counter.many(texts, threads=cores() if threads is None else threads))
        rows = [
            (
                one.prompt_share + sum(islice(counts, len(one.prompt))),
                one.output_share + sum(islice(counts, len(one.output))),
            )
            for one in batch
        ]
        found.append(np.asarray(rows, dtype=np.int64))
    return np.concatenate(found)


def count_dataset(data: Examples, model: str | None = None) -> TokenCounts:
    """Tokens of all examples, in one pass.

    Args:
        data: The examples.
        model: The model's name (tuned names mean their base); None counts as OpenAI's current models do.

    Raises:
        DataFormatError: At the first line that can't be read.
    """
    return summed(count_pairs(map(pieces, data), model), model)


def summed(pairs: Pairs, model: str | None) -> TokenCounts:
    """The counts of a data set from those of its examples, shape `(n_examples, 2)`."""
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
        self._known: dict[str, int] = {}
        self._seen = 0
        self._faster: Tokenizer | None = None
        self._looked = False

    def many(self, texts: list[str], *, threads: int) -> list[int]:
        """Tokens of each text."""
        known = self._known
        counts = [0 if not text else known.get(text, -1) for text in texts]
        new = list(dict.fromkeys(text for text, count in zip(texts, counts, strict=True) if count < 0))
        if not new:
            return counts
        factor = self._rule.factor
        found = {
            text: max(1, round(factor * count)) for text, count in zip(new, self._count(new, threads), strict=True)
        }
        if len(known) > _REMEMBERED:
            known.clear()
        known.update((text, count) for text, count in found.items() if len(text) <= _REPEATED)
        return [found[text] if count < 0 else count for text, count in zip(texts, counts, strict=True)]

    def _count(self, texts: list[str], threads: int) -> Sequence[float]:
        encoding = _encoding(self._rule.encoding)
        if encoding is None:
            return list(map(_estimated, texts))
        self._seen += sum(map(len, texts))
        if self._seen > _MUCH and not self._looked:
            self._looked = True
            source = _source(self._rule.encoding)
            self._faster = faster(source.name, _rank_file(source) or b"", source.pattern, encoding.encode_ordinary)
        return (self._faster or Reference(encoding.encode_ordinary, threads)).count(texts)


@lru_cache(maxsize=4)
def _counter(used: Rule) -> _Counter:
    return _Counter(used)


def _estimated(text: str) -> float:
    wide = sum(1 for character in text if ord(character) >= 0x2E80)  # noqa: PLR2004  # CJK: about a token each
    return wide + (len(text) - wide) / _CHARACTERS_PER_TOKEN


@lru_cache(maxsize=2)
def _encoding(name: str) -> "tiktoken.Encoding | None":
    source = _source(name)
    data = _rank_file(source)
    if data is None:
        return None
    import tiktoken

    lines = (line.split() for line in data.splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    # encode_ordinary reads special tokens as text, so none are declared
    return tiktoken.Encoding(name=name, pat_str=source.pattern, mergeable_ranks=ranks, special_tokens={})


def _source(name: str) -> _Ranks:
    return _O200K if name == _O200K.name else _CL100K


def _rank_file(source: _Ranks) -> bytes | None:
    for read in (_from_cache, _from_package):
        data = read(source)
        if data is not None and hashlib.sha256(data).hexdigest() == source.sha256:
            return data
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
