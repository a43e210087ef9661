"""GSM8K's two numbers exactly as lm-evaluation-harness counts them, odd cases included.

Source: the task `gsm8k` of lm-evaluation-harness 0.4 (filters `strict-match` and `flexible-extract`, exact match that
ignores case, commas, dollar signs, everything up to `#### `, and a full stop at the end).
"""

import re
from typing import Final

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

_STRICT: Final = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED: Final = tuple(re.compile(pattern, flags) for pattern, flags in (
    (",", 0), (r"\$", 0), (".*#### ", re.DOTALL), (r"\.$", 0)
))  # fmt: skip


@attrs.frozen
class HarnessStrict(MeanMetric):
    """Share of answers whose first `#### n` has the expected number: measures the format as well."""

    name: str = "gsm8k_strict"

    def grade(self, case: Case) -> Grade:
        """1 for the expected number, else 0."""
        found = _STRICT.findall(case.answer)
        return _grade(case.expected, found[0].strip() if found else None)


@attrs.frozen
class HarnessFlexible(MeanMetric):
    """Share of answers whose last number is the expected one, whatever the format."""

    name: str = "gsm8k_flexible"

    def grade(self, case: Case) -> Grade:
        """1 for the expected number, else 0."""
        found = _FLEXIBLE.findall(case.answer)
        return _grade(case.expected, next(part for part in found[-1] if part).strip() if found else None)


def _grade(expected: str, given: str | None) -> Grade:
    right = given is not None and _bare(given) == _bare(expected)
    return Grade(expected=expected, value=float(right), parsed=given)


def _bare(text: str) -> str:
    for pattern in _IGNORED:
        text = pattern.sub("", text)
    return text.lower()
