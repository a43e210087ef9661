"""A plan of what can be repaired automatically: shown first, done when it is accepted."""

from collections.abc import Mapping
from typing import Final, Literal, Self

import attrs

from finetuner.data.checks.repairs import Repair, repairs_for
from finetuner.errors import UnknownNameError

REWRITTEN: Final[Mapping[str, str]] = {
    "blank_lines": "leave out empty lines",
    "byte_order_mark": "write without a byte order mark",
    "other_format": "write in the format that was checked",
}
"""Faults of the file alone, which writing it again repairs."""

DROP: Final = "drop"
"""The code of the step that drops the rows that still have errors."""

Way = Literal["change", "rewrite", "drop"]


@attrs.frozen(kw_only=True)
class Fix:
    """One step of a plan.

    Attributes:
        code: Of the problems that it is about; `drop` for the last step.
        way: `change` changes records, `rewrite` changes nothing but the file, `drop` loses rows.
        action: What is done.
        count: How many problems it is about; a row may have several.
    """

    code: str
    way: Way
    action: str
    count: int

    def __str__(self) -> str:
        """`change  wrong_role (3): rename roles…`."""
        return f"{self.way:<7} {self.code} ({self.count:,}): {self.action}"


@attrs.frozen(kw_only=True)
class FixPlan:
    """What can be repaired in a data set, for `Dataset.repair`.

    Attributes:
        provider: For whom.
        model: For which model, None where for any.
        format: The wire format in which records are repaired.
        fixes: The steps, in order.
        left: Codes of problems that need a person: a larger data set, another model.
    """

    provider: str
    model: str | None
    format: str
    fixes: tuple[Fix, ...]
    left: tuple[str, ...]

    @classmethod
    def of(
        cls, counts: Mapping[str, int], on_rows: frozenset[str], *, provider: str, model: str | None, format: str
    ) -> Self:
        """The plan for the problems of a report.

        Args:
            counts: How many problems of each code there are.
            on_rows: The codes that are errors of single rows.
            provider: For whom.
            model: For which model.
            format: The wire format that was checked.
        """
        known: dict[str, Repair] = {repair.code: repair for repair in repairs_for(format)}
        fixes = [
            Fix(code=code, way="change", action=known[code].action, count=counts[code])
            for code in known
            if code in counts
        ]
        fixes += [
            Fix(code=code, way="rewrite", action=action, count=counts[code])
            for code, action in REWRITTEN.items()
            if code in counts
        ]
        if on_rows:
            hopeless = sorted(on_rows - known.keys())
            which = f", such as those with {', '.join(hopeless)}" if hopeless else ""
            action = f"drop the rows that have errors even then{which}"
            fixes.append(Fix(code=DROP, way="drop", action=action, count=sum(counts[code] for code in hopeless)))
        covered = {fix.code for fix in fixes} | on_rows
        left = tuple(code for code in counts if code not in covered)
        return cls(provider=provider, model=model, format=format, fixes=tuple(fixes), left=left)

    def only(self, *codes: str) -> Self:
        """The plan with these steps alone.

        Raises:
            UnknownNameError: The plan has no such step.
        """
        self._known(codes)
        return attrs.evolve(self, fixes=tuple(fix for fix in self.fixes if fix.code in codes))

    def without(self, *codes: str) -> Self:
        """The plan without these steps.

        Raises:
            UnknownNameError: The plan has no such step.
        """
        self._known(codes)
        return attrs.evolve(self, fixes=tuple(fix for fix in self.fixes if fix.code not in codes))

    @property
    def drops(self) -> bool:
        """Whether rows that still have errors are dropped."""
        return any(fix.code == DROP for fix in self.fixes)

    def repairs(self) -> tuple[Repair, ...]:
        """The changes of records, in order."""
        codes = {fix.code for fix in self.fixes}
        return tuple(repair for repair in repairs_for(self.format) if repair.code in codes)

    def _known(self, codes: tuple[str, ...]) -> None:
        steps = [fix.code for fix in self.fixes]
        for code in codes:
            if code not in steps:
                raise UnknownNameError(f"the plan has no step {code!r}; its steps are {', '.join(steps) or 'none'}")

    def __str__(self) -> str:
        """The steps, one a line, then what is left to a person."""
        lines = list(map(str, self.fixes)) or [
            "nothing can be repaired automatically" if self.left else "nothing to repair"
        ]
        if self.left:
            lines.append(f"for a person: {', '.join(self.left)}")
        return "\n".join(lines)
