"""SQuAD's two numbers: the best match with any of several references, words and spellings normalized.

Source: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1. References stand in an example's metadata, `references`.
"""

from collections.abc import Callable
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.data.shapes import is_list
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric
from finetuner.evaluation.metrics.token_f1 import token_f1, words

REFERENCES: Final = "references"


@attrs.frozen
class ReferenceExact(MeanMetric):
    """Share of answers equal to one of the references; English articles, punctuation and case don't count."""

    name: str = "reference_exact"

    def grade(self, case: Case) -> Grade:
        """1 where a reference is met, else 0."""
        return _best(case, lambda wanted: float(words(wanted) == words(case.answer)))


@attrs.frozen
class ReferenceF1(MeanMetric):
    """Mean of the best token F1 with any of the references."""

    name: str = "reference_f1"

    def grade(self, case: Case) -> Grade:
        """The best F1, 0..1."""
        return _best(case, lambda wanted: token_f1(wanted, case.answer))


def _best(case: Case, score: Callable[[str], float]) -> Grade:
    given: Json = case.example.metadata.get(REFERENCES)
    references = [str(each) for each in given] if is_list(given) else [case.expected]
    return Grade(expected=case.expected, value=max(map(score, references)), parsed=case.answer)
