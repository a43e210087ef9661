"""What checks found, by kind and subject: the evidence that the workflow's checkpoints read."""

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
from sqlalchemy import insert, select
from sqlalchemy.engine import Row

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.codec import decode, to_json
from finetuner._core.types import Json
from finetuner.errors import UsageError
from finetuner.records.journal import Journal
from finetuner.records.tables import findings

KINDS: Final = (
    "validation",  # subject: a data set's fingerprint
    "analysis",
    "review",
    "human-review",
    "split",  # subject: the fingerprint of the whole
    "evaluation",  # subject: a model's name
    "comparison",
    "regression",
    "judge",
    "approval",  # a person approved the model's outputs
    "drift",  # subject: a rollout's name
    "rollback-plan",
    "notification",  # the team was told
)
"""What can be found. Each says in its comment, or in that of the one above it, what its subject is."""


@attrs.frozen(kw_only=True)
class Finding:
    """One check and what came of it.

    Attributes:
        kind: One of `KINDS`.
        subject: What was checked: a data set's fingerprint, a model's name, a rollout's name.
        passed: Whether it is good enough to go on.
        evidence: The figures behind it, as JSON: what a person needs to believe it.
        created_at: Seconds since the epoch.
    """

    kind: str
    subject: str
    passed: bool
    evidence: Mapping[str, Json]
    created_at: float


@attrs.frozen
class Findings:
    """The journal's findings. Nothing is overwritten: the newest of a kind counts."""

    journal: Journal
    clock: Clock = SYSTEM_CLOCK

    def add(self, kind: str, subject: str, *, passed: bool, evidence: Mapping[str, Json]) -> Finding:
        """Write a finding down.

        Raises:
            UsageError: The kind isn't one of `KINDS`.
        """
        _known(kind)
        found = Finding(kind=kind, subject=subject, passed=passed, evidence=evidence, created_at=self.clock.now())
        with self.journal.transaction() as connection:
            connection.execute(
                insert(findings).values(
                    kind=kind,
                    subject=subject,
                    passed=int(passed),
                    evidence=to_json(dict(evidence)),
                    created_at=found.created_at,
                )
            )
        return found

    def latest(self, kind: str, subject: str | None = None) -> Finding | None:
        """The newest finding of a kind, about one subject or any; None where there is none."""
        return next(iter(self.all(kind, subject)), None)

    def all(self, kind: str, subject: str | None = None) -> tuple[Finding, ...]:
        """All findings of a kind, about one subject or any, the newest first."""
        _known(kind)
        query = select(findings).where(findings.c.kind == kind).order_by(findings.c.number.desc())
        if subject is not None:
            query = query.where(findings.c.subject == subject)
        with self.journal.transaction() as connection:
            return tuple(_finding(row) for row in connection.execute(query))


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise UsageError(f"unknown kind of finding {kind!r}; known: {', '.join(KINDS)}")


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        kind=row.kind,
        subject=row.subject,
        passed=bool(row.passed),
        evidence=cast("dict[str, Json]", decode(row.evidence)),
        created_at=row.created_at,
    )
