"""What is in a data set: size, classes, tokens, duplicates, conflicts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner.data.conflicts import Conflict, ConflictFinder
from finetuner.data.duplicates import Finder, systems_of
from finetuner.data.examples import Example
from finetuner.data.labels import LabelCounter
from finetuner.data.languages import language
from finetuner.data.ports import Examples
from finetuner.data.text import SYSTEM_ROLES, shorten, system_counts
from finetuner.data.tokens import Distribution, Pieces, TokenCounts, count_pairs, message_texts, pieces, summed
from finetuner.errors import DataFormatError

ATTENTION_RATIO: Final = 3.0
"""Largest to smallest class from which imbalance deserves attention."""

ALARM_RATIO: Final = 10.0
"""Largest to smallest class from which the data should be rebalanced."""

ALARM_DUPLICATES: Final = 0.05
"""Share of duplicates from which the data should be deduplicated."""

_NEAR = 0.8
_SHOWN_CLASSES = 20
_SHOWN_LANGUAGES = 8
_BATCH = 512
_ROLES = (SYSTEM_ROLES, frozenset({"user"}), frozenset({"assistant", "tool"}))

Level = Literal["ok", "attention", "alarm"]


@attrs.frozen(kw_only=True, eq=False)
class Analysis:
    """What was found in a data set.

    Attributes:
        size: How many examples can be read.
        unreadable: How many lines can't.
        closed_set: Whether the answers are labels of a closed set rather than free text.
        classes: How many examples of each label, all its spellings together, most frequent first; empty for free text.
        spellings: For each label with more than one spelling the unusual ones; `Dataset.harmonize()` merges them.
        strays: Answers that are none of the labels (a refusal, raw JSON), and how many examples have them.
        exact_duplicates: Share of examples that repeat an earlier one, case and white space aside (0 to 1).
        near_duplicates: Share of examples that nearly repeat an earlier one (0 to 1).
        conflicts: Requests with more than one answer.
        turns: Largest number of messages in an example.
        languages: How many examples are in each language, by ISO 639-1 code, most frequent first.
        tokens: Token counts; None where they weren't asked for.
        roles: Tokens of an example's texts by role: `system`, `user`, `assistant` (the answer), `other` (earlier
            answers and tools); empty where they weren't asked for.
        limit: Most tokens of an example; None where no limit is known.
        over_context: Examples longer than the limit; None where no limit is known.
    """

    size: int
    unreadable: int
    closed_set: bool
    classes: Mapping[str, int]
    spellings: Mapping[str, tuple[str, ...]]
    strays: Mapping[str, int]
    exact_duplicates: float
    near_duplicates: float
    conflicts: tuple[Conflict, ...]
    turns: int
    languages: Mapping[str, int]
    tokens: TokenCounts | None
    roles: Mapping[str, Distribution]
    limit: int | None
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
        if self.unreadable:
            lines.append(f"Unreadable lines: {self.unreadable:,}; validate lists them")
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
            lines += [f"    {role}: {found} p50={found.p50:.0f}" for role, found in self.roles.items() if found.max]
        if self.over_context is not None:
            share = self.over_context / max(1, self.size)
            lines.append(f"Examples exceeding context: {self.over_context:,} ({share:.1%}) of {self.limit:,} tokens")
        lines.append(f"Languages: {_shares(self.languages)}")
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


def _shares(counts: Mapping[str, int]) -> str:
    total = max(1, sum(counts.values()))
    shown = [f"{name} {count / total:.1%}" for name, count in list(counts.items())[:_SHOWN_LANGUAGES]]
    return ", ".join(shown) or "none"


def analyze(dataset: Examples, tokens: bool = True, model: str | None = None, limit: int | None = None) -> Analysis:
    """What is in a data set, in one pass over it; lines that can't be read are counted and left out.

    Args:
        dataset: The examples.
        tokens: Whether to count tokens.
        model: Whose tokenizer counts.
        limit: Most tokens of an example; longer ones are counted.
    """
    seen = _Pass(dataset, tokens=tokens, model=model)
    labels = seen.labels.labels()
    duplicates = seen.duplicates.report(dataset.__getitem__, dataset.line, seen.size)
    counts = summed(seen.counted(), model) if tokens else None
    return Analysis(
        size=seen.size,
        unreadable=seen.unreadable,
        closed_set=labels is not None,
        classes={} if labels is None else labels.classes,
        spellings={} if labels is None else labels.variants,
        strays={} if labels is None else labels.strays,
        exact_duplicates=duplicates.exact_rate,
        near_duplicates=duplicates.near_rate,
        conflicts=seen.conflicts.report(dataset.__getitem__, dataset.line, labels),
        turns=seen.turns,
        languages=dict(seen.languages.most_common()),
        tokens=counts,
        roles=seen.roles() if tokens else {},
        limit=limit,
        over_context=None if counts is None or limit is None else int((counts.per_example > limit).sum()),
    )


class _Pass:
    """All that one pass over the rows takes note of: hashes and counts, no texts but those of labels."""

    def __init__(self, dataset: Examples, *, tokens: bool, model: str | None) -> None:
        self.size = self.unreadable = self.turns = 0
        self.labels = LabelCounter()
        self.duplicates = Finder(_NEAR, with_system=system_counts(systems_of(dataset)))
        self.conflicts = ConflictFinder()
        self.languages: Counter[str] = Counter()
        self._model = model
        self._counts: list[NDArray[np.int64]] = []
        batch: list[Example] = []
        for row in range(len(dataset)):
            try:
                example = dataset[row]
            except DataFormatError:
                self.unreadable += 1
                continue
            self._look(row, example)
            batch.append(example)
            if tokens and len(batch) == _BATCH:
                self._count(batch)
            if len(batch) == _BATCH:
                batch = []
        if tokens and batch:
            self._count(batch)

    def _look(self, row: int, example: Example) -> None:
        self.size += 1
        self.turns = max(self.turns, len(example.messages))
        self.labels.add(example)
        self.duplicates.add(row, example)
        self.languages[language(example.user_text)] += 1
        self.conflicts.add(row, example)

    def _count(self, batch: Sequence[Example]) -> None:
        """Tokens of system, user, other and answer for each example, and the template's share of prompt and answer."""
        wholes = [pieces(example) for example in batch]
        by_role = [_of_role(example, roles) for roles in _ROLES for example in batch]
        outputs = [Pieces(prompt=(), output=whole.output, prompt_share=0, output_share=0) for whole in wholes]
        counted = count_pairs([*by_role, *outputs], self._model).sum(axis=1).reshape(len(_ROLES) + 1, len(batch))
        shares = np.array([(whole.prompt_share, whole.output_share) for whole in wholes], dtype=np.int64)
        self._counts.append(np.concatenate([counted.T, shares], axis=1))

    def _all_counts(self) -> NDArray[np.int64]:
        return np.concatenate([np.zeros((0, len(_ROLES) + 3), dtype=np.int64), *self._counts])

    def counted(self) -> NDArray[np.int64]:
        """Tokens of prompts and answers, with the template's share, shape `(n, 2)`."""
        counts = self._all_counts()
        answer, share = len(_ROLES), counts[:, -2:]
        return np.stack([counts[:, :answer].sum(axis=1) + share[:, 0], counts[:, answer] + share[:, 1]], axis=1)

    def roles(self) -> dict[str, Distribution]:
        """Tokens of an example's texts by role."""
        counts = self._all_counts()
        return {
            name: Distribution.of(counts[:, place])
            for place, name in enumerate(("system", "user", "other", "assistant"))
        }


def _of_role(example: Example, roles: frozenset[str]) -> Pieces:
    texts = [text for message in example.prompt if message.role in roles for text in message_texts(message)]
    return Pieces(prompt=tuple(texts), output=(), prompt_share=0, output_share=0)
