"""What live traffic says about the tuned model, and the decision that follows from it.

Units are counted once, in the stage in which they were first served. Letters are those of `sequential`: the interval
of quality (A) stays valid however often it is looked at, the guardrail of errors is B, the sample ratio E.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal

import attrs

from finetuner.deployment.guardrails import Guardrail
from finetuner.deployment.histogram import Histogram
from finetuner.deployment.observations import Observation
from finetuner.deployment.sample_ratio import ArmCounts, mismatched
from finetuner.deployment.sequential import confidence_sequence, lower_bound, share_confidence_sequence, upper_bound
from finetuner.deployment.state import Arm
from finetuner.deployment.strata import stratified_difference
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Effect, Moments, absolute_difference

Action = Literal["PROMOTE", "HOLD", "ROLLBACK", "INCONCLUSIVE"]

_EVENTS_FOR_A = 20


@attrs.frozen(kw_only=True)
class Gates:
    """What the tuned model must show.

    Attributes:
        quality_margin: Points (0 to 1) of quality that may be lost.
        error_margin: Points (0 to 1) by which units with errors may be more frequent.
        deterioration_alpha: Chance of rolling back a harmless model, over all looks and both guardrails.
        alpha: Chance of promoting a worse one, over all looks.
        min_units: Tuned units of the current stage.
        min_seconds: Age of the current stage.
        min_scored: Units with feedback in each arm.
    """

    quality_margin: float = 0.02
    error_margin: float = 0.01
    deterioration_alpha: float = 0.01
    alpha: float = 0.05
    min_units: int = 200
    min_seconds: float = 1800.0
    min_scored: int = 100


@attrs.frozen(kw_only=True)
class ArmReport:
    """What one arm did.

    Attributes:
        units: Distinct units, each in the stage of its first request.
        requests: Served.
        error_rate: Of requests, 0 to 1; an error that base made good counts against tuned.
        p50: Seconds; None without an answer. Like the next two within 0.6 %.
        p95: Likewise.
        p99: Likewise.
        cost_usd: Of all requests with a known price.
        quality: Mean of the units' feedback, 0 to 1; None without any.
    """

    units: int
    requests: int
    error_rate: float
    p50: float | None
    p95: float | None
    p99: float | None
    cost_usd: float
    quality: float | None


@attrs.frozen(kw_only=True)
class ExperimentReport:
    """Both arms and their difference.

    Attributes:
        base: Units assigned to base.
        tuned: Units assigned to tuned.
        stage_units: Tuned units of the current stage.
        quality_difference: Tuned minus base, valid at every look; None until both vary.
        quality_low: One-sided lower bound of it.
        error_difference: Units with an error, tuned minus base; as `quality_difference`.
        error_high: One-sided upper bound of it.
        scored: Units with feedback, base and tuned.
        sample_ratio_mismatch: The arms aren't as large as designed: events were lost.
        errors_deteriorated: The error guardrail fired.
    """

    base: ArmReport
    tuned: ArmReport
    stage_units: int
    quality_difference: Estimate | None
    quality_low: float | None
    error_difference: Estimate | None
    error_high: float | None
    scored: tuple[int, int]
    sample_ratio_mismatch: bool
    errors_deteriorated: bool


@attrs.frozen(kw_only=True)
class Decision:
    """What to do and why, with everything needed to compute it again.

    Attributes:
        action: `PROMOTE`, `HOLD`, `ROLLBACK` or `INCONCLUSIVE`.
        reasons: One sentence for each metric that spoke.
        report: The numbers.
        gates: What they were held against.
        stage_seconds: Age of the stage.
    """

    action: Action
    reasons: tuple[str, ...]
    report: ExperimentReport
    gates: Gates
    stage_seconds: float


@attrs.frozen(kw_only=True)
class _Unit:
    """One unit's sums in the stage and arm of its first request."""

    stage: int
    share: float
    arm: Arm
    error: bool
    quality: float | None


def report(events: Iterable[Observation], *, stage: int, gates: Gates | None = None) -> ExperimentReport:
    """What a rollout's events say.

    Args:
        events: By time.
        stage: The current one.
        gates: For the levels of the intervals.
    """
    rules = gates or Gates()
    seen = tuple(events)
    scores = {event.request_id: event.quality for event in seen if event.kind == "feedback"}
    exposures = [event for event in seen if event.kind == "exposure" and event.analyzed and 0 < event.share < 1]
    units = _units(exposures, scores)
    strata = sorted({(unit.stage, unit.share) for unit in units})
    members = {key: [unit for unit in units if (unit.stage, unit.share) == key] for key in strata}
    quality = _effect([[(unit.arm, unit.quality) for unit in group] for group in members.values()])
    errors = _effect([[(unit.arm, float(unit.error)) for unit in group] for group in members.values()])
    counts = [ArmCounts(key[1], _count(group, "tuned"), _count(group, "base")) for key, group in members.items()]
    guardrail = Guardrail()
    for (_, share), group in members.items():
        bad = [unit for unit in group if unit.error]
        guardrail = guardrail.with_stage(share).with_bad(tuned=_count(bad, "tuned"), base=_count(bad, "base"))
    scored = [unit for unit in units if unit.quality is not None]
    return ExperimentReport(
        base=_arm("base", exposures, units),
        tuned=_arm("tuned", exposures, units),
        stage_units=sum(unit.stage == stage and unit.arm == "tuned" for unit in units),
        quality_difference=_interval(quality, rules),
        quality_low=None if quality is None else lower_bound(quality, alpha=rules.alpha),
        error_difference=_interval(errors, rules),
        error_high=_error_high(errors, units, rules),
        scored=(_count(scored, "base"), _count(scored, "tuned")),
        sample_ratio_mismatch=mismatched(counts),
        errors_deteriorated=guardrail.deteriorated(rules.deterioration_alpha / 2),
    )


def decide(numbers: ExperimentReport, *, stage_seconds: float, gates: Gates | None = None) -> Decision:
    """The decision that the numbers call for: the same numbers always give the same one.

    Args:
        numbers: From `report`.
        stage_seconds: Age of the current stage.
        gates: What to hold them against.
    """
    rules = gates or Gates()
    action, reasons = _verdict(numbers, stage_seconds, rules)
    return Decision(action=action, reasons=reasons, report=numbers, gates=rules, stage_seconds=stage_seconds)


def _verdict(numbers: ExperimentReport, seconds: float, rules: Gates) -> tuple[Action, tuple[str, ...]]:
    if numbers.sample_ratio_mismatch:
        return "INCONCLUSIVE", ("the arms are not as large as designed: look for lost events before reading on",)
    worse: list[str] = []
    if numbers.errors_deteriorated:
        worse.append(f"errors: {numbers.tuned.error_rate:.1%} of requests, base {numbers.base.error_rate:.1%}")
    quality = numbers.quality_difference
    enough = min(numbers.scored) >= rules.min_scored
    if enough and quality is not None and quality.high < 0:
        worse.append(f"quality: worse by {-quality.value:.3f}, at least {-quality.high:.3f}")
    if worse:
        return "ROLLBACK", tuple(worse)
    missing = _missing(numbers, seconds, rules)
    if missing:
        return "HOLD", missing
    return "PROMOTE", (f"quality: a loss of {rules.quality_margin:g} is excluded", "errors: within the margin")


def _missing(numbers: ExperimentReport, seconds: float, rules: Gates) -> tuple[str, ...]:
    """What still keeps the tuned model from being promoted."""
    missing: list[str] = []
    if numbers.stage_units < rules.min_units:
        missing.append(f"units: {rules.min_units - numbers.stage_units} more tuned units in this stage")
    if seconds < rules.min_seconds:
        missing.append(f"time: {rules.min_seconds - seconds:.0f} more seconds in this stage")
    if min(numbers.scored) < rules.min_scored:
        missing.append(f"quality: {rules.min_scored} units with feedback in each arm, now {min(numbers.scored)}")
    elif numbers.quality_low is None or numbers.quality_low <= -rules.quality_margin:
        missing.append(f"quality: a loss of {rules.quality_margin:g} is not excluded yet")
    if numbers.error_high is None or numbers.error_high >= rules.error_margin:
        missing.append(f"errors: {rules.error_margin:g} more of them are not excluded yet")
    return tuple(missing)


def _units(exposures: Sequence[Observation], scores: Mapping[str, float | None]) -> list[_Unit]:
    by_unit: dict[str, list[Observation]] = {}
    for event in exposures:
        by_unit.setdefault(event.unit or event.request_id, []).append(event)
    units: list[_Unit] = []
    for served in by_unit.values():
        first = served[0]
        own = [event for event in served if (event.stage, event.assigned) == (first.stage, first.assigned)]
        liked = [score for event in own if (score := scores.get(event.request_id)) is not None]
        units.append(
            _Unit(
                stage=first.stage,
                share=first.share,
                arm=first.assigned,
                error=any(event.error for event in own),
                quality=fmean(liked) if liked else None,
            )
        )
    return units


def _effect(strata: Sequence[Sequence[tuple[Arm, float | None]]]) -> Effect | None:
    """The difference over the stages in which both arms have two units and something varies."""
    effects: list[Effect] = []
    for values in strata:
        base = [value for arm, value in values if arm == "base" and value is not None]
        tuned = [value for arm, value in values if arm == "tuned" and value is not None]
        if min(len(base), len(tuned)) > 1:
            effect = absolute_difference(Moments.from_values(base), Moments.from_values(tuned))
            effects += [effect] if effect.se > 0 else []
    return stratified_difference(effects) if effects else None


def _interval(effect: Effect | None, rules: Gates) -> Estimate | None:
    return None if effect is None else confidence_sequence(effect, alpha=rules.deterioration_alpha / 2)


def _error_high(effect: Effect | None, units: Sequence[_Unit], rules: Gates) -> float | None:
    """The upper bound of the difference; of the tuned share alone (C, exact) while errors are too rare for A."""
    bad = [unit for unit in units if unit.error]
    tuned = _count(units, "tuned")
    if effect is not None and min(_count(bad, "base"), _count(bad, "tuned")) >= _EVENTS_FOR_A:
        return upper_bound(effect, alpha=rules.alpha)
    return share_confidence_sequence(_count(bad, "tuned"), tuned, alpha=rules.alpha).high if tuned else None


def _count(units: Iterable[_Unit], arm: Arm) -> int:
    return sum(unit.arm == arm for unit in units)


def _arm(arm: Arm, exposures: Sequence[Observation], units: Sequence[_Unit]) -> ArmReport:
    mine = [event for event in exposures if event.assigned == arm]
    latency = Histogram.from_values(event.latency for event in mine)
    p50, p95, p99 = (latency.quantile(q) if latency.count else None for q in (0.5, 0.95, 0.99))
    scores = [unit.quality for unit in units if unit.arm == arm and unit.quality is not None]
    return ArmReport(
        units=_count(units, arm),
        requests=len(mine),
        error_rate=sum(event.error is not None for event in mine) / len(mine) if mine else 0.0,
        p50=p50,
        p95=p95,
        p99=p99,
        cost_usd=sum(event.cost_usd or 0.0 for event in mine),
        quality=fmean(scores) if scores else None,
    )
