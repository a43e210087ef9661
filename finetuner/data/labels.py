"""Which answers are labels, and which are only spellings of one: `Billing`, `billing ` and `BILLING.` are `billing`."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from finetuner.data.examples import Example, Message, system
from finetuner.data.text import SYSTEM_ROLES, normalize
from finetuner.errors import UsageError

MOST_LABELS: Final = 500
"""With more different answers than this, answers are free text."""

_CLOSED_SHARE: Final = 0.9
_USUAL_SHARE: Final = 0.8
_UNNAMED_SHARE: Final = 0.01
_LONGER: Final = 1.5
_MORE_CHARACTERS: Final = 8
_MOST_PROMPTS: Final = 20
_AROUND: Final = "\"'`“”‘’«».,;:!?*()[]<> \t\r\n"
_BETWEEN: Final = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


@attrs.frozen(kw_only=True)
class LabelSet:
    """The labels that a data set's answers are of.

    Attributes:
        classes: How many rows each label has under its usual spelling, most frequent first.
        spellings: For each spelling that was seen the usual one.
        strays: Answers that are none of the labels (a refusal, an explanation, raw JSON), and how many rows have them.
    """

    classes: Mapping[str, int]
    spellings: Mapping[str, str]
    strays: Mapping[str, int]

    def usual(self, answer: str) -> str | None:
        """The label that an answer means, in its usual spelling; None for a stray."""
        return self.spellings.get(answer)

    @property
    def variants(self) -> dict[str, tuple[str, ...]]:
        """For each label with more than one spelling the unusual ones."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for spelling, usual in self.spellings.items():
            if spelling.strip() != usual.strip():
                found[usual].append(spelling)
        return {usual: tuple(sorted(others)) for usual, others in found.items()}


class LabelCounter:
    """Counts answers row by row, and tells at the end whether they are labels, and which.

    Labels are the answers that at least 90 % of the rows share (at most 500 of them), spellings aside, and those that
    look like them: written in a line, not much longer, more than once. Where the system prompt names all usual labels,
    others need 1 % of the rows. Where every row has a label of its own in its metadata, these are the labels.
    """

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._prompts: set[str] = set()
        self._declared = True

    def add(self, example: Example) -> None:
        """Count one more row."""
        self._declared = self._declared and "label" in example.metadata
        self._answers[written_label(example)] += 1
        if len(self._prompts) <= _MOST_PROMPTS:
            self._prompts.add(example.system or "")

    def labels(self) -> LabelSet | None:
        """The labels; None where the answers are free text."""
        groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for answer, count in self._answers.items():
            if answer.strip():
                groups[spelling_key(answer)][answer] += count
        usual = _usual(groups)
        if not usual or (not self._declared and not _covered(groups)):
            return None
        named = _Named(self._prompts)
        if self._declared:
            chosen = set(groups)
        else:
            strict = all(named(key) for key in usual)
            shape = _Shape.of(usual, groups)
            rare = _UNNAMED_SHARE * self._answers.total()
            chosen = {
                key
                for key, found in groups.items()
                if key in usual
                or named(key)
                or (found.total() > 1 and shape.fits(found) and (not strict or found.total() >= rare))
            }
        return _labels(self._answers, groups, chosen, named) if len(chosen) <= MOST_LABELS else None


def find_labels(examples: Iterable[Example]) -> LabelSet | None:
    """The labels that the answers are of; None where they are free text. See `LabelCounter`."""
    counter = LabelCounter()
    for example in examples:
        counter.add(example)
    return counter.labels()


def spelling_key(answer: str) -> str:
    """What all spellings of a label have in common: no case, no width, no signs around it, one kind of word break.

    Signs that mean something stay: `C`, `C++` and `C#`, or `1` and `-1`, are different labels.
    """
    text = normalize(answer)
    return _BETWEEN.sub(" ", text.strip(_AROUND)) or text


def written_label(example: Example) -> str:
    """The label as it is written: the metadata's where given, else the answer with the spaces around it."""
    given = example.metadata.get("label")
    return str(given) if given is not None else example.completion


class Respelling:
    """Writes each label its usual way; a pure change of examples."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._spellings = dict(spellings)

    def __call__(self, example: Example) -> Example:
        """The example with its answer, and the label in its metadata, spelled as usual; strays stay as they are."""
        metadata = dict(example.metadata)
        given = metadata.get("label")
        if given is not None:
            metadata["label"] = self._spellings.get(str(given), given)
        messages = example.messages
        if example.preferred is None and messages and messages[-1].role == "assistant":
            messages = (*messages[:-1], self._message(messages[-1]))
        return attrs.evolve(
            example,
            messages=messages,
            preferred=example.preferred and self._message(example.preferred),
            rejected=example.rejected and self._message(example.rejected),
            metadata=metadata,
        )

    def _message(self, message: Message) -> Message:
        if not isinstance(message.content, str) or message.content not in self._spellings:
            return message
        return attrs.evolve(message, content=self._spellings[message.content])


def respelling(
    examples: Iterable[Example], labels: Iterable[str] = (), merge: Mapping[str, str] | None = None
) -> Respelling:
    """The change that writes every label in one way.

    Args:
        examples: The rows, which tell what spellings there are and which is usual.
        labels: How labels are written; by default as the system prompt names them, else as most rows do.
        merge: Labels that mean another one, such as `{"invoice": "billing"}`.

    Raises:
        UsageError: The answers are free text, and no labels are given.
    """
    wanted = {spelling_key(label): label for label in labels}
    merged = {spelling_key(old): new for old, new in (merge or {}).items()}
    held = [(written_label(example), example) for example in examples]
    found = find_labels(example for _, example in held)
    if found is None and not wanted and not merged:
        raise UsageError("the answers are free text, not labels: give labels=[…] to say which spellings are meant")
    usual: Mapping[str, str] = found.spellings if found is not None else {}

    def spell(answer: str) -> str:
        told = merged.get(spelling_key(answer), usual.get(answer, answer))
        return wanted.get(spelling_key(told), told)

    seen = {answer for answer, _ in held} | {example.completion for _, example in held}
    return Respelling({answer: spell(answer) for answer in seen if spell(answer) != answer})


class Instructing:
    """Puts a system prompt before the turns; a pure change of examples."""

    def __init__(self, text: str, *, replace: bool) -> None:
        self._message = system(text)
        self._replace = replace

    def __call__(self, example: Example) -> Example:
        """The example with the system prompt; one that has its own keeps it, unless it is to be replaced."""
        turns = tuple(message for message in example.messages if message.role not in SYSTEM_ROLES)
        if len(turns) < len(example.messages) and not self._replace:
            return example
        return attrs.evolve(example, messages=(self._message, *turns))


def naming_instruction(examples: Iterable[Example]) -> str:
    """A system prompt that names all labels, so that a model that isn't tuned can choose one too.

    Raises:
        UsageError: The answers are free text.
    """
    found = find_labels(examples)
    if found is None:
        raise UsageError("the answers are free text, so there are no labels to name; give the instruction as text")
    return f"Classify the message. Answer with one of: {', '.join(sorted(found.classes))}."


def _usual(groups: Mapping[str, Counter[str]]) -> set[str]:
    """The most frequent answers, as many as make up 80 % of the rows."""
    total, reached = sum(found.total() for found in groups.values()), 0
    usual: set[str] = set()
    for key, found in sorted(groups.items(), key=lambda item: -item[1].total()):
        if reached >= _USUAL_SHARE * total:
            break
        usual.add(key)
        reached += found.total()
    return usual


def _covered(groups: Mapping[str, Counter[str]]) -> bool:
    """Whether nearly all rows share their answer with another row."""
    repeated = [found.total() for found in groups.values() if found.total() > 1 and _one_line(found)]
    total = sum(found.total() for found in groups.values())
    return len(repeated) > 0 and sum(repeated) >= _CLOSED_SHARE * total


def _one_line(found: Counter[str]) -> bool:
    return "\n" not in next(iter(found)).strip()


@attrs.frozen
class _Shape:
    """How labels look: no longer than this, and raw JSON only where the usual ones are."""

    longest: float
    json: bool

    @classmethod
    def of(cls, usual: set[str], groups: Mapping[str, Counter[str]]) -> "_Shape":
        texts = [next(iter(groups[key])).strip() for key in usual]
        return cls(_LONGER * max(map(len, texts)) + _MORE_CHARACTERS, any(_json(text) for text in texts))

    def fits(self, found: Counter[str]) -> bool:
        text = next(iter(found)).strip()
        return len(text) <= self.longest and _one_line(found) and (self.json or not _json(text))


def _json(text: str) -> bool:
    return text[:1] in ("{", "[")


class _Named:
    """Which labels the system prompts name, and how they spell them."""

    def __init__(self, prompts: set[str]) -> None:
        few = len(prompts) <= _MOST_PROMPTS  # with a prompt for each row, prompts are data and no instruction
        self._texts = tuple(prompts) if few else ()
        self._keys = tuple(_BETWEEN.sub(" ", normalize(text)) for text in self._texts)

    def __call__(self, key: str) -> bool:
        """Whether a prompt names the label of this key."""
        pattern = re.compile(rf"(?<!\w){re.escape(key)}(?!\w)")
        return any(pattern.search(text) for text in self._keys)

    def spelled(self, label: str) -> bool:
        """Whether a prompt has exactly this text."""
        return any(label in text for text in self._texts)


def _labels(answers: Counter[str], groups: Mapping[str, Counter[str]], chosen: set[str], named: _Named) -> LabelSet:
    classes: dict[str, int] = {}
    spellings: dict[str, str] = {}
    for key in sorted(chosen, key=lambda key: (-groups[key].total(), key)):
        usual = _usual_spelling(groups[key], named)
        spellings |= dict.fromkeys(groups[key], usual)
        classes[usual.strip()] = groups[key].total()
    strays = {answer: count for answer, count in answers.most_common() if answer.strip() and answer not in spellings}
    return LabelSet(classes=classes, spellings=spellings, strays=strays)


def _usual_spelling(found: Counter[str], named: _Named) -> str:
    """As the prompt names it, else as most rows write it, else the plainest; with spaces around it where most have."""
    stripped: Counter[str] = Counter()
    for answer, count in found.items():
        stripped[answer.strip()] += count

    def rank(label: str) -> tuple[bool, int, bool, bool, str]:
        return not named.spelled(label), -stripped[label], label != label.strip(_AROUND), not label.islower(), label

    usual = min(stripped, key=rank)
    spaced = [answer for answer in found if answer.strip() == usual and 2 * found[answer] > found.total()]
    return spaced[0] if spaced else usual
