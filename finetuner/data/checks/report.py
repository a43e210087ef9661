"""What a check found."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal, Self

import attrs
import numpy as np

from finetuner.data.checks.plan import FixPlan
from finetuner.data.ports import Rows
from finetuner.data.problems import Problem

KEPT_PER_CODE: Final = 1000
"""How many issues of one code a report holds; its counts are exact all the same."""

_SHOWN: Final = 50


@attrs.frozen(kw_only=True)
class Issue:
    """A problem and its place.

    Attributes:
        code: Stable name, such as `missing_role`.
        severity: `error` where the provider would refuse or mistrain the data, else `warning`.
        line: 1-based line of the file; None where the data as a whole is meant.
        field: Path inside the line, such as `messages[0].role`; empty where the whole line is meant.
        message: What is wrong.
        fix: What to do about it.
        file: The file.
    """

    code: str
    severity: Literal["error", "warning"]
    line: int | None
    field: str
    message: str
    fix: str
    file: str

    @classmethod
    def of(cls, problem: Problem, *, file: str, line: int | None) -> Self:
        """A problem at a place."""
        return cls(
            code=problem.code,
            severity=problem.severity,
            line=line,
            field=problem.field,
            message=problem.message,
            fix=problem.fix,
            file=file,
        )

    def __str__(self) -> str:
        """`line 3: messages[1].role: what is wrong [code]  fix: what to do`."""
        place = ": ".join(part for part in (f"line {self.line}" if self.line else "", self.field) if part)
        text = f"{place}: {self.message} [{self.code}]" if place else f"{self.message} [{self.code}]"
        return f"{text}  fix: {self.fix}" if self.fix else text


@attrs.frozen(kw_only=True, eq=False)
class ValidationReport:
    """All problems of a data set, for one provider.

    Attributes:
        source: Name of the data.
        provider: For whom it was checked.
        model: For which model, None where for any.
        format: The wire format that was checked.
        examples: How many examples were checked.
        issues: In the order of lines, then about the data as a whole; at most `KEPT_PER_CODE` of each code.
        counts: How many of each code there are, exactly.
        n_errors: How many errors there are, exactly.
        n_warnings: How many warnings there are, exactly.
        rows: 0-based rows with at least one error, shape `(n,)`; `Dataset.drop(report)` drops them.
    """

    source: str
    provider: str
    model: str | None
    format: str
    examples: int
    issues: tuple[Issue, ...]
    counts: Mapping[str, int]
    n_errors: int
    n_warnings: int
    rows: Rows = attrs.field(repr=False)

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The issues that are errors."""
        return tuple(issue for issue in self.issues if issue.severity == "error")

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """The issues that are warnings."""
        return tuple(issue for issue in self.issues if issue.severity == "warning")

    def fix_plan(self) -> FixPlan:
        """What can be repaired automatically, for `Dataset.repair`; nothing is done yet."""
        on_rows = frozenset(issue.code for issue in self.errors if issue.line is not None)
        return FixPlan.of(self.counts, on_rows, provider=self.provider, model=self.model, format=self.format)

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return self.n_errors == 0

    def __str__(self) -> str:
        """A line of summary, then the issues, errors first."""
        shown = [*self.errors, *self.warnings][:_SHOWN]
        several = len({issue.file for issue in self.issues}) > 1
        lines = [f"{issue.severity}: {f'{issue.file}: ' if several else ''}{issue}" for issue in shown]
        rest = self.n_errors + self.n_warnings - len(shown)
        if rest:
            per_code = ", ".join(f"{code} {count}" for code, count in self.counts.items())
            lines.append(f"… and {rest:,} more; by code: {per_code}")
        return "\n".join([self.summary, *lines])

    @property
    def summary(self) -> str:
        """One line: what was checked and how it went."""
        verdict = "valid" if self.ok else "not valid"
        errors, warnings = _count(self.n_errors, "error"), _count(self.n_warnings, "warning")
        target = f"{self.provider} ({self.model})" if self.model else self.provider
        return f"{self.source}: {verdict} for {target}: {_count(self.examples, 'example')}, {errors}, {warnings}"


@attrs.frozen(kw_only=True)
class Tally:
    """What was found in some of the rows, as a worker sends it.

    Attributes:
        issues: At most `KEPT_PER_CODE` of each code, in the order of lines.
        counts: How many of each code there are.
        severities: How many of each severity there are.
        rows: 0-based rows with at least one error.
        images: How many examples hold an image.
    """

    issues: tuple[Issue, ...]
    counts: dict[str, int]
    severities: dict[str, int]
    rows: list[int]
    images: int


class Collector:
    """Gathers issues while rows go by, and makes the report of them."""

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._counts: Counter[str] = Counter()
        self._severities: Counter[str] = Counter()
        self._rows = array("q")
        self.images = 0

    def add(self, problems: Iterable[Problem], *, file: str, line: int | None, row: int | None) -> None:
        """Take problems of one place; `row` is None for those of the data as a whole."""
        for problem in problems:
            self._counts[problem.code] += 1
            self._severities[problem.severity] += 1
            if self._counts[problem.code] <= KEPT_PER_CODE:
                self._issues.append(Issue.of(problem, file=file, line=line))
            if row is not None and problem.severity == "error" and (not self._rows or self._rows[-1] != row):
                self._rows.append(row)

    def tally(self) -> Tally:
        """All that was added."""
        return Tally(
            issues=tuple(self._issues),
            counts=dict(self._counts),
            severities=dict(self._severities),
            rows=self._rows.tolist(),
            images=self.images,
        )

    def merge(self, later: Tally) -> None:
        """Take what was found in later rows."""
        free = {code: KEPT_PER_CODE - self._counts[code] for code in later.counts}
        for issue in later.issues:
            free[issue.code] -= 1
            if free[issue.code] >= 0:
                self._issues.append(issue)
        self._counts.update(later.counts)
        self._severities.update(later.severities)
        self._rows.extend(later.rows)
        self.images += later.images

    def report(self, *, source: str, provider: str, model: str | None, format: str, examples: int) -> ValidationReport:
        """The report of all that was added."""
        rows = np.asarray(self._rows, dtype=np.int64)
        rows.flags.writeable = False
        return ValidationReport(
            source=source,
            provider=provider,
            model=model,
            format=format,
            examples=examples,
            issues=tuple(self._issues),
            counts=dict(self._counts),
            n_errors=self._severities["error"],
            n_warnings=self._severities["warning"],
            rows=rows,
        )


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
