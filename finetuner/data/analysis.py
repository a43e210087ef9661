"""What is in a data set: size, classes, tokens, duplicates, conflicts."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Literal

import attrs

from finetuner.data.duplicates import find_in
from finetuner.data.examples import Example
from finetuner.data.labels import LabelSet, find_labels, written_label
from finetuner.data.ports import Examples
from finetuner.data.text import normalize, shorten, turns_text
from finetuner.data.tokens import TokenCounts, count_dataset
from finetuner.errors import UsageError

ATTENTION_RATIO: Final = 3.0
"""Largest to smallest class from which imbalance deserves attention."""

ALARM_RATIO: Final = 10.0
"""Largest to smallest class from which the data should be rebalanced."""

ALARM_DUPLICATES: Final = 0.05
"""Share of duplicates from which the data should be deduplicated."""

_NEAR = 0.8
_SHOWN_CLASSES = 20

Level = Literal["ok", "attention", "alarm"]


@attrs.frozen(kw_only=True)
class Conflict:
    """The same request with different answers.

    Attributes:
        request: The normalized request.
        answers: The different answers.
        rows: 0-based rows that have the request.
        lines: 1-based lines where they stand.
    """

    request: str
    answers: tuple[str, ...]
    rows: tuple[int, ...]
    lines: tuple[int, ...]


@attrs.frozen(kw_only=True, eq=False)
class Analysis:
    """What was found in a data set.

    Attributes:
        size: How many examples.
        closed_set: Whether the answers are labels of a closed set rather than free text.
        classes: How many examples of each label, all its spellings together, most frequent first; empty for free text.
        spellings: For each label with more than one spelling the unusual ones; `Dataset.harmonize()` merges them.
        strays: Answers that are none of the labels (a refusal, raw JSON), and how many examples have them.
        exact_duplicates: Share of examples that repeat an earlier one, case and white space aside (0 to 1).
        near_duplicates: Share of examples that nearly repeat an earlier one (0 to 1).
        conflicts: Requests with more than one answer.
        turns: Largest number of messages in an example.
        tokens: Token counts; None where they weren't asked for.
        over_context: Examples longer than the model's limit; None where no limit is known.
    """

    size: int
    closed_set: bool
    classes: Mapping[str, int]
    spellings: Mapping[str, tuple[str, ...]]
    strays: Mapping[str, int]
    exact_duplicates: float
    near_duplicates: float
    conflicts: tuple[Conflict, ...]
    turns: int
    tokens: TokenCounts | None
    over_context: int | None

    @property
    def balance(self) -> float:
        """Largest class divided by smallest; 1 for fewer than two classes."""
        counts = list(self.classes.values())
        return max(counts) / min(counts) if len(counts) > 1 else 1.0

    @property
    def balance_level(self) -> Level:
        """`ok`, `attention` (over 3:1) or `alarm` (over 10:1)."""
        if self.balance > ALARM_RATIO:
            return "alarm"
        return "attention" if self.balance > ATTENTION_RATIO else "ok"

    @property
    def duplicate_level(self) -> Level:
        """`alarm` when more than 5 % of the examples are exact or near copies."""
        return "alarm" if self.exact_duplicates + self.near_duplicates > ALARM_DUPLICATES else "ok"

    def __str__(self) -> str:
        """The analysis, for people."""
        lines = [f"Total examples: {self.size:,}"]
        if self.closed_set:
            lines.append(f"Classes: {len(self.classes)}")
            lines += [
                f"  {label}: {count:,} ({count / self.size:.1%})"
                for label, count in list(self.classes.items())[:_SHOWN_CLASSES]
            ]
            if len(self.classes) > _SHOWN_CLASSES:
                lines.append(f"  … and {len(self.classes) - _SHOWN_CLASSES} more")
            lines += self._odd_answers()
            if self.balance_level != "ok":
                word = "WARNING" if self.balance_level == "attention" else "ALARM"
                lines.append(f"{word}: Class imbalance detected ({self.balance:.1f}:1 ratio)")
        else:
            lines.append("Answers: free text")
        if self.tokens is not None:
            about = "" if self.tokens.exact else " (approximate)"
            lines += [f"Tokens{about}:", f"  Input: {self.tokens.input}", f"  Output: {self.tokens.output}"]
        if self.over_context is not None:
            lines.append(f"Examples exceeding context: {self.over_context:,} ({self.over_context / self.size:.1%})")
        alarm = "ALARM: " if self.duplicate_level == "alarm" else ""
        lines.append(
            f"{alarm}Duplicates: {self.exact_duplicates:.1%} exact, {self.near_duplicates:.1%} near; "
            f"conflicting answers: {len(self.conflicts):,}"
        )
        return "\n".join(lines)

    def _odd_answers(self) -> Iterator[str]:
        if self.spellings:
            label, others = next(iter(self.spellings.items()))
            count = sum(map(len, self.spellings.values()))
            yield f"  other spellings: {count:,}, such as {others[0]!r} for {label!r}; harmonize merges them"
        if self.strays:
            yield f"  other answers: {sum(self.strays.values()):,}, such as {shorten(next(iter(self.strays)), 60)!r}"


def analyze(dataset: Examples, tokens: bool = True, model: str | None = None, limit: int | None = None) -> Analysis:
    """What is in a data set.

    Args:
        dataset: The examples.
        tokens: Whether to count tokens.
        model: Whose tokenizer counts.
        limit: Most tokens of an example; longer ones are counted.

    Raises:
        DataFormatError: At the first line that can't be read.
    """
    examples = list(dataset)
    lines = [dataset.line(row) for row in range(len(examples))]
    duplicates = find_in(examples, lines, _NEAR)
    counts = count_dataset(dataset, model) if tokens else None
    labels = find_labels(examples)
    return Analysis(
        size=len(examples),
        closed_set=labels is not None,
        classes={} if labels is None else labels.classes,
        spellings={} if labels is None else labels.variants,
        strays={} if labels is None else labels.strays,
        exact_duplicates=duplicates.exact_rate,
        near_duplicates=duplicates.near_rate,
        conflicts=conflicts(examples, lines, labels),
        turns=max((len(example.messages) for example in examples), default=0),
        tokens=counts,
        over_context=None if counts is None or limit is None else int((counts.per_example > limit).sum()),
    )


def conflicts(
    examples: Sequence[Example], lines: Sequence[int], labels: LabelSet | None = None
) -> tuple[Conflict, ...]:
    """Requests that stand in the data with more than one answer, case, white space and spellings of a label aside."""
    answers: defaultdict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)
    for row, example in enumerate(examples):
        request = (example.system or "", normalize(turns_text(example)))
        usual = None if labels is None else labels.usual(written_label(example))
        answers[request].setdefault(normalize(usual or example.label), []).append(row)
    return tuple(_conflict(request, found, lines) for (_, request), found in answers.items() if len(found) > 1)


def _conflict(request: str, found: Mapping[str, Sequence[int]], lines: Sequence[int]) -> Conflict:
    rows = sorted(chain.from_iterable(found.values()))
    return Conflict(request=request, answers=tuple(found), rows=tuple(rows), lines=tuple(lines[row] for row in rows))


@attrs.frozen(kw_only=True)
class MixDrift:
    """How the class mix of two data sets differs, such as training and production.

    Attributes:
        distance: Total variation distance, 0 (same mix) to 1 (nothing in common): the share that would have to move.
        shares: For each label its share in the first and in the second set, largest difference first.
    """

    distance: float
    shares: Mapping[str, tuple[float, float]]


def mix_drift(one: Examples, other: Examples) -> MixDrift:
    """How the mix of labels differs between two data sets.

    Raises:
        UsageError: One of them is empty.
    """
    if not len(one) or not len(other):
        raise UsageError("the mix of an empty data set can't be compared")
    first, second = Counter(item.label for item in one), Counter(item.label for item in other)
    shares = {label: (first[label] / len(one), second[label] / len(other)) for label in {*first, *second}}
    ordered = sorted(shares.items(), key=lambda item: (-abs(item[1][0] - item[1][1]), item[0]))
    return MixDrift(distance=sum(abs(a - b) for a, b in shares.values()) / 2, shares=dict(ordered))
