"""Numbers say how the arms differ, stage by stage, whoever is served again, and what is lost."""

from collections.abc import Iterator

import attrs
import pytest

from finetuner.deployment import experiment
from finetuner.deployment.assignment import bucket
from finetuner.deployment.experiment import ExperimentReport
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation
from finetuner.deployment.tally import LIMIT_ANSWERS, Tally


def traffic(
    units: int, *, bad: float = 0.0, better: float = 0.0, stage: int = 1, share: float = 0.5, slow: float = 0.0
) -> Iterator[Observation]:
    """A stage; quality and errors are dealt by hash, so that nothing here is left to chance."""
    for number in range(units):
        unit = f"u{number}"
        tuned = bucket("tickets", "arms", unit) < share
        request = f"{stage}-{unit}"
        yield Observation(
            kind="exposure",
            request_id=request,
            at=float(number),
            unit=unit,
            stage=stage,
            share=share,
            assigned="tuned" if tuned else "base",
            served="tuned" if tuned else "base",
            analyzed=True,
            latency=9.0 if tuned and bucket("tickets", "slow", unit) < slow else 1.0 + number % 7 / 10,
            cost_usd=0.5 + number % 3 / 10,
            error="TimeoutError" if tuned and bucket("tickets", "errors", unit) < bad else None,
        )
        right = bucket("tickets", "quality", unit) < 0.8 + (better if tuned else 0.0)
        yield Observation(kind="feedback", request_id=request, at=float(number), quality=float(right))


def report(*events: Observation, stage: int = 1, gates: Gates | None = None) -> ExperimentReport:
    return experiment.report(events, stage=stage, gates=gates)


def test_the_report_counts_what_was_served() -> None:
    numbers = report(*traffic(400))
    assert numbers.base.units + numbers.tuned.units == 400
    assert numbers.base.p50 == pytest.approx(1.3, rel=0.006)
    assert numbers.tuned.cost_per_request == pytest.approx(0.6, abs=0.01)
    assert sum(numbers.scored) == 400
    assert numbers.stage_units == numbers.tuned.units


def test_latencies_come_with_intervals_that_close_as_answers_come() -> None:
    few, many = report(*traffic(60)), report(*traffic(3000))
    assert few.tuned.latency[2].high is None, "a handful of answers doesn't bound the p99"
    for found in many.tuned.latency:
        assert found.high is not None
        assert found.low <= found.value <= found.high
    assert report().base.latency == ()


def test_nothing_is_known_of_nothing() -> None:
    numbers = report()
    assert (numbers.base.units, numbers.metrics, numbers.lost_events) == (0, (), 0.0)
    assert numbers.quality_difference is numbers.error_difference is None


def test_units_that_come_again_in_a_later_stage_count_there_too() -> None:
    """A service with the same users every day must not run out of units at the second stage."""
    events = [*traffic(1000, share=0.05), *traffic(1000, stage=2, share=0.5)]
    numbers = report(*events, stage=2)
    assert numbers.stage_units > 400
    assert numbers.tuned.units == numbers.stage_units, "raising the share takes nobody back"


def test_a_falling_quality_over_a_ramp_is_not_taken_for_an_effect() -> None:
    """Stages are compared within themselves: pooled, the tuned arm would get the blame for bad weeks."""

    def week(stage: int, share: float, level: float) -> Iterator[Observation]:
        for number in range(1500):
            unit = f"{stage}-{number}"
            tuned = bucket("t", "arms", unit) < share
            arm = "tuned" if tuned else "base"
            yield Observation(
                kind="exposure", request_id=unit, at=float(stage), unit=unit, stage=stage, share=share,
                assigned=arm, served=arm, analyzed=True,
            )  # fmt: skip
            right = bucket("t", "quality", unit) < level
            yield Observation(kind="feedback", request_id=unit, at=float(stage), quality=float(right))

    numbers = report(*week(1, 0.05, 0.9), *week(2, 0.5, 0.6), stage=2)
    assert numbers.quality_difference is not None
    assert not numbers.quality_difference.excludes(0)
    pooled = (numbers.tuned.quality or 0) - (numbers.base.quality or 0)
    assert pooled < -0.05


def test_a_unit_with_bad_events_counts_once_however_often_and_in_how_many_stages() -> None:
    events = [*traffic(400, bad=1.0), *traffic(400, bad=1.0, stage=2)]
    (errors, *_) = report(*events, stage=2).guardrails
    once = report(*traffic(400, bad=1.0)).guardrails[0]
    assert (errors.name, errors.tuned_bad, errors.base_bad) == ("errors", once.tuned_bad, 0)


def test_what_is_slow_is_fixed_before_anything_is_slow() -> None:
    tally = Tally().add_all(traffic(2000, slow=0.5))
    assert tally.slow_seconds == pytest.approx(1.6)
    before = Tally().add_all(list(traffic(2000, slow=1.0))[: LIMIT_ANSWERS // 2])
    assert before.slow_seconds is None
    assert sum(before.bad["slow"][1, 0.5].values()) == 0
    fixed = report(*traffic(1000, slow=0.5), gates=Gates(slow_seconds=5.0))
    assert fixed.slow_seconds == 5.0
    slow = fixed.metric("slow")
    assert slow is not None
    assert slow.difference is not None
    assert slow.difference.low > 0.3


def test_a_few_units_without_errors_do_not_prove_their_absence() -> None:
    few, many = report(*traffic(400)).metric("errors"), report(*traffic(4000)).metric("errors")
    assert few is not None
    assert many is not None
    assert (few.high or 0) > Gates().error_margin > (many.high or 1)


def test_invalid_answers_are_counted_where_somebody_looks() -> None:
    events = list(traffic(600))
    assert report(*events).metric("invalid") is None
    checked = [
        attrs.evolve(event, valid=event.assigned == "base") if event.kind == "exposure" else event for event in events
    ]
    guardrail = report(*checked).guardrails[2]
    assert (guardrail.name, guardrail.base_bad) == ("invalid", 0)
    assert guardrail.log_e > 20


def shadowed(requests: int, *, better: float = 0.0, failing: int = 0, lost: int = 0) -> Iterator[Observation]:
    for number in range(requests):
        request, unit = f"s{number}", f"u{number % (requests // 2 or 1)}"
        yield Observation(kind="exposure", request_id=request, at=float(number), unit=unit, stage=1, analyzed=True)
        if number < lost:
            yield Observation(kind="shadow", request_id=request, at=float(number), stage=1, lost="queue")
            continue
        error = "TimeoutError" if number < lost + failing else None
        yield Observation(kind="shadow", request_id=request, at=float(number), unit=unit, stage=1, error=error)
        base = float(bucket("t", "base", request) < 0.8)
        tuned = float(bucket("t", "tuned", request) < 0.8 + better)
        yield Observation(
            kind="verdict", request_id=request, at=float(number), unit=unit, quality=base, tuned_quality=tuned
        )


def test_shadow_pairs_are_clustered_by_unit_and_losses_are_counted() -> None:
    numbers = report(*shadowed(1000, better=0.2, failing=10, lost=20))
    pairs = numbers.metric("pairs")
    assert pairs is not None
    assert pairs.difference is not None
    assert (pairs.tuned, pairs.base, pairs.difference.n) == (980, 500, 500)
    assert pairs.difference.value > 0.1
    assert (numbers.shadow.answers, numbers.shadow.failed, dict(numbers.shadow.lost)) == (980, 10, {"queue": 20})
    assert numbers.shadow.lost_share == 0.02


def test_dropped_events_count_as_lost_among_answers_seen_and_unseen() -> None:
    served = list(shadowed(1000))
    dropped = Observation(kind="dropped", request_id="x", at=2000.0, stage=1, lost="disk", count=100)
    numbers = report(*served, dropped)
    assert numbers.lost_events == 100 / (1000 + 1000 + 100)
    assert report(*served).lost_events == 0


def test_what_is_told_of_a_request_that_nobody_recorded_is_a_lost_event() -> None:
    events = [event for event in traffic(1000) if event.kind == "feedback" or event.at % 50]
    assert report(*events).lost_events == pytest.approx(0.02)
    assert report(*traffic(1000)).lost_events == 0


def test_an_attempt_before_is_known_but_not_counted() -> None:
    old, new = traffic(300, bad=1.0), traffic(300, stage=5)
    late = Observation(kind="feedback", request_id="1-u1", at=9e9, quality=0.0)
    numbers = experiment.report([*old, *new, late], stage=5, after_stage=4)
    assert (numbers.tuned.error_rate, sum(numbers.scored), numbers.lost_events) == (0.0, 300, 0.0)


def test_the_newest_score_of_an_answer_counts() -> None:
    events = list(traffic(100))
    again = [attrs.evolve(event, quality=1.0) for event in events if event.kind == "feedback"]
    numbers = report(*events, *again)
    assert numbers.base.quality == numbers.tuned.quality == 1.0


def test_one_runaway_cost_does_not_widen_the_interval() -> None:
    events = list(traffic(2000))
    runaway = [*events[:-2], attrs.evolve(events[-2], cost_usd=1e6), events[-1]]
    usual, wild = report(*events).metric("cost"), report(*runaway).metric("cost")
    assert usual is not None
    assert wild is not None
    assert usual.high == pytest.approx(wild.high or 0, abs=1e-3)
