"""ROUGE through Google's `rouge-score` (extra `text`)."""

from functools import cache
from typing import Any, Literal

import attrs

from finetuner._core import extras
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

Kind = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
"""Shared words, shared pairs of words, longest common subsequence of the text, or of each of its lines."""


def _named(metric: "Rouge") -> str:
    return metric.kind.lower().replace("rouge", "rouge_")


@attrs.frozen
class Rouge(MeanMetric):
    """Mean F-measure of ROUGE, without stemming.

    Source: Lin 2004, *ROUGE: a package for automatic evaluation of summaries*.

    Attributes:
        kind: Which one.
        name: `rouge_1`, `rouge_2`, `rouge_l` or `rouge_lsum`.
    """

    kind: Kind = "rougeL"
    name: str = attrs.field(init=False, default=attrs.Factory(_named, takes_self=True))

    def grade(self, case: Case) -> Grade:
        """The F-measure of one answer, 0..1."""
        score = _scorer(self.kind).score(case.expected, case.answer)[self.kind].fmeasure
        return Grade(expected=case.expected, value=float(score), parsed=case.answer)


@cache
def _scorer(kind: Kind) -> Any:
    module = extras.require("rouge_score.rouge_scorer", extra="text", feature="ROUGE")
    return module.RougeScorer([kind], use_stemmer=False)
