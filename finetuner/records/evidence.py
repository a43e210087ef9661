"""Findings on data, as the workflow's *Data ready* checkpoint reads them: what passes, and the figures behind it."""

import attrs

from finetuner._core.types import Json
from finetuner.data.analysis import Analysis
from finetuner.data.checks.report import ValidationReport
from finetuner.data.quality import Review
from finetuner.data.splitting import Proof
from finetuner.records.findings import Finding, Findings


@attrs.frozen
class DataEvidence:
    """Writes findings about one data set.

    Attributes:
        findings: Where they go.
        fingerprint: The data set's.
    """

    findings: Findings
    fingerprint: str

    def validation(self, report: ValidationReport) -> Finding:
        """Passed without an error."""
        return self._add(
            "validation",
            report.ok,
            provider=report.provider,
            examples=report.examples,
            errors=len(report.errors),
            warnings=len(report.warnings),
        )

    def analysis(self, analysis: Analysis) -> Finding:
        """Passed where neither the balance nor the duplicates alarm."""
        return self._add(
            "analysis",
            "alarm" not in (analysis.balance_level, analysis.duplicate_level),
            examples=analysis.size,
            classes=len(analysis.classes),
            balance=round(analysis.balance, 2),
            exact_duplicates=round(analysis.exact_duplicates, 4),
            near_duplicates=round(analysis.near_duplicates, 4),
            conflicts=len(analysis.conflicts),
        )

    def review(self, review: Review) -> Finding:
        """Passed where nothing is flagged for removal."""
        return self._add(
            "review",
            len(review.rows) == 0,
            examples=review.size,
            for_removal=len(review.rows),
            flagged=len(review.flagged),
        )

    def split(self, proof: Proof, *, train: str, val: str, test: str) -> Finding:
        """Passed where nothing stands in two parts.

        Args:
            proof: What the split proves.
            train: Fingerprint of the training part, which ties a job to the data that was split.
            val: Of the validation part.
            test: Of the test part.
        """
        counts: list[Json] = [*proof.counts]
        shared = proof.shared_exact + proof.shared_near + (proof.shared_groups or 0)
        return self._add("split", not proof.leaks, counts=counts, shared=shared, train=train, val=val, test=test)

    def _add(self, kind: str, passed: bool, **evidence: Json) -> Finding:
        return self.findings.add(kind, self.fingerprint, passed=passed, evidence=evidence)
