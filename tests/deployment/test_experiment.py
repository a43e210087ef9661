"""Numbers decide: the worse model goes, the equal one is promoted only when enough was seen, lost events stop all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finetuner.deployment import experiment
from finetuner.deployment.assignment import bucket
from finetuner.deployment.experiment import Gates
from finetuner.deployment.observations import Observation, Segment
from finetuner.deployment.rollout import Rollout
from finetuner.testing.clock import FakeClock

HOUR = 3600.0


def traffic(units: int, *, bad: float = 0.0, better: float = 0.0, stage: int = 1) -> Iterator[Observation]:
    """A half-half stage; quality and errors are dealt by hash, so that nothing here is left to chance."""
    for number in range(units):
        unit = f"u{number}"
        tuned = bucket("tickets", "arms", unit) < 0.5
        request = f"{stage}-{unit}"
        yield Observation(
            kind="exposure",
            request_id=request,
            at=float(number),
            unit=unit,
            stage=stage,
            share=0.5,
            assigned="tuned" if tuned else "base",
            served="tuned" if tuned else "base",
            analyzed=True,
            latency=2.0 if tuned else 1.0,
            cost_usd=0.5,
            error="TimeoutError" if tuned and bucket("tickets", "errors", unit) < bad else None,
        )
        right = bucket("tickets", "quality", unit) < 0.8 + (better if tuned else 0.0)
        yield Observation(kind="feedback", request_id=request, at=float(number), quality=float(right))


def action(events: Iterator[Observation], seconds: float = HOUR) -> str:
    return experiment.decide(experiment.report(events, stage=1), stage_seconds=seconds).action


def test_too_little_is_hold_with_what_is_missing() -> None:
    decision = experiment.decide(experiment.report(traffic(20), stage=1), stage_seconds=60)
    assert decision.action == "HOLD"
    assert [reason.partition(":")[0] for reason in decision.reasons] == ["units", "time", "quality", "errors"]
    assert experiment.decide(experiment.report([], stage=1), stage_seconds=HOUR).action == "HOLD"


def test_a_better_model_is_promoted_and_not_before_its_time() -> None:
    assert action(traffic(3000, better=0.1)) == "PROMOTE"
    assert action(traffic(3000, better=0.1), seconds=60) == "HOLD"


def test_worse_quality_or_more_errors_roll_back() -> None:
    assert action(traffic(3000, better=-0.2)) == "ROLLBACK"
    assert action(traffic(3000, better=0.1, bad=0.05)) == "ROLLBACK"


def test_an_equal_model_is_never_rolled_back() -> None:
    assert all(action(traffic(units)) != "ROLLBACK" for units in (50, 200, 800, 2000))


def test_lost_events_stop_every_decision() -> None:
    kept = (event for event in traffic(6000, better=0.1) if event.assigned == "base" or int(event.at) % 2)
    assert action(kept) == "INCONCLUSIVE"


def test_the_report_counts_what_was_served() -> None:
    numbers = experiment.report(traffic(400), stage=1)
    assert numbers.base.units + numbers.tuned.units == 400
    assert numbers.base.p50 == pytest.approx(1, rel=0.006)
    assert numbers.tuned.p99 == pytest.approx(2, rel=0.006)
    assert numbers.tuned.cost_usd == numbers.tuned.requests / 2
    assert sum(numbers.scored) == 400


def test_a_unit_counts_once_in_its_first_stage() -> None:
    numbers = experiment.report([*traffic(100), *traffic(150, stage=2)], stage=2)
    assert numbers.base.units + numbers.tuned.units == 150
    assert numbers.base.requests + numbers.tuned.requests == 250
    assert numbers.stage_units < 50


def test_a_few_units_without_errors_do_not_prove_their_absence() -> None:
    few = experiment.report(traffic(400, better=0.1), stage=1)
    many = experiment.report(traffic(3000, better=0.1), stage=1)
    assert few.error_high is not None
    assert many.error_high is not None
    assert few.error_high > Gates().error_margin > many.error_high


def test_a_rollout_decides_from_its_segments_and_keeps_the_decision(tmp_path: Path) -> None:
    clock = FakeClock()
    rollout = Rollout.create("tickets", base="local:a", tuned="local:b", store=tmp_path, clock=clock)
    rollout.ramp(0.5)
    with Segment(rollout.events_folder) as segment:
        segment.append(*traffic(3000, better=-0.2))
    assert rollout.decide().action == "ROLLBACK"
    assert rollout.audit[-1].kind == "decide"
    rollout.rollback("worse")
    assert rollout.report().tuned.units == 0
