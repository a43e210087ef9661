"""The monthly look at a rollout's two models on fresh rows, and what changed since the last one."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.deployment.wording import figures, shortened
from finetuner.errors import UsageError
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.statistics.domain import require
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.records.evaluations import EvaluationRecord, EvaluationRecords
from finetuner.records.journal import Journal
from finetuner.records.rollouts import DecisionRecord

KIND: Final = "evaluate"
"""Of its entries in a rollout's audit."""

NEW_LABEL_ROWS: Final = 5
"""Rows with a label that nobody knew, from which it is new; fewer may be slips of whoever wrote them."""


@attrs.frozen(kw_only=True)
class Look:
    """How both models did on one set of rows.

    Attributes:
        id: Of the comparison in the journal.
        at: Seconds since the epoch.
        dataset: Fingerprint of the rows.
        source: Where they came from.
        metric: What decides whether an answer is right.
        base: Of the base model; None where no row has its answer.
        tuned: Of the tuned model, likewise.
        difference: Tuned minus base on the rows that both answered.
        verdict: `better`, `worse` or `no difference shown`.
        labels: Of the rows, where the task is to name one; how often each is right.
    """

    id: str
    at: float
    dataset: str
    source: str
    metric: str
    base: Estimate | None
    tuned: Estimate | None
    difference: Estimate
    verdict: str
    labels: Mapping[str, int]


@attrs.frozen(kw_only=True)
class Reevaluation:
    """A look at fresh rows, held against the last one. It is what the audit keeps.

    Attributes:
        look: The new one.
        before: The last one; None for the first.
        change: Of the tuned model's value since then; None where there is none, or it had another metric.
        margin: Points (0 to 1) that it may lose.
        new_labels: Labels of enough fresh rows that no row had before, with how many rows have them.
    """

    look: Look
    before: Look | None
    change: Estimate | None
    margin: float
    new_labels: Mapping[str, int]

    @property
    def fell(self) -> bool | None:
        """Whether the tuned model lost more than the margin; None where its interval leaves that open.

        True too where it is worse than base: whatever it was before, it is no gain any more.
        """
        if self.look.verdict == "worse" or (self.change is not None and self.change.high < -self.margin):
            return True
        shown = self.look.difference if self.change is None else self.change
        return False if shown.low > -self.margin else None

    def __str__(self) -> str:
        """What was measured, what changed, and what that means."""
        look = self.look
        lines = [f"{shortened(look.source)} ({look.dataset[:12]})"]
        lines += [
            f"  {arm}: {_told(look.metric, value)}"
            for arm, value in (("base", look.base), ("tuned", look.tuned))
            if value is not None
        ]
        lines.append(f"  tuned minus base: {_told(f'{look.metric} difference', look.difference)}: {look.verdict}")
        if self.change is not None and self.before is not None:
            since = f"  tuned since the last look ({self.before.dataset[:12]})"
            lines.append(f"{since}: {_told(f'{look.metric} difference', self.change)}")
        if self.new_labels:
            lines.append(
                f"  new labels: {', '.join(f'{name} ({rows} rows)' for name, rows in self.new_labels.items())}"
            )
        meaning = {
            True: "quality fell",
            False: f"quality holds within {self.margin:.1%}",
            None: f"not enough rows to tell whether {self.margin:.1%} were lost",
        }
        return "\n".join([*lines, meaning[self.fell]])


def require_fresh(dataset: str, audit: Sequence[DecisionRecord]) -> None:
    """Hold that rows weren't looked at before.

    Raises:
        UsageError: They were: a model chosen or retrained after a look isn't measured by the same rows again.
    """
    if any(each.look.dataset == dataset for each in kept(audit)):
        raise UsageError(
            f"the rows {dataset[:12]} were evaluated for this rollout before: "
            "give fresh ones, such as this month's requests with their right answers"
        )


def looked(comparison: Comparison, at: float) -> Look:
    """What the audit keeps of a comparison."""
    tuned = comparison.tuned
    return Look(
        id=comparison.id,
        at=at,
        dataset=tuned.dataset,
        source=tuned.source,
        metric=comparison.primary,
        base=comparison.base.value,
        tuned=tuned.value,
        difference=comparison.difference,
        verdict=comparison.verdict,
        labels={each.label: each.support for each in tuned.classes},
    )


def against(
    look: Look, earlier: Sequence[Reevaluation], first: Look | None, *, margin: float, known: Collection[str] = ()
) -> Reevaluation:
    """A look, held against those before it.

    Args:
        look: The new one.
        earlier: Oldest first.
        first: What stands for a look where there is none yet, such as the comparison before the rollout.
        margin: Points (0 to 1) that the tuned model may lose.
        known: Labels that the model was made for; by default those of the oldest look.
    """
    before = earlier[-1].look if earlier else first
    oldest = (earlier[0].before or earlier[0].look) if earlier else first
    labels = set(known) or set(() if oldest is None else oldest.labels)
    new = {name: rows for name, rows in look.labels.items() if name not in labels and rows >= NEW_LABEL_ROWS}
    change = None
    if before is not None and before.metric == look.metric and before.tuned is not None and look.tuned is not None:
        change = difference(before.tuned, look.tuned)
    return Reevaluation(look=look, before=before, change=change, margin=margin, new_labels=new if labels else {})


def difference(before: Estimate, after: Estimate) -> Estimate:
    """How far two values on different rows lie apart, by the ends of their intervals.

    Source: Zou and Donner 2008, Statistics in Medicine 27:1693 (for Wilson intervals it is Newcombe's method 10).

    Raises:
        UsageError: The intervals have different levels.
    """
    require(before.confidence == after.confidence, "intervals of different levels have no difference of either")
    value = after.value - before.value
    down = math.hypot(after.value - after.low, before.high - before.value)
    up = math.hypot(after.high - after.value, before.value - before.low)
    return Estimate(
        value=value,
        low=value - down,
        high=value + up,
        n=before.n + after.n,
        confidence=after.confidence,
        method="by the ends of both intervals",
    )


def kept(audit: Sequence[DecisionRecord]) -> tuple[Reevaluation, ...]:
    """The re-evaluations in a rollout's audit, oldest first."""
    return tuple(codec.structure(record.body, Reevaluation) for record in audit if record.kind == KIND)


def before_rollout(journal: Journal, base: str, tuned: str) -> Look | None:
    """The newest comparison of both models in a journal, in the place of a first look."""
    records = EvaluationRecords(journal).list(model=tuned, kind="comparison")
    done = (record for record in records if record.result is not None and record.result["base"]["model"] == base)
    return next(map(_first, done), None)


def _first(record: EvaluationRecord) -> Look:
    result: Json = record.result
    labels = {row["label"]: row["support"] for row in result["tuned"].get("classes") or ()}
    return Look(
        id=record.id,
        at=record.finished_at or record.created_at,
        dataset=record.dataset,
        source=result["tuned"]["source"],
        metric=result["primary"],
        base=_value(result, "base"),
        tuned=_value(result, "tuned"),
        difference=codec.structure(result["difference"], Estimate),
        verdict=result["verdict"],
        labels=labels,
    )


def _value(result: Json, arm: str) -> Estimate | None:
    found = result[arm]["metrics"].get(result["primary"])
    return None if found is None else codec.structure(found, Estimate)


def _told(name: str, value: Estimate) -> str:
    return figures(name, value.value, value.low, value.high, value.n)
