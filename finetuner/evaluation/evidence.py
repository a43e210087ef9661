"""Findings on models, as the workflow's *Evaluation complete* checkpoint reads them."""

from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.gate import RegressionResult
from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.results import Evaluation
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.records.findings import Finding, Findings

PASS_RATE: Final = 0.9
"""Share of answers that a judge must pass: the lower end of its interval counts."""


@attrs.frozen
class ModelEvidence:
    """Writes findings about one model.

    Attributes:
        findings: Where they go.
        model: `provider:model`.
    """

    findings: Findings
    model: str

    def evaluation(self, result: Evaluation, threshold: float | None = None) -> Finding:
        """Passed where the deciding metric reaches the threshold on rows that all have an answer.

        Args:
            result: What came out.
            threshold: What the deciding metric must reach; without one nothing is passed.
        """
        value, counts = result.value, result.counts
        passed = threshold is not None and value is not None and value.value >= threshold and counts.errored == 0
        return self._add(
            "evaluation",
            passed,
            dataset=result.dataset,
            metric=result.primary,
            **_figures(value),
            threshold="none given: evaluate with a threshold" if threshold is None else threshold,
            rows=counts.attempted,
            errors=counts.errored,
        )

    def judged(self, report: JudgeReport) -> Finding:
        """Passed where the judge can be believed and its pass rate is above 90 % beyond chance."""
        rate = report.corrected_pass_rate or report.pass_rate
        passed = report.void is None and rate is not None and rate.low > PASS_RATE
        return self._add(
            "judge",
            passed,
            judge=report.model,
            rubric=report.rubric,
            **_figures(rate),
            judged=report.judged,
            calibration="valid" if report.corrected_pass_rate is not None else "; ".join(report.notes) or "none",
            void=report.void or "no",
        )

    def comparison(self, result: Comparison) -> Finding:
        """Passed where the tuned model is better."""
        return self._add(
            "comparison",
            result.verdict == "better",
            base=result.base.model,
            metric=result.primary,
            **_figures(result.difference),
            p_value=result.p_value,
            verdict=result.explanation,
        )

    def regression(self, result: RegressionResult) -> Finding:
        """Passed where the gate passes."""
        return self._add(
            "regression",
            result.outcome == "pass",
            benchmark=result.benchmark,
            margin=result.margin,
            **_figures(result.difference),
            outcome=result.outcome or "no base model to compare with",
        )

    def _add(self, kind: str, passed: bool, **evidence: Json) -> Finding:
        return self.findings.add(kind, self.model, passed=passed, evidence=evidence)


def _figures(value: Estimate | None) -> dict[str, Json]:
    if value is None:
        return {"value": None}
    return {"value": round(value.value, 4), "low": round(value.low, 4), "high": round(value.high, 4), "n": value.n}
