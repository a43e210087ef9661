"""How two data sets differ, such as what a model learned from and what production asks."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from finetuner.data.analysis import Analysis
from finetuner.data.labels import find_labels, spelling_key, written_label
from finetuner.data.ports import Examples
from finetuner.errors import UsageError

ATTENTION: Final = 0.1
"""Share of the classes (or languages) that would have to move from which a difference deserves attention."""

_SHOWN: Final = 8


@attrs.frozen(kw_only=True)
class MixDrift:
    """How the mix of two data sets differs.

    Attributes:
        distance: Total variation distance, 0 (same mix) to 1 (nothing in common): the share that would have to move.
        shares: For each name its share in the first and in the second set, largest difference first.
    """

    distance: float
    shares: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, one: Mapping[str, int], other: Mapping[str, int]) -> "MixDrift":
        """Between two counts, neither of them empty."""
        first, second = sum(one.values()), sum(other.values())
        shares = {name: (one.get(name, 0) / first, other.get(name, 0) / second) for name in {*one, *other}}
        ordered = sorted(shares.items(), key=lambda item: (-abs(item[1][0] - item[1][1]), item[0]))
        return cls(distance=sum(abs(a - b) for a, b in shares.values()) / 2, shares=dict(ordered))


@attrs.frozen(kw_only=True)
class Drift:
    """How two data sets differ.

    Attributes:
        classes: Of the labels; None where one of them has none.
        languages: Of the languages.
        input_tokens: Median tokens of a prompt, in the first and in the second set; None where they weren't counted.
        output_tokens: The same of the answers.
    """

    classes: MixDrift | None
    languages: MixDrift
    input_tokens: tuple[float, float] | None
    output_tokens: tuple[float, float] | None

    @property
    def level(self) -> Literal["ok", "attention"]:
        """`attention` where a tenth of the classes or languages would have to move."""
        distances = [mix.distance for mix in (self.classes, self.languages) if mix is not None]
        return "attention" if max(distances) > ATTENTION else "ok"

    def __str__(self) -> str:
        """The differences, for people."""
        lines = [] if self.classes is None else _told("class", self.classes)
        lines += _told("language", self.languages)
        for name, pair in (("Input", self.input_tokens), ("Output", self.output_tokens)):
            if pair is not None:
                lines.append(f"Drift of {name.lower()} tokens (median): {pair[0]:.0f} here, {pair[1]:.0f} there")
        return "\n".join(lines)


def _told(name: str, mix: MixDrift) -> list[str]:
    word = "WARNING: " if mix.distance > ATTENTION else ""
    lines = [f"{word}Drift of the {name} mix: {mix.distance:.1%} would have to move"]
    moved = [(key, pair) for key, pair in mix.shares.items() if pair[0] != pair[1]][:_SHOWN]
    return lines + [f"  {key}: {here:.1%} here, {there:.1%} there" for key, (here, there) in moved]


def drift(one: Analysis, other: Analysis) -> Drift:
    """How two analyzed data sets differ.

    Raises:
        UsageError: One of them is empty.
    """
    if not one.size or not other.size:
        raise UsageError("an empty data set has no mix to compare")
    both = one.tokens, other.tokens
    counted = both[0] is not None and both[1] is not None
    return Drift(
        classes=_classes(one.classes, other.classes) if one.closed_set and other.closed_set else None,
        languages=MixDrift.of(one.languages, other.languages),
        input_tokens=(both[0].input.p50, both[1].input.p50) if counted and both[0] and both[1] else None,
        output_tokens=(both[0].output.p50, both[1].output.p50) if counted and both[0] and both[1] else None,
    )


def _classes(one: Mapping[str, int], other: Mapping[str, int]) -> MixDrift:
    """Of labels, each spelled as in the first set."""
    names = {spelling_key(label): label for label in one}
    spelled: Counter[str] = Counter()
    for label, count in other.items():
        spelled[names.get(spelling_key(label), label)] += count
    return MixDrift.of(one, spelled)


def mix_drift(one: Examples, other: Examples) -> MixDrift:
    """How the mix of labels differs between two data sets; answers that are no labels count each by itself.

    Raises:
        UsageError: One of them is empty.
    """
    if not len(one) or not len(other):
        raise UsageError("the mix of an empty data set can't be compared")
    return _classes(_mix(one), _mix(other))


def _mix(data: Examples) -> Counter[str]:
    labels = find_labels(data)
    names = ((written_label(example), example.label) for example in data)
    return Counter(label if labels is None else (labels.usual(written) or label).strip() for written, label in names)
