"""What can be asked about a data set for a provider: its problems, their repair, its tokens; on one core or on many."""

from collections.abc import Mapping
from datetime import date
from typing import Protocol, Self

from finetuner._core.types import Json
from finetuner.data import scale
from finetuner.data.checks.plan import FixPlan
from finetuner.data.checks.report import ValidationReport
from finetuner.data.checks.rules import rules_for
from finetuner.data.ports import Examples
from finetuner.data.repairing import repaired
from finetuner.data.rows import View
from finetuner.data.tokens import TokenCounts
from finetuner.errors import InvalidDataError


class Asking(Examples, Protocol):
    """What any data set answers that is a view of rows."""

    source: str

    @property
    def rows_view(self) -> View:
        """The rows behind it."""
        ...

    def with_view(self, verb: str, parameters: Mapping[str, Json], view: View) -> Self:
        """The same data set with other rows behind it, remembering what was done."""
        ...

    def drop(self, what: ValidationReport, /) -> Self:
        """Without the rows that a report names."""
        ...

    def check(
        self,
        provider: str,
        model: str | None = None,
        on: date | None = None,
        *,
        method: str | None = None,
        engine: str | None = None,
    ) -> ValidationReport:
        """All problems that a provider would have with the data; never raises for bad data.

        A file in the provider's format is checked as it lies on the disk, other data as it would be converted.

        Args:
            provider: Such as `openai`.
            model: The base model to be tuned; None for any.
            on: The day of the training; today (UTC) by default.
            method: `supervised`, `preference` or `reinforcement`; by default what the data looks like.
            engine: One of `finetuner.data.scale.ENGINES`; by default more than one process where the files are large.

        Raises:
            UnknownNameError: Nobody knows the provider, or there is no such engine.
            UsageError: There is no such method.
        """
        rules = rules_for(provider, model, on)
        return scale.check(self.rows_view, rules, source=self.source, method=method, on=on, engine=engine)

    def validate(
        self,
        provider: str,
        model: str | None = None,
        on: date | None = None,
        *,
        method: str | None = None,
        engine: str | None = None,
    ) -> Self:
        """Check, and go on only when there are no errors. The arguments are those of `check`.

        Returns:
            The data set itself.

        Raises:
            InvalidDataError: There are errors; `.report` holds the `ValidationReport`.
        """
        report = self.check(provider, model, on, method=method, engine=engine)
        if not report.ok:
            raise InvalidDataError(str(report), report=report)
        return self

    def repair(self, plan: FixPlan) -> Self:
        """With everything repaired that a plan says, and without the rows that it drops.

        Records are repaired when they are read. `report.fix_plan()` makes the plan; leave out what you don't accept
        with `plan.without(…)`.

        Args:
            plan: What to do.
        """
        view = repaired(self.rows_view, plan)
        steps = [fix.code for fix in plan.fixes]
        data = self.with_view("repair", {"provider": plan.provider, "steps": steps}, view)
        return data.drop(data.check(plan.provider, plan.model)) if plan.drops else data

    def tokens(self, model: str | None = None, *, engine: str | None = None) -> TokenCounts:
        """Tokens of all examples. See `finetuner.data.tokens`.

        Args:
            model: The model's name (tuned names mean their base); None counts as OpenAI's current models do.
            engine: One of `finetuner.data.scale.ENGINES`; by default more than one process where the files are large.

        Raises:
            DataFormatError: At the first line that can't be read.
            UnknownNameError: There is no such engine.
        """
        return scale.count_tokens(self, self.rows_view, model, engine=engine)
