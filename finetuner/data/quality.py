"""Review of single examples: what a careful person would stop at, found by rules."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Final, Literal

import attrs
import numpy as np

from finetuner._core.codec import decode
from finetuner.data import privacy
from finetuner.data.conflicts import ConflictFinder
from finetuner.data.duplicates import find_in
from finetuner.data.examples import Example
from finetuner.data.labels import LabelSet, find_labels, written_label
from finetuner.data.mislabels import likely_mislabels
from finetuner.data.ports import ExampleJudge, Examples, Rows
from finetuner.data.text import normalize, request_texts, shorten
from finetuner.errors import DataFormatError

Severity = Literal["error", "warning"]
Seen = tuple[str, Severity, str]
"""Code, severity, and what was seen."""

_SHORT_TOKENS = 2
_REPEATED = 5
_LONG_ANSWER = 40
_FEW = 20
_WITHOUT_MARK = 0.1
_SHOWN = 8
_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_FIRST = {
    "format_error": "",
    "empty_response": " (flag for removal)",
    "duplicate_input": " (flag for review)",
}
_RARE_JSON = 0.5
_TEMPLATE = re.compile(r"\{\{[^{}]{1,60}\}\}|\[(?:INSERT|YOUR|NAME|TODO)[^\]]{0,40}\]|lorem ipsum", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"\bas an ai\b|\bas a language model\b|\bi(?:'m| am) sorry,? but i can(?:'t|not)\b|\bi can(?:'t|not) assist\b",
    re.IGNORECASE,
)

HEADLINES: Final = {
    "format_error": "Format errors",
    "empty_response": "Empty responses",
    "duplicate_input": "Duplicate inputs",
    "conflicting_answers": "Conflicting answers",
    "secret": "Secrets",
    "truncated_response": "Truncated response",
    "response_is_prompt": "Response identical to input",
    "short_response": "Extremely short response",
    "json_response": "Raw JSON in response",
    "boilerplate": "Refusals and boilerplate",
    "template_leftover": "Template leftovers",
    "repetition": "Repeated words",
    "stray_answer": "Answers that are none of the labels",
    "label_spelling": "Inconsistent label spelling",
    "likely_mislabel": "Labels that similar requests contradict",
    "personal_data": "Personal data",
    "judge": "Failed by the judge",
}
"""Codes of findings, and how they are called for people."""

SUSPICIOUS: Final = frozenset(
    {
        "response_is_prompt",
        "short_response",
        "truncated_response",
        "json_response",
        "boilerplate",
        "template_leftover",
        "repetition",
        "stray_answer",
    }
)
"""Codes that are counted together as suspicious patterns."""


@attrs.frozen(kw_only=True)
class Flag:
    """Something to look at in one example.

    Attributes:
        row: 0-based row.
        line: 1-based line of its file.
        code: One of `HEADLINES`.
        severity: `error` for what shouldn't be trained on, else `warning`.
        message: What was seen.
        file: The file.
    """

    row: int
    line: int
    code: str
    severity: Severity
    message: str
    file: str = ""


@attrs.frozen(kw_only=True, eq=False)
class Review:
    """All flags of a data set.

    Attributes:
        size: How many examples were reviewed.
        flags: In the order of rows.
        with_judge: Whether a judge was asked too.
    """

    size: int
    flags: tuple[Flag, ...]
    with_judge: bool = False

    @property
    def rows(self) -> Rows:
        """0-based rows flagged as errors, shape `(n,)`: what `Dataset.drop(review)` drops."""
        return np.array(sorted({flag.row for flag in self.flags if flag.severity == "error"}), dtype=np.int64)

    @property
    def flagged(self) -> Rows:
        """0-based rows with any flag, shape `(n,)`."""
        return np.array(sorted({flag.row for flag in self.flags}), dtype=np.int64)

    @property
    def to_look_at(self) -> Rows:
        """As `flagged`, without rows that can't be read."""
        torn = [flag.row for flag in self.flags if flag.code == "format_error"]
        return np.setdiff1d(self.flagged, np.array(torn, dtype=np.int64))

    @property
    def counts(self) -> dict[str, int]:
        """How many examples have each code."""
        return dict(Counter(code for code, _ in {(flag.code, flag.row) for flag in self.flags}))

    @property
    def judged(self) -> tuple[int, int] | None:
        """How many answers the judge passed and failed; None where none judged."""
        failed = self.counts.get("judge", 0)
        return (self.size - self.counts.get("format_error", 0) - failed, failed) if self.with_judge else None

    def __str__(self) -> str:
        """Counts with line numbers, for people."""
        counts = self.counts
        suspicious = {flag.row for flag in self.flags if flag.code in SUSPICIOUS}
        lines = [
            f"{HEADLINES[code]}: {counts.get(code, 0):,}{action}{self._places(code)}" for code, action in _FIRST.items()
        ]
        lines.append(f"Suspicious patterns: {len(suspicious):,}")
        for code, headline in HEADLINES.items():
            found = [flag for flag in self.flags if flag.code == code]
            if found and code not in (*_FIRST, "judge"):
                action = "flag for removal" if found[0].severity == "error" else "flag for review"
                indent = "  " if code in SUSPICIOUS else ""
                lines.append(f"{indent}{headline}: {counts[code]:,} ({action}){self._places(code)}")
        if self.judged is not None:
            passed, failed = self.judged
            total = max(1, passed + failed)
            lines += [f"Pass: {passed:,} ({passed / total:.0%})", f"Fail: {failed:,} ({failed / total:.0%})"]
            lines.append(f"Flagged for human review: {failed:,}")
        lines.append(f"Reviewed: {self.size:,} examples, {len(self.flagged):,} flagged")
        return "\n".join(lines)

    def _places(self, code: str) -> str:
        """`: lines 3, 17, …`, with the file's name where there are several files."""
        found = list(dict.fromkeys((flag.file, flag.line) for flag in self.flags if flag.code == code))
        several = len({flag.file for flag in self.flags}) > 1
        shown = [f"{PurePath(file).name}:{line}" if several else str(line) for file, line in found[:_SHOWN]]
        more = ", …" if len(found) > _SHOWN else ""
        return f": {'' if several else 'lines '}{', '.join(shown)}{more}" if found else ""


def review(dataset: Examples, judge: ExampleJudge | None = None) -> Review:
    """Everything in the examples that a careful person would stop at.

    Args:
        dataset: The examples; rows that can't be read are flagged too.
        judge: A model that judges each answer; None for the rules alone.
    """
    examples: list[Example] = []
    rows: list[int] = []
    found: list[tuple[int, Seen]] = []
    for row in range(len(dataset)):
        try:
            examples.append(dataset[row])
            rows.append(row)
        except DataFormatError as error:
            found.append((row, ("format_error", "error", error.problem)))
    lines = [dataset.line(row) for row in rows]
    labels = find_labels(examples)
    usual_end = labels is None and _end_with_marks(examples)
    for place, example in enumerate(examples):
        seen = list(_look(example, closed=labels is not None, usual_end=usual_end))
        objection = None if judge is None else judge.objection(example)
        if objection is not None:
            seen.append(("judge", "warning", objection))
        found += [(rows[place], one) for one in seen]
    found += [(rows[place], one) for place, one in _across(examples, lines, labels)]
    flags = [
        Flag(
            row=row,
            line=dataset.line(row),
            code=code,
            severity=severity,
            message=message,
            file=dataset.file(row),
        )
        for row, (code, severity, message) in found
    ]
    flags.sort(key=lambda flag: (flag.row, flag.code))
    return Review(size=len(dataset), flags=tuple(flags), with_judge=judge is not None)


def _look(example: Example, *, closed: bool, usual_end: bool) -> Iterator[Seen]:
    answer = example.completion
    if not answer.strip():
        if example.answer is None or not example.answer.tool_calls:
            yield "empty_response", "error", "the answer is empty"
        return
    if normalize(answer) == normalize(example.user_text):
        yield "response_is_prompt", "error", "the answer repeats the request"
    if not closed and len(answer.split()) <= _SHORT_TOKENS:
        yield "short_response", "warning", f"the answer has {len(answer.split())} words"
    cut = _cut_off(example, usual_end=usual_end)
    if cut is not None:
        yield "truncated_response", "warning", cut
    if _BOILERPLATE.search(answer):
        yield "boilerplate", "error", "the answer is a refusal or boilerplate"
    leftover = _TEMPLATE.search(answer) or _TEMPLATE.search(example.user_text)
    if leftover:
        yield "template_leftover", "warning", f"a template's {leftover.group(0)!r} is left"
    repeated = _repeated(answer)
    if repeated:
        yield "repetition", "warning", f"{repeated!r} again and again"
    yield from _private(example)


@lru_cache(maxsize=256)
def _kinds(text: str) -> frozenset[str]:
    """Kinds of personal data in a text; system prompts come again and again."""
    return frozenset(found.kind for found in privacy.find(text))


def _private(example: Example) -> Iterator[Seen]:
    kinds = frozenset[str]().union(*map(_kinds, privacy.texts(example)))
    if kinds & privacy.SECRETS:
        yield "secret", "error", ", ".join(sorted(kinds & privacy.SECRETS))
    if kinds - privacy.SECRETS:
        yield "personal_data", "warning", ", ".join(sorted(kinds - privacy.SECRETS))


def _cut_off(example: Example, *, usual_end: bool) -> str | None:
    """Why an answer looks cut off; None where it doesn't."""
    text = example.completion.rstrip()
    if example.metadata.get("finish_reason") in _CUT:
        return "the model stopped because the answer became too long"
    if text.count("```") % 2:
        return "a code block isn't closed"
    if text[:1] in ("{", "[") and text[-1:] not in ("}", "]") and '"' in text:
        return "the JSON ends in the middle"
    if usual_end and len(text) >= _LONG_ANSWER and (text[-1].isalnum() or text[-1] in ",-"):
        return f"the answer ends with {text[-20:]!r}, where others end with a mark"
    return None


def _end_with_marks(examples: Sequence[Example]) -> bool:
    """Whether nearly all longer answers end with a mark, so that one without is worth a look."""
    ends = [text[-1].isalnum() for text in (e.completion.rstrip() for e in examples) if len(text) >= _LONG_ANSWER]
    return len(ends) >= _FEW and sum(ends) <= _WITHOUT_MARK * len(ends)


def _across(examples: Sequence[Example], lines: Sequence[int], labels: LabelSet | None) -> Iterator[tuple[int, Seen]]:
    for removal in find_in(examples, lines, None).removed:
        yield removal.row, ("duplicate_input", "warning", f"same as line {removal.kept_line}")
    conflicts = ConflictFinder()
    for row, example in enumerate(examples):
        conflicts.add(row, example)
    for conflict in conflicts.report(examples.__getitem__, lines.__getitem__, labels):
        answers = ", ".join(shorten(answer, 60) for answer in conflict.answers)
        for row in conflict.rows:
            yield row, ("conflicting_answers", "warning", f"the same request is answered: {answers}")
    json = [row for row, example in enumerate(examples) if _is_json(example.completion)]
    if len(json) <= _RARE_JSON * len(examples):  # else it is what the answers should be
        for row in json:
            yield row, ("json_response", "warning", "the answer is raw JSON where others are text")
    if labels is not None:
        yield from _labels(examples, labels)


def _labels(examples: Sequence[Example], labels: LabelSet) -> Iterator[tuple[int, Seen]]:
    usual = [labels.usual(written_label(example)) for example in examples]
    for row, (example, label) in enumerate(zip(examples, usual, strict=True)):
        written = written_label(example)
        if label is None and written.strip():
            message = f"{shorten(written, 60)!r} is none of the {len(labels.classes)} labels"
            yield row, ("stray_answer", "error", message)
        elif label is not None and written != label:
            message = f"{written!r} is usually written {label!r}; harmonize merges spellings"
            yield row, ("label_spelling", "warning", message)
    known = [row for row, label in enumerate(usual) if label is not None]
    texts = request_texts([examples[row] for row in known])
    for doubt in likely_mislabels(texts, [(usual[row] or "").strip() for row in known]):
        row = known[doubt.row]
        yield row, ("likely_mislabel", "warning", f"{(usual[row] or '').strip()!r} looks like {doubt.suggested!r}")


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
