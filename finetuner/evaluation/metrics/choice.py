"""Multiple choice: the letter that an answer gives, without guessing."""

import re
from typing import Final

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

_FIRST: Final = re.compile(r"\s*[*_`(\[]*([A-Z])[*_`)\]]*(?=[.:,;)\s]|$)(?!\s+[a-z])")
_SAID: Final = re.compile(r"(?i:answer|option|choice)(?i:\s+is)?\s*:?\s*[*_`(\[]*([A-Z])\b(?!')")


def letter(answer: str) -> str | None:
    """The letter at the start of an answer, or the one that it calls its answer; None for none or several.

    ```pycon
    >>> letter("B"), letter("(C) because it floats"), letter("It floats, so the answer is D.")
    ('B', 'C', 'D')
    >>> letter("A cat would float") is letter("A or B? The answer is B or the answer is A") is None
    True

    ```
    """
    said = set(_SAID.findall(answer))
    if said:
        return said.pop() if len(said) == 1 else None
    first = _FIRST.match(answer)
    return None if first is None else first[1]


@attrs.frozen
class Choice(MeanMetric):
    """Share of answers that give the expected letter."""

    name: str = "choice"

    def grade(self, case: Case) -> Grade:
        """1 for the expected letter, else 0."""
        given = letter(case.answer)
        return Grade(expected=case.expected, value=float(given == case.expected.strip()), parsed=given)
