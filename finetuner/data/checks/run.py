"""Running the rules over a data set."""

from collections.abc import Iterator
from typing import Final, Protocol

import attrs

from finetuner._core.codec import encode
from finetuner._core.types import Json, JsonObject
from finetuner.data import formats
from finetuner.data.checks import whole
from finetuner.data.checks.quick import QuickLook
from finetuner.data.checks.report import Collector, ValidationReport
from finetuner.data.checks.rules import RecordRule, RuleSet
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object, kind
from finetuner.data.sources.jsonl import Lines
from finetuner.data.tokens import example_length
from finetuner.errors import DataFormatError, UsageError

METHODS: Final = ("supervised", "preference", "reinforcement")
"""What data can be checked for."""

_OWN: Final = "finetuner"


class Records(whole.Facts, Protocol):
    """What is checked: the rows of a data set as they would be sent."""

    @property
    def pairs(self) -> bool:
        """Whether it holds preference pairs."""
        ...

    def record(self, index: int, wire: formats.Format, /) -> Json | Problem:
        """The row as a record of a format; or why it can't be one."""
        ...

    def line(self, index: int, /) -> int:
        """The 1-based line of the row in its file."""
        ...

    def file(self, index: int, /) -> str:
        """The file of the row."""
        ...

    def stretches(self) -> tuple[Lines, ...]:
        """The files, where the rows are all of their lines as they are; else none."""
        ...


@attrs.frozen(kw_only=True)
class Kind:
    """How the rows of a data set are checked.

    Attributes:
        method: One of `METHODS`.
        wire: The format that is checked.
        rule: Finds the problems of a line; None where the provider doesn't train so.
        quick: Recognizes lines without problems; None where nothing is so quick.
        own: Whether the lines are in the format `finetuner`: then metadata is set aside before they are checked.
        model: Whose tokens are counted.
        longest: Most tokens of an example, None where there is no limit.
        provider: For whom, for messages.
    """

    method: str
    wire: formats.Format
    rule: RecordRule | None
    quick: QuickLook | None
    own: bool
    model: str | None
    longest: int | None
    provider: str


def kind_of(data: Records, rules: RuleSet, method: str | None) -> Kind:
    """How a data set is checked.

    Args:
        data: The data set.
        rules: What the provider takes.
        method: For what it is meant; by default what the data looks like and the model can do.

    Raises:
        UsageError: There is no such method.
    """
    if method is None:
        only_reinforcement = rules.methods == (METHODS[2],)
        method = METHODS[1] if data.pairs else METHODS[2] if only_reinforcement else METHODS[0]
    if method not in METHODS:
        raise UsageError(f"no method {method!r}; known: {', '.join(METHODS)}")
    return make_kind(rules, method, own=data.format == _OWN)


def make_kind(rules: RuleSet, method: str, *, own: bool) -> Kind:
    """How lines are checked for a method."""
    name, rule = {
        METHODS[0]: (rules.format, rules.check_record),
        METHODS[1]: (rules.preference_format or rules.format, rules.check_preference),
        METHODS[2]: (rules.format, rules.check_reinforcement),
    }[method]
    own = own and name == "openai"
    quick = (rules.quick_own if own else rules.quick) if method == METHODS[0] else None
    return Kind(
        method=method,
        wire=formats.get(name),
        rule=rule,
        quick=quick,
        own=own,
        model=rules.model,
        longest=rules.max_tokens_per_example,
        provider=rules.provider,
    )


def check(data: Records, rules: RuleSet, *, source: str, method: str | None = None) -> ValidationReport:
    """All problems of a data set.

    Args:
        data: What is checked.
        rules: What the provider takes.
        source: Name of the data.
        method: For what the data is meant: one of `METHODS`; by default what it looks like.
    """
    how, found = kind_of(data, rules, method), Collector()
    written = 0
    stretches = stretches_for(data, how)
    if how.rule is None:
        pass  # `conclude` says so
    elif stretches:
        start = 0
        for lines in stretches:
            check_lines(lines, how, found, first_row=start, first_line=1)
            start += len(lines)
    else:
        written = _check_rows(data, how, how.rule, found)
    return conclude(data, rules, how, found, source=source, written=written)


def stretches_for(data: Records, how: Kind) -> tuple[Lines, ...]:
    """The files whose lines can be checked as they are; none where rows are chosen, changed or converted."""
    return data.stretches() if data.format == how.wire.NAME or how.own else ()


def conclude(
    data: Records, rules: RuleSet, how: Kind, found: Collector, *, source: str, written: int
) -> ValidationReport:
    """The report, with what there is to say about the data as a whole.

    Args:
        data: What was checked.
        rules: What the provider takes.
        how: How it was checked.
        found: What was found in its rows.
        source: Name of the data.
        written: Bytes that the rows would have as lines, where they lie in no file.
    """
    if how.rule is None:
        problems = [whole.method_not_supported(rules, how.method)]
    else:
        problems = list(whole.check(data, rules, how.method, how.wire.NAME, written=written, images=found.images))
    found.add(problems, file=source, line=None, row=None)
    return found.report(
        source=source, provider=rules.provider, model=rules.model, format=how.wire.NAME, examples=len(data)
    )


def check_lines(lines: Lines, how: Kind, found: Collector, *, first_row: int, first_line: int) -> None:
    """Check lines as they lie in a file.

    Args:
        lines: The lines.
        how: How to check them.
        found: Takes the problems.
        first_row: Row of the first line in the data set.
        first_line: Line number of the first line in its file.
    """
    rule, quick = how.rule, how.quick
    longest = float("inf") if how.longest is None else how.longest
    assert rule is not None  # the caller has looked
    for row, raw in enumerate(lines.raws(0, len(lines))):
        if quick is not None and len(raw) <= longest and quick(raw):
            continue
        record = lines.parsed(raw, row)
        if how.own and is_object(record):
            record = {key: value for key, value in record.items() if key != "metadata"}
        problems = list(_problems(record, len(raw), how, rule, found))
        found.add(problems, file=lines.name, line=first_line - 1 + lines.line(row), row=first_row + row)


def _check_rows(data: Records, how: Kind, rule: RecordRule, found: Collector) -> int:
    """Check rows one by one; gives the bytes that they would have as lines."""
    written = 0
    for row in range(len(data)):
        record = data.record(row, how.wire)
        length = _length(record)
        problems = list(_problems(record, length or 0, how, rule, found))
        if length is None:
            problems.append(_SURROGATE)
        written += length or 0
        found.add(problems, file=data.file(row), line=data.line(row), row=row)
    return written


_SURROGATE: Final = Problem(
    code="lone_surrogate",
    message="the text holds half of a surrogate pair, which is no character and can't be written",
    fix="Decode the text again, or replace it",
)


def _length(record: Json | Problem) -> int | None:
    """Bytes of the record as a line, None where it can't be written as UTF-8."""
    if isinstance(record, Problem):
        return 0
    try:
        return len(encode(record)) + 1
    except UnicodeEncodeError:
        return None


def _problems(record: Json | Problem, length: int, how: Kind, rule: RecordRule, found: Collector) -> Iterator[Problem]:
    if isinstance(record, Problem):
        yield record
    elif not is_object(record):
        yield Problem(
            code="not_an_object", message=f"the line is {kind(record)}", fix="Each line must be one JSON object: {…}"
        )
    else:
        errors = False
        for problem in rule(record):
            errors = errors or problem.severity == "error"
            yield problem
        found.images += _has_image(record)
        # A token is at least a byte, so that short lines needn't be counted.
        if not errors and how.longest is not None and length > how.longest:
            yield from _too_long(record, how, how.longest)


def _too_long(record: JsonObject, how: Kind, limit: int) -> Iterator[Problem]:
    try:
        n = example_length(how.wire.from_record(record), how.model)
    except DataFormatError:
        return  # only rules that take what can't be read as an example come here
    if n > limit:
        yield Problem(
            code="too_long",
            severity="warning",
            message=f"about {n:,} tokens are more than {limit:,}; {how.provider} cuts the example off at the end, "
            "where the answer stands",
            fix="Shorten or split it",
        )


def _has_image(record: JsonObject) -> bool:
    """Whether a line holds a picture or another file, in OpenAI's or Gemini's way."""
    turns = record.get("messages", record.get("contents"))
    for turn in turns if is_list(turns) else ():
        inner = turn.get("content", turn.get("parts")) if is_object(turn) else None
        for part in inner if is_list(inner) else ():
            if is_object(part) and (part.get("type") == "image_url" or "fileData" in part or "file_data" in part):
                return True
    return False
