"""What to do with a rollout, and why: a pure function of numbers, so that it can be made again from its record.

The order is that of Spotify's experiment platform (arXiv 2402.11609): doubt about the data stops everything, one
deteriorated metric takes the model away, and going on needs every gate.
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import attrs

from finetuner.deployment.experiment import ExperimentReport, GuardrailReport, MetricName, MetricReport
from finetuner.deployment.gates import Gates
from finetuner.deployment.sample_ratio import DEFAULT_ALPHA
from finetuner.deployment.sequential import half_width, share_confidence_sequence
from finetuner.deployment.state import RolloutState, Status

Action = Literal["PROMOTE", "HOLD", "ROLLBACK", "INCONCLUSIVE"]

RULES_VERSION = 2
"""Grows when the same numbers would give another decision."""

_EVENTS = {"errors": "errors", "slow": "slow answers", "invalid": "invalid answers"}
_QUALITY: dict[str, str] = {"pairs": "quality on shadow pairs", "feedback": "quality by feedback"}
_STANDING: dict[Status, str] = {
    "created": "start: begin with shadow() or ramp()",
    "rolled-back": "start: begin with shadow() or ramp()",
    "promoted": "promoted: nothing is left to raise",
}
_MOST_UNITS = 10_000_000
_MOST_ALPHA = 0.99


@attrs.frozen(kw_only=True)
class Situation:
    """Where the rollout is.

    Attributes:
        status: Of the rollout.
        epoch: Of the state that the decision is about: it acts on no other.
        share: Of units that have the tuned model.
        next_share: That they would have after a promotion.
        stage_seconds: Age of the stage.
    """

    status: Status
    epoch: int
    share: float
    next_share: float
    stage_seconds: float

    @classmethod
    def of(cls, state: RolloutState, *, now: float) -> "Situation":
        """Of a state, at a moment (seconds since the epoch)."""
        return cls(
            status=state.status,
            epoch=state.epoch,
            share=state.share,
            next_share=state.gates.next_share(state.share),
            stage_seconds=max(0.0, now - state.stage_started_at),
        )


@attrs.frozen(kw_only=True)
class Decision:
    """What to do and why, with everything needed to compute it again.

    Attributes:
        action: `PROMOTE` (to the next stage), `HOLD`, `ROLLBACK` or `INCONCLUSIVE`.
        reasons: One sentence for each metric that spoke.
        situation: Where the rollout was.
        report: The numbers.
        gates: What they were held against.
        rules: Version of the rules.
    """

    action: Action
    reasons: tuple[str, ...]
    situation: Situation
    report: ExperimentReport
    gates: Gates
    rules: int = RULES_VERSION

    def __str__(self) -> str:
        """The action on the first line, a reason on each of the others."""
        return "\n".join([self.action, *(f"- {reason}" for reason in self.reasons)])

    def again(self) -> "Decision":
        """The decision that these numbers call for now: an equal one, while the rules are the same."""
        return decide(self.report, self.situation, gates=self.gates)


def decide(report: ExperimentReport, situation: Situation, *, gates: Gates | None = None) -> Decision:
    """The decision that the numbers call for: the same numbers always give the same one.

    Args:
        report: The numbers.
        situation: Where the rollout is.
        gates: What to hold them against.
    """
    rules = gates or Gates()
    action, reasons = _verdict(report, situation, rules)
    return Decision(action=action, reasons=reasons, situation=situation, report=report, gates=rules)


def _verdict(report: ExperimentReport, where: Situation, gates: Gates) -> tuple[Action, tuple[str, ...]]:
    doubts = tuple(_doubts(report, where, gates))
    if doubts:
        return "INCONCLUSIVE", doubts
    worse = tuple(_worse(report, gates))
    if worse:
        return "ROLLBACK", worse
    if where.status in _STANDING:
        return "HOLD", (_STANDING[where.status],)
    missing = tuple(_missing(report, where, gates))
    if not missing:
        return "PROMOTE", (f"every gate is passed for {where.next_share:.0%} of units", *_passed(report, where, gates))
    traffic = report.base.requests or report.tuned.requests or report.shadow.answers
    if where.stage_seconds >= gates.max_seconds and traffic:
        days = gates.max_seconds / 86_400
        return "INCONCLUSIVE", (f"time: {days:g} days in this stage were not enough to know", *missing)
    return "HOLD", missing


def _doubts(report: ExperimentReport, where: Situation, gates: Gates) -> Iterator[str]:
    """Why the numbers can't be trusted."""
    if report.sample_ratio_log_evidence >= -math.log(DEFAULT_ALPHA):
        yield "sample ratio: the arms are not as large as designed: look for lost events before reading on"
    if report.lost_events > gates.most_lost:
        yield f"lost events: {report.lost_events:.1%}, at most {gates.most_lost:.0%}"
    if where.status == "shadow" and report.shadow.lost_share > gates.most_lost:
        reasons = ", ".join(f"{name} {count}" for name, count in report.shadow.lost.items())
        yield f"shadow: {report.shadow.lost_share:.1%} of sampled requests have no answer ({reasons}): a biased sample"


def _worse(report: ExperimentReport, gates: Gates) -> Iterator[str]:
    """What has deteriorated, at the level of a guardrail."""
    for guardrail in report.guardrails:
        if guardrail.excess > 0 and guardrail.log_e >= gates.guardrail_alarm:
            yield _caused(guardrail)
    for name in gates.quality_sources:
        metric = report.metric(_metric_name(name))
        if (
            metric is not None
            and metric.difference is not None
            and _enough(metric, gates)
            and metric.difference.high < 0
        ):
            yield f"{_QUALITY[name]}: worse by {-metric.difference.value:.3f}, at least {-metric.difference.high:.3f}"
    cost = report.metric("cost")
    if (
        cost is not None
        and cost.difference is not None
        and _enough(cost, gates)
        and cost.difference.low > gates.cost_margin
    ):
        yield f"cost: {cost.difference.value:+.1%} for a request, at least {cost.difference.low:+.1%}"


def _caused(guardrail: GuardrailReport) -> str:
    bad = f"{guardrail.tuned_bad} units of tuned and {guardrail.base_bad} of base"
    odds = math.exp(min(guardrail.log_e, 700.0))
    return f"{_EVENTS[guardrail.name]}: {bad}, {guardrail.excess:.1f} too many (evidence {odds:.3g} to 1)"


def _missing(report: ExperimentReport, where: Situation, gates: Gates) -> Iterator[str]:
    """What still keeps the share from being raised."""
    units = report.shadow.answers if where.status == "shadow" else report.stage_units
    what = "shadow answers" if where.status == "shadow" else "tuned units in this stage"
    if units < gates.min_units:
        yield f"units: {gates.min_units - units} more {what}"
    if where.stage_seconds < gates.min_seconds:
        yield f"time: {gates.min_seconds - where.stage_seconds:.0f} more seconds in this stage"
    quality = _quality_missing(report, where, gates)
    if quality is not None:
        yield quality
    if where.status == "shadow":
        yield from _shadow_missing(report, where, gates)
        return
    for name, margin in _margins(gates):
        metric = report.metric(name)
        if metric is None:
            if name == "errors":
                yield "errors: no unit was seen yet"
            continue
        if metric.high is not None and where.next_share * metric.high < margin:
            continue
        if metric.difference is None and metric.high is None and metric.tuned:
            continue  # nothing varies: both arms cost the same
        yield f"{_EVENTS.get(name, name)}: {_not_excluded(metric, margin / where.next_share, gates)}"


def _quality_missing(report: ExperimentReport, where: Situation, gates: Gates) -> str | None:
    """Why no evidence excludes the loss of quality; None where one does, or none is asked for."""
    missing: list[str] = []
    for name in gates.quality_sources:
        metric = report.metric(_metric_name(name))
        if metric is None or not _enough(metric, gates):
            seen = 0 if metric is None else min(metric.base, metric.tuned)
            missing.append(f"{_QUALITY[name]}: {gates.min_scored} units needed, now {seen}")
        elif metric.low is None or where.next_share * -metric.low >= gates.quality_margin:
            needed = _not_excluded(metric, gates.quality_margin / where.next_share, gates)
            missing.append(f"{_QUALITY[name]}: {needed}")
        else:
            return None
    return " or ".join(missing) or None


def _shadow_missing(report: ExperimentReport, where: Situation, gates: Gates) -> Iterator[str]:
    shadow = report.shadow
    if not shadow.answers:
        return
    share = share_confidence_sequence(shadow.failed, shadow.answers, alpha=gates.alpha, planned_n=gates.planned_units)
    base = shadow.base_failed / shadow.answers
    if where.next_share * (share.high - base) >= gates.error_margin:
        seen = f"{shadow.failed} of {shadow.answers} shadow answers failed"
        yield f"errors: {seen}, {share.high:.1%} of them can't be excluded yet"


def _passed(report: ExperimentReport, where: Situation, gates: Gates) -> Iterator[str]:
    for name in gates.quality_sources:
        metric = report.metric(_metric_name(name))
        if metric is not None and metric.low is not None and where.next_share * -metric.low < gates.quality_margin:
            yield f"{_QUALITY[name]}: at least {metric.low:+.3f}"
    if where.status != "shadow":
        for name, _ in _margins(gates):
            metric = report.metric(name)
            if metric is not None and metric.high is not None:
                yield f"{_EVENTS.get(name, name)}: at most {metric.high:+.3f}"


def _margins(gates: Gates) -> tuple[tuple[MetricName, float], ...]:
    return (
        ("errors", gates.error_margin),
        ("slow", gates.slow_margin),
        ("invalid", gates.invalid_margin),
        ("cost", gates.cost_margin),
    )


def _metric_name(source: str) -> MetricName:
    return "pairs" if source == "pairs" else "feedback"


def _enough(metric: MetricReport, gates: Gates) -> bool:
    """Whether the interval may decide: A needs a burn-in."""
    return min(metric.base, metric.tuned) >= gates.min_scored


def _not_excluded(metric: MetricReport, margin: float, gates: Gates) -> str:
    """What isn't excluded yet, with the units that it takes if the models don't differ."""
    needed = units_needed(metric, margin, gates)
    more = "" if needed is None else f", about {needed:,} units in all if the models don't differ"
    return f"a harm of {margin:.3g} is not excluded yet{more}"


def units_needed(metric: MetricReport, margin: float, gates: Gates) -> int | None:
    """Units of both arms after which a bound excludes a margin, if the models don't differ.

    Args:
        metric: What is known so far: how much units vary.
        margin: In the units of the metric.
        gates: For the level.

    Returns:
        None where even ten million are too few, or where nothing varied yet.
    """
    sources = len(gates.quality_sources) if metric.name in {"pairs", "feedback"} else 1
    difference = metric.difference
    if metric.name in {"errors", "slow", "invalid"} and metric.low is None:
        return _search(lambda n: share_confidence_sequence(0, n, alpha=gates.alpha).high < margin)
    if difference is None or difference.n < 2:  # noqa: PLR2004  # a variance needs two
        return None
    level = 1 - difference.confidence
    spread = (difference.high - difference.value) / half_width(
        math.sqrt(1 / difference.n), difference.n, alpha=level, planned_n=gates.planned_units
    )
    # A one-sided bound at alpha is about as wide as a two-sided interval at twice of it.
    alpha = min(_MOST_ALPHA, 2 * gates.alpha / max(1, sources))
    return _search(lambda n: half_width(spread / math.sqrt(n), n, alpha=alpha, planned_n=gates.planned_units) < margin)


def _search(enough: Callable[[int], bool]) -> int | None:
    """The smallest number of units that is enough, to 1 %; more units are never worse."""
    n = 2
    while not enough(n):
        n *= 2
        if n > _MOST_UNITS:
            return None
    low = n // 2
    while n - low > max(1, n // 100):
        middle = (low + n) // 2
        low, n = (low, middle) if enough(middle) else (middle, n)
    return n
