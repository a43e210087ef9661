"""Running the rules over a data set."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from finetuner._core.codec import encode
from finetuner._core.types import Json
from finetuner.data import formats
from finetuner.data.checks.report import Collector, ValidationReport
from finetuner.data.checks.rules import RecordRule, RuleSet
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_object, kind


class Records(Protocol):
    """What is checked: the rows of a data set as they would be sent."""

    @property
    def format(self) -> str | None:
        """Name of the format in which they are, None where they are in none."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies on the disk, None where it would have to be written first."""
        ...

    @property
    def blank_lines(self) -> int:
        """Empty lines in the file."""
        ...

    @property
    def pairs(self) -> bool:
        """Whether it holds preference pairs."""
        ...

    def __len__(self) -> int:
        """How many rows."""
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


def check(
    data: Records, rules: RuleSet, *, source: str, count_tokens: Callable[[int], int] | None = None
) -> ValidationReport:
    """All problems of a data set.

    Args:
        data: What is checked.
        rules: What the provider takes.
        source: Name of the data.
        count_tokens: Tokens of the example at a row, for the limit of tokens; None leaves that check out.
    """
    name, rule = _kind(data, rules)
    found = Collector()
    if rule is None:
        problem = Problem(
            code="pairs_not_supported",
            message=f"{rules.provider} doesn't train on preference pairs",
            fix="Keep the preferred answers only, or choose another provider",
        )
        found.add([problem], file=source, line=None, row=None)
    else:
        wire, size = formats.get(name), 0
        for row in range(len(data)):
            record = data.record(row, wire)
            length, problems = _length(record), list(_row(record, rule))
            if length is None:
                problems.append(_SURROGATE)
            size += length or 0
            if count_tokens is not None and not any(problem.severity == "error" for problem in problems):
                problems += _tokens(row, length or 0, rules, count_tokens)
            found.add(problems, file=data.file(row), line=data.line(row), row=row)
        found.add(_whole(data, rules, name, size), file=source, line=None, row=None)
    return found.report(source=source, provider=rules.provider, model=rules.model, format=name, examples=len(data))


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


def _kind(data: Records, rules: RuleSet) -> tuple[str, RecordRule | None]:
    if not data.pairs:
        return rules.format, rules.check_record
    return rules.preference_format or rules.format, rules.check_preference


def _row(record: Json | Problem, rule: RecordRule) -> Iterator[Problem]:
    if isinstance(record, Problem):
        yield record
    elif not is_object(record):
        yield Problem(
            code="not_an_object", message=f"the line is {kind(record)}", fix="Each line must be one JSON object: {…}"
        )
    else:
        yield from rule(record)


def _tokens(row: int, length: int, rules: RuleSet, count: Callable[[int], int]) -> Iterator[Problem]:
    limit = rules.max_tokens_per_example
    # A token is at least a byte, so that short lines needn't be counted.
    if limit is None or length <= limit:
        return
    n = count(row)
    if n > limit:
        yield Problem(
            code="too_long",
            severity="warning",
            message=f"about {n:,} tokens are more than {limit:,}; {rules.provider} cuts the example off at the end, "
            "where the answer stands",
            fix="Shorten or split it",
        )


def _whole(data: Records, rules: RuleSet, format: str, written: int) -> Iterator[Problem]:
    n = len(data)
    size = data.size if data.size is not None else written
    if rules.min_examples is not None and n < rules.min_examples:
        yield Problem(
            code="insufficient_examples",
            message=f"{rules.provider} needs at least {rules.min_examples} examples; there {_are(n)}",
            fix=f"Add at least {rules.min_examples - n}; from 50 on a difference shows, 500 to 1,000 are best",
        )
    elif rules.recommended_examples is not None and n < rules.recommended_examples:
        yield Problem(
            code="few_examples",
            severity="warning",
            message=f"at least {rules.recommended_examples} examples are recommended; there {_are(n)}",
            fix="Add more; 500 to 1,000 are best",
        )
    if rules.max_examples is not None and n > rules.max_examples:
        yield Problem(
            code="too_many_examples",
            message=f"{rules.provider} takes at most {rules.max_examples:,} examples; there {_are(n)}",
            fix="Sample them: Dataset.sample",
        )
    if rules.max_file_bytes is not None and size > rules.max_file_bytes:
        yield Problem(
            code="file_too_large",
            message=f"{size:,} bytes are more than the {rules.max_file_bytes:,} that {rules.provider} takes",
            fix="Sample or split the data",
        )
    if data.format not in (None, format, "finetuner"):
        yield Problem(
            code="other_format",
            severity="warning",
            message=f"the data is in the format {data.format}; it was checked as it would be converted to {format}",
            fix=f"Before you upload the file yourself: fine-tuner-cc convert FILE --to {format}",
        )
    if data.blank_lines:
        yield Problem(
            code="blank_lines",
            severity="warning",
            message=f"the file has {data.blank_lines:,} empty lines, which were skipped",
            fix="Write it again with Dataset.write",
        )
    yield from rules.findings


def _are(n: int) -> str:
    return f"is {n:,}" if n == 1 else f"are {n:,}"
