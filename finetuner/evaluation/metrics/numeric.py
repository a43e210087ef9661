"""Numeric answers as GSM8K counts them: strict (`#### n`) and flexible (the last number)."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

_NUMBER = r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+"
_STRICT = re.compile(rf"####\s*({_NUMBER})")
_FLEXIBLE = re.compile(rf"(?<![\w.])(?:{_NUMBER})")


def strict_number(text: str) -> Decimal | None:
    """The number after the last `####`, or None: measures the format as well."""
    return _last(_STRICT.findall(text))


def flexible_number(text: str) -> Decimal | None:
    """The number after `####` where there is one, else the last number in the text: measures the capability."""
    strict = strict_number(text)
    return strict if strict is not None else _last(_FLEXIBLE.findall(text))


@attrs.frozen
class NumericStrict(MeanMetric):
    """Share of answers that end in `#### n` with the expected number."""

    name: str = "numeric_strict"

    def grade(self, case: Case) -> Grade:
        """1 where the number after `####` is the expected one, else 0."""
        return _grade(case.expected, strict_number(case.answer))


@attrs.frozen
class NumericFlexible(MeanMetric):
    """Share of answers whose last number is the expected one, whatever the format."""

    name: str = "numeric_flexible"

    def grade(self, case: Case) -> Grade:
        """1 where the answer's number is the expected one, else 0."""
        return _grade(case.expected, flexible_number(case.answer))


def _grade(expected: str, given: Decimal | None) -> Grade:
    wanted = flexible_number(expected)
    right = given is not None and wanted is not None and given == wanted
    return Grade(expected=expected, value=float(right), parsed=None if given is None else str(given))


def _last(found: Sequence[str]) -> Decimal | None:
    if not found:
        return None
    try:
        return Decimal(found[-1].replace(",", "").replace("$", ""))
    except InvalidOperation:
        return None
