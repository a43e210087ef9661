"""The untuned base: an honest guess among the labels that the prompt names, with no training data behind it.

The base compares n-grams: the label that shares most with the request wins. It knows no synonyms and no world, so it
is the floor that tuning has to rise from, not a language model.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import attrs
import numpy as np

from finetuner.providers.local.classifier import softmax
from finetuner.providers.local.features import Floats, Vocabulary, tokens
from finetuner.providers.local.sizes import FeatureConfig

NO_LABELS: Final = (
    "I am an embedded text classifier that hasn't been tuned: I can only choose among labels that the prompt names, "
    "and I found none."
)
"""What the base answers when it has nothing to choose from."""

_MOST_LABELS = 1_000
_LONGEST_PROMPT = 100_000
_LONGEST_LABEL_WORDS = 6
_SHARPNESS = np.float32(8.0)

# Runs of blanks become one before reading, and words are entered at their start only: reading stays linear.
_BLANKS = re.compile(r"[ \t]+")
_BULLET = re.compile(r"^[ \t]*(?:[-*\u2022]|\d{1,4}[.)])[ \t]+(\S.*)$", re.MULTILINE)
_QUOTED = re.compile(r"[\"\u201c`]([^\"\u201c\u201d`\n]{1,80})[\"\u201d`]|(?<!\w)'([^'\n]{1,80})'(?!\w)")
_AFTER_COLON = re.compile(r":[ \t]*\n?([^:\n]+)")
_LINES_AFTER_COLON = re.compile(r":[ \t]*\n((?:[^\n]+\n?)+)")
_ALTERNATIVES = re.compile(r"(?<![\w-])((?:[\w-]+, ?){0,50}[\w-]+,? or [\w-]+)", re.IGNORECASE)
_IDENTIFIER = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", re.IGNORECASE)
_SEPARATOR = re.compile(r"[ \t]*[,;|/][ \t]*(?:or[ \t]+|and[ \t]+)?|[ \t]+(?:or|and)[ \t]+", re.IGNORECASE)
_DESCRIPTION = re.compile(r"[ \t]*(?::[ \t]|[ \t][-\u2013\u2014][ \t]|[ \t]\().*$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WRAPPING = " \t\"'`*.!\u201c\u201d[](){}<>"


@attrs.frozen(kw_only=True)
class Guess:
    """What the untuned base says.

    Attributes:
        answer: A label of the prompt, or `NO_LABELS`.
        confidence: Share of belief in it, 0 to 1; 1 / (number of labels) when nothing speaks for any of them, 0 when no
            label was found. It is not calibrated.
        labels: The labels it chose among, in the prompt's order.
    """

    answer: str
    confidence: float
    labels: tuple[str, ...] = ()


def answer(system: str, request: str, config: FeatureConfig) -> Guess:
    """Guess with the labels that the system prompt names or, failing that, the request itself."""
    return guess(request, named_labels(system) or named_labels(request), config)


def guess(request: str, labels: Sequence[str], config: FeatureConfig) -> Guess:
    """The label whose n-grams are nearest to the request; the first of equals.

    Scores are cosines of the rows that the tuned model would see, with rarity counted over the labels; a softmax turns
    them into a confidence.
    """
    if not any(tokens(_readable(label)) for label in labels):
        return Guess(answer=NO_LABELS, confidence=0.0)
    vocabulary, known = _index(tuple(labels), config)
    matrix, columns = vocabulary.rows([request]).dense(np.array([0]))
    beliefs = softmax(_SHARPNESS * (matrix @ known[:, columns].T))[0]
    best = int(beliefs.argmax())
    return Guess(answer=labels[best], confidence=float(beliefs[best]), labels=tuple(labels))


@lru_cache(maxsize=64)
def _index(labels: tuple[str, ...], config: FeatureConfig) -> tuple[Vocabulary, Floats]:
    """The labels' features, and their rows over all of them: shape (n_labels, n_features)."""
    readable = [_readable(label) for label in labels]
    vocabulary = Vocabulary.fit(readable, config)
    dense, columns = vocabulary.rows(readable).dense(np.arange(len(labels)))
    rows = np.zeros((len(labels), len(vocabulary.buckets)), np.float32)
    rows[:, columns] = dense
    return vocabulary, rows


@lru_cache(maxsize=64)
def named_labels(prompt: str) -> tuple[str, ...]:
    """Labels that a prompt lists, in its order, without repetition; empty when it lists fewer than two.

    Understood are, in this order: bulleted or numbered lines (a description after `:`, a dash or in brackets is cut
    off), quoted words, what follows a colon line by line or split by commas, `a, b or c`, and words such as
    `card_arrival`.
    """
    text = _BLANKS.sub(" ", prompt[:_LONGEST_PROMPT])
    return next((found for reading in _READINGS if len(found := _tidy(reading(text))) > 1), ())


def _bullets(text: str) -> Iterator[str]:
    return (_DESCRIPTION.sub("", line) for line in _BULLET.findall(text))


def _quotes(text: str) -> Iterator[str]:
    return (double or single for double, single in _QUOTED.findall(text))


def _lines(text: str) -> Iterator[str]:
    return (line for block in _LINES_AFTER_COLON.findall(text) for line in _short_lines(block))


def _enumerations(text: str) -> Iterator[str]:
    return (part for tail in _AFTER_COLON.findall(text) for part in _parts(tail))


def _alternatives(text: str) -> Iterator[str]:
    return (part for run in _ALTERNATIVES.findall(text) for part in _parts(run))


def _identifiers(text: str) -> Iterator[str]:
    return iter(_IDENTIFIER.findall(text))


_READINGS: Final[tuple[Callable[[str], Iterator[str]], ...]] = (
    _bullets,
    _quotes,
    _lines,
    _enumerations,
    _alternatives,
    _identifiers,
)


def _parts(sentence: str) -> list[str]:
    """The items of an enumeration; none when the sentence isn't one or an item is too long for a label."""
    items = [item for item in _SEPARATOR.split(re.split(r"[.!?](?:\s|$)", sentence)[0]) if item.strip()]
    return items if len(items) > 1 and all(_is_label(item) for item in items) else []


def _short_lines(block: str) -> list[str]:
    lines = block.strip().splitlines()
    return lines if len(lines) > 1 and all(_is_label(line) and "," not in line for line in lines) else []


def _is_label(text: str) -> bool:
    return 0 < len(text.split()) <= _LONGEST_LABEL_WORDS


def _tidy(found: Iterable[str]) -> tuple[str, ...]:
    stripped = (item.strip(_WRAPPING) for item in found)
    return tuple(dict.fromkeys(item for item in stripped if item and _is_label(item)))[:_MOST_LABELS]


def _readable(label: str) -> str:
    """`card_arrival` and `CardArrival` as words."""
    return _CAMEL.sub(" ", label).replace("_", " ").replace("-", " ")
