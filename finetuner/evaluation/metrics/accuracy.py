"""Accuracy of a classifier: share of answers whose label is the expected one."""

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric
from finetuner.evaluation.metrics.labels import LabelReader


@attrs.frozen
class Accuracy(MeanMetric):
    """Share of answers that give the expected label; an answer that gives none or several is wrong.

    Attributes:
        reader: Reads labels of a closed set.
        name: Name in results.
    """

    reader: LabelReader
    name: str = "accuracy"

    def grade(self, case: Case) -> Grade:
        """1 where the label read from the answer is the expected one, else 0."""
        parsed = self.reader.read(case.answer)
        return Grade(expected=case.expected, value=float(parsed == case.expected), parsed=parsed)
