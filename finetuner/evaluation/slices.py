"""Parts of the data in a comparison: per class, length, writing system and metadata, corrected for looking at many."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import attrs
import numpy as np

from finetuner._core.types import Json
from finetuner.evaluation.pairs import Pair, PairedScores
from finetuner.evaluation.results import ScoredRow
from finetuner.evaluation.statistics.correction import benjamini_hochberg, holm
from finetuner.evaluation.statistics.estimate import Estimate

Correction = Literal["holm", "bh"]
"""How p-values of slices are adjusted: `holm` bounds any false find, `bh` the share of false finds."""

_MOST_VALUES = 20
_FEWEST_ROWS = 5
_LETTERS = 200
_THIRDS = (1 / 3, 2 / 3)
_LONGEST_NAME = 60


@attrs.frozen(kw_only=True)
class Slice:
    """One part of the rows in a comparison.

    Attributes:
        group: What the rows were divided by: `class`, `length`, `script`, or a key of their metadata.
        name: Which part: the class, the range of lengths, …
        difference: Tuned minus base.
        base: Mean of the base model, in the units of the metric.
        tuned: Mean of the tuned model.
        p_value: Of this slice alone.
        adjusted_p_value: Adjusted for all slices of all groups.
    """

    group: str
    name: str
    difference: Estimate
    base: float
    tuned: float
    p_value: float
    adjusted_p_value: float

    @property
    def title(self) -> str:
        """For people: the class alone, else the group with its value."""
        return self.name if self.group == "class" else f"{self.group} {self.name}"


def tags(metadata: Mapping[str, Json], prompt: str, label: str | None) -> dict[str, str]:
    """What a row can be divided by.

    Args:
        metadata: Of its example; texts, whole numbers and flags count.
        prompt: What the user wrote.
        label: Its class, None where it has none.
    """
    own = {
        key: str(value)
        for key, value in metadata.items()
        if key != "label" and isinstance(value, str | int | bool) and len(str(value)) <= _LONGEST_NAME
    }
    classes = {} if label is None else {"class": label}
    return own | {"script": script(prompt)} | classes


def slices(pairs: Sequence[Pair], metric: str, correction: Correction) -> tuple[Slice, ...]:
    """All slices that tell rows apart, class by class first; parts of fewer than five rows are left out.

    Args:
        pairs: The rows that both models answered.
        metric: What is compared.
        correction: How p-values are adjusted.
    """
    parts = {
        (group, name): PairedScores.of(rows, metric)
        for group, by_name in _groups(pairs).items()
        for name, rows in sorted(by_name.items())
        if len(rows) >= _FEWEST_ROWS
    }
    p_values = [scores.p_value() for scores in parts.values()]
    adjusted = (holm if correction == "holm" else benjamini_hochberg)(p_values)
    return tuple(
        Slice(
            group=group,
            name=name,
            difference=scores.difference(),
            base=sum(scores.base) / len(scores.base),
            tuned=sum(scores.tuned) / len(scores.tuned),
            p_value=p_value,
            adjusted_p_value=adjusted_p,
        )
        for ((group, name), scores), p_value, adjusted_p in zip(parts.items(), p_values, adjusted, strict=True)
    )


def script(text: str) -> str:
    """The writing system of most letters of a text, such as `latin` or `cjk`; `none` without letters."""
    letters = [letter for letter in text if letter.isalpha()][:_LETTERS]
    names = Counter(unicodedata.name(letter, "unknown").partition(" ")[0].lower() for letter in letters)
    return names.most_common(1)[0][0] if names else "none"


def _groups(pairs: Sequence[Pair]) -> dict[str, dict[str, list[Pair]]]:
    """Rows by group and name; groups that don't divide, or divide too finely, are left out (classes never are)."""
    found: dict[str, dict[str, list[Pair]]] = {"class": {}, "length": _by_length(pairs)}
    for pair in pairs:
        for group, name in pair[0].tags.items():
            found.setdefault(group, defaultdict(list)).setdefault(name, []).append(pair)
    return {
        group: names
        for group, names in found.items()
        if len(names) > 1 and (group == "class" or len(names) <= _MOST_VALUES)
    }


def _by_length(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Thirds by the prompt's characters."""
    low, high = (int(end) for end in np.quantile([_length(base) for base, _ in pairs], _THIRDS))
    if low == high:
        return {}
    named: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        length = _length(pair[0])
        name = f"up to {low}" if length <= low else f"{low + 1} to {high}" if length <= high else f"over {high}"
        named[f"{name} characters"].append(pair)
    return named


def _length(row: ScoredRow) -> int:
    return len(row.prompt_text)
