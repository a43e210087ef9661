"""Exact match: the answer is the expected text, character by character."""

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric


@attrs.frozen
class ExactMatch(MeanMetric):
    """Share of answers equal to the expected text, white space at both ends aside."""

    name: str = "exact_match"

    def grade(self, case: Case) -> Grade:
        """1 for equal texts, else 0."""
        answer = case.answer.strip()
        return Grade(expected=case.expected, value=float(answer == case.expected.strip()), parsed=answer)
