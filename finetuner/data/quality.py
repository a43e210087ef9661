"""Review of single examples: what a careful person would stop at, found by rules."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal, Protocol

import attrs
import numpy as np

from finetuner._core.codec import decode
from finetuner.data import privacy
from finetuner.data.analysis import conflicts
from finetuner.data.duplicates import find_in
from finetuner.data.examples import Example
from finetuner.data.labels import LabelSet, find_labels, written_label
from finetuner.data.mislabels import likely_mislabels
from finetuner.data.ports import Examples, Rows
from finetuner.data.text import normalize, request_texts, shorten

Severity = Literal["error", "warning"]

_SHORT_TOKENS = 2
_REPEATED = 5
_RARE_JSON = 0.5
_TEMPLATE = re.compile(r"\{\{[^{}]{1,60}\}\}|\[(?:INSERT|YOUR|NAME|TODO)[^\]]{0,40}\]|lorem ipsum", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"\bas an ai\b|\bas a language model\b|\bi(?:'m| am) sorry,? but i can(?:'t|not)\b|\bi can(?:'t|not) assist\b",
    re.IGNORECASE,
)

HEADLINES: Final = {
    "empty_response": "Empty responses",
    "duplicate_input": "Duplicate inputs",
    "conflicting_answers": "Conflicting answers",
    "response_is_prompt": "Response identical to input",
    "short_response": "Extremely short response",
    "json_response": "Raw JSON in response",
    "boilerplate": "Refusals and boilerplate",
    "template_leftover": "Template leftovers",
    "repetition": "Repeated words",
    "stray_answer": "Answers that are none of the labels",
    "label_spelling": "Inconsistent label spelling",
    "likely_mislabel": "Labels that similar requests contradict",
    "personal_data": "Personal data or secrets",
    "judge": "Failed by the judge",
}
"""Codes of findings, and how they are called for people."""


@attrs.frozen(kw_only=True)
class Flag:
    """Something to look at in one example.

    Attributes:
        row: 0-based row.
        line: 1-based line of its file.
        code: One of `HEADLINES`.
        severity: `error` for what shouldn't be trained on, else `warning`.
        message: What was seen.
    """

    row: int
    line: int
    code: str
    severity: Severity
    message: str


@attrs.frozen(kw_only=True, eq=False)
class Review:
    """All flags of a data set.

    Attributes:
        size: How many examples were reviewed.
        flags: In the order of rows.
    """

    size: int
    flags: tuple[Flag, ...]

    @property
    def rows(self) -> Rows:
        """0-based rows flagged as errors, shape `(n,)`: what `Dataset.drop(review)` drops."""
        return np.array(sorted({flag.row for flag in self.flags if flag.severity == "error"}), dtype=np.int64)

    @property
    def flagged(self) -> Rows:
        """0-based rows with any flag, shape `(n,)`."""
        return np.array(sorted({flag.row for flag in self.flags}), dtype=np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """How many examples have each code."""
        return dict(Counter(code for code, _ in {(flag.code, flag.row) for flag in self.flags}))

    def __str__(self) -> str:
        """Counts with line numbers, for people."""
        lines = [f"Reviewed: {self.size:,} examples, {len(self.flagged):,} flagged"]
        for code, headline in HEADLINES.items():
            found = [flag for flag in self.flags if flag.code == code]
            if found:
                action = "flag for removal" if found[0].severity == "error" else "flag for review"
                shown = ", ".join(str(flag.line) for flag in found[:8]) + (", …" if len(found) > 8 else "")  # noqa: PLR2004  # a line's worth
                lines.append(f"{headline}: {len(found):,} ({action}): lines {shown}")
        return "\n".join(lines)


class ExampleJudge(Protocol):
    """Judges an example's answer: filled in by the evaluation layer."""

    def objection(self, example: Example) -> str | None:
        """Why the answer isn't good, or None when it is."""
        ...


def review(dataset: Examples, judge: ExampleJudge | None = None) -> Review:
    """Everything in the examples that a careful person would stop at.

    Args:
        dataset: The examples.
        judge: A model that judges each answer; None for the rules alone.

    Raises:
        DataFormatError: At the first line that can't be read.
    """
    examples = list(dataset)
    lines = [dataset.line(row) for row in range(len(examples))]
    labels = find_labels(examples)
    flags = [
        Flag(row=row, line=lines[row], code=code, severity=severity, message=message)
        for row, example in enumerate(examples)
        for code, severity, message in _look(example, closed=labels is not None)
    ]
    flags += _across(examples, lines, labels)
    if judge is not None:
        for row, example in enumerate(examples):
            objection = judge.objection(example)
            if objection is not None:
                flags.append(Flag(row=row, line=lines[row], code="judge", severity="warning", message=objection))
    return Review(size=len(examples), flags=tuple(sorted(flags, key=lambda flag: (flag.row, flag.code))))


def _look(example: Example, *, closed: bool) -> Iterator[tuple[str, Severity, str]]:
    answer = example.completion
    if not answer.strip():
        if example.answer is None or not example.answer.tool_calls:
            yield "empty_response", "error", "the answer is empty"
        return
    if normalize(answer) == normalize(example.user_text):
        yield "response_is_prompt", "error", "the answer repeats the request"
    if not closed and len(answer.split()) <= _SHORT_TOKENS:
        yield "short_response", "warning", f"the answer has {len(answer.split())} words"
    if _BOILERPLATE.search(answer):
        yield "boilerplate", "error", "the answer is a refusal or boilerplate"
    leftover = _TEMPLATE.search(answer) or _TEMPLATE.search(example.user_text)
    if leftover:
        yield "template_leftover", "warning", f"a template's {leftover.group(0)!r} is left"
    repeated = _repeated(answer)
    if repeated:
        yield "repetition", "warning", f"{repeated!r} again and again"
    kinds = sorted({found.kind for text in privacy.texts(example) for found in privacy.find(text)})
    if kinds:
        yield "personal_data", "warning", ", ".join(kinds)


def _across(examples: Sequence[Example], lines: Sequence[int], labels: LabelSet | None) -> Iterator[Flag]:
    for removal in find_in(examples, lines, None).removed:
        yield Flag(
            row=removal.row,
            line=removal.line,
            code="duplicate_input",
            severity="warning",
            message=f"same as line {removal.kept_line}",
        )
    for conflict in conflicts(examples, lines, labels):
        answers = ", ".join(conflict.answers)
        for row in conflict.rows:
            yield Flag(
                row=row,
                line=lines[row],
                code="conflicting_answers",
                severity="warning",
                message=f"the same request is answered: {answers}",
            )
    json = [row for row, example in enumerate(examples) if _is_json(example.completion)]
    if len(json) <= _RARE_JSON * len(examples):  # else it is what the answers should be
        for row in json:
            message = "the answer is raw JSON where others are text"
            yield Flag(row=row, line=lines[row], code="json_response", severity="warning", message=message)
    if labels is not None:
        yield from _labels(examples, lines, labels)


def _labels(examples: Sequence[Example], lines: Sequence[int], labels: LabelSet) -> Iterator[Flag]:
    usual = [labels.usual(written_label(example)) for example in examples]
    for row, (example, label) in enumerate(zip(examples, usual, strict=True)):
        written = written_label(example)
        if label is None and written.strip():
            message = f"{shorten(written, 60)!r} is none of the {len(labels.classes)} labels"
            yield Flag(row=row, line=lines[row], code="stray_answer", severity="error", message=message)
        elif label is not None and written != label:
            message = f"{written!r} is usually written {label!r}; harmonize() merges spellings"
            yield Flag(row=row, line=lines[row], code="label_spelling", severity="warning", message=message)
    known = [row for row, label in enumerate(usual) if label is not None]
    texts = request_texts([examples[row] for row in known])
    for doubt in likely_mislabels(texts, [(usual[row] or "").strip() for row in known]):
        row = known[doubt.row]
        message = f"{(usual[row] or '').strip()!r} looks like {doubt.suggested!r}"
        yield Flag(row=row, line=lines[row], code="likely_mislabel", severity="warning", message=message)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _repeated(text: str) -> str | None:
    words = text.split()
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    if trigrams:
        trigram, count = trigrams.most_common(1)[0]
        if count >= _REPEATED:
            return " ".join(trigram)
    return None
