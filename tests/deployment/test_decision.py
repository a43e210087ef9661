"""Doubt stops everything, one broken guardrail takes the model away, and going on needs every gate."""

from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core import codec
from finetuner.deployment.decision import Decision, Situation, decide, units_needed
from finetuner.deployment.experiment import (
    ArmReport,
    ExperimentReport,
    GuardrailReport,
    MetricName,
    MetricReport,
    ShadowReport,
)
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation, record
from finetuner.deployment.rollout import Rollout
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.testing.clock import FakeClock

HOUR, DAY = 3600.0, 86_400.0
ARM = ArmReport(units=2000, requests=2000, error_rate=0.0, latency=(), cost_usd=0.0, priced=0, quality=None)


def metric(name: MetricName, low: float, high: float, units: int = 2000) -> MetricReport:
    middle = (low + high) / 2
    difference = Estimate(value=middle, low=low - 0.001, high=high + 0.001, n=2 * units, confidence=0.998)
    return MetricReport(name=name, difference=difference, low=low, high=high, base=units, tuned=units)


GOOD = ExperimentReport(
    base=ARM,
    tuned=ARM,
    stage_units=2000,
    metrics=(
        metric("feedback", -0.01, 0.03),
        metric("errors", -0.005, 0.005),
        metric("slow", -0.01, 0.01),
        metric("cost", -0.05, 0.05),
    ),
    guardrails=(GuardrailReport(name="errors", log_e=0.0, excess=0.0, base_bad=5, tuned_bad=5),),
    sample_ratio_log_evidence=-3.0,
    lost_events=0.0,
    slow_seconds=1.0,
    shadow=ShadowReport(answers=0, failed=0, base_failed=0, lost={}),
)
LAST = Situation(status="ramping", epoch=3, share=0.5, next_share=1.0, stage_seconds=HOUR)


def replaced(*metrics: MetricReport) -> ExperimentReport:
    names = {each.name for each in metrics}
    return attrs.evolve(GOOD, metrics=(*metrics, *(each for each in GOOD.metrics if each.name not in names)))


def first_words(decision: Decision) -> list[str]:
    return [reason.partition(":")[0] for reason in decision.reasons]


def test_every_gate_passed_is_promote_with_the_numbers() -> None:
    decision = decide(GOOD, LAST)
    assert decision.action == "PROMOTE"
    assert "quality by feedback: at least -0.010" in decision.reasons


@pytest.mark.parametrize(
    ("report", "where", "reason"),
    [
        (attrs.evolve(GOOD, stage_units=150), LAST, "units: 50 more tuned units in this stage"),
        (GOOD, attrs.evolve(LAST, stage_seconds=60.0), "time: 1740 more seconds in this stage"),
        (replaced(metric("feedback", -0.03, 0.03)), LAST, "quality by feedback: a harm of 0.02"),
        (replaced(metric("errors", -0.02, 0.02)), LAST, "errors: a harm of 0.01"),
        (replaced(metric("slow", -0.03, 0.03)), LAST, "slow answers: a harm of 0.02"),
        (replaced(metric("cost", -0.1, 0.12)), LAST, "cost: a harm of 0.1"),
        (replaced(metric("feedback", -0.01, 0.03, units=50)), LAST, "100 units needed, now 50"),
    ],
)
def test_one_gate_that_is_not_passed_holds_and_says_what_it_takes(
    report: ExperimentReport, where: Situation, reason: str
) -> None:
    decision = decide(report, where)
    assert decision.action == "HOLD"
    assert reason in "; ".join(decision.reasons)


def test_too_little_says_how_much_is_needed() -> None:
    wide = decide(replaced(metric("errors", -0.02, 0.02)), LAST)
    assert "units in all if the models don't differ" in wide.reasons[0]
    few, more = (units_needed(metric("errors", -w, w), 0.01, Gates()) for w in (0.02, 0.04))
    assert few is not None
    assert more is not None
    assert 4000 < few < more
    nothing = MetricReport(name="errors", difference=None, low=None, high=0.05, base=100, tuned=100)
    assert units_needed(nothing, 0.01, Gates()) is not None
    assert units_needed(attrs.evolve(nothing, name="cost"), 0.01, Gates()) is None


def test_a_small_share_may_be_uncertain_in_proportion() -> None:
    """Tolerated is a harm to all users together: from 1 % to 5 % of units 20 times as much for each of them."""
    wide = replaced(metric("errors", -0.1, 0.1), metric("feedback", -0.3, 0.3), metric("slow", -0.3, 0.3))
    early = Situation(status="ramping", epoch=3, share=0.01, next_share=0.05, stage_seconds=HOUR)
    assert decide(wide, early).action == "PROMOTE"
    assert decide(wide, LAST).action == "HOLD"


@pytest.mark.parametrize("name", ["errors", "slow", "invalid"])
def test_an_exact_guardrail_takes_the_model_away(name: str) -> None:
    """Its level is a fifth of 1 %: alarm at ln(500) = 6.2."""
    for log_e, excess, action in ((6.3, 4.0, "ROLLBACK"), (6.1, 4.0, "PROMOTE"), (99.0, -4.0, "PROMOTE")):
        found = GuardrailReport(name=name, log_e=log_e, excess=excess, base_bad=1, tuned_bad=9)
        assert decide(attrs.evolve(GOOD, guardrails=(found,)), LAST).action == action


def test_worse_quality_and_higher_cost_take_it_away_only_with_the_whole_interval() -> None:
    assert decide(replaced(metric("feedback", -0.1, -0.05)), LAST).action == "ROLLBACK"
    assert decide(replaced(metric("feedback", -0.1, -0.05, units=50)), LAST).action == "HOLD"
    assert decide(replaced(metric("cost", 0.15, 0.2)), LAST).action == "ROLLBACK"
    assert decide(replaced(metric("cost", 0.05, 0.15)), LAST).action == "HOLD", "dearer, but within what was agreed"


@pytest.mark.parametrize(
    "change",
    [{"sample_ratio_log_evidence": 7.0}, {"lost_events": 0.02}],
)
def test_lost_events_stop_every_decision(change: dict[str, float]) -> None:
    broken = attrs.evolve(replaced(metric("feedback", -0.9, -0.8)), **change)
    assert decide(broken, LAST).action == "INCONCLUSIVE"


def test_not_knowing_for_too_long_is_an_answer_and_no_traffic_is_none() -> None:
    unsure, old = replaced(metric("feedback", -0.03, 0.03)), attrs.evolve(LAST, stage_seconds=15 * DAY)
    decision = decide(unsure, old)
    assert decision.action == "INCONCLUSIVE"
    assert decision.reasons[0].startswith("time: 14 days")
    silent = attrs.evolve(ARM, requests=0)
    assert decide(attrs.evolve(unsure, base=silent, tuned=silent, metrics=()), old).action == "HOLD"


def test_either_evidence_on_quality_serves_and_pairs_alone_do_where_asked() -> None:
    unsure, pairs = metric("feedback", -0.2, 0.2), metric("pairs", -0.01, 0.01)
    assert decide(replaced(unsure, pairs), LAST).action == "PROMOTE"
    assert decide(replaced(unsure, pairs), LAST, gates=Gates(quality="feedback")).action == "HOLD"
    assert decide(replaced(unsure), LAST, gates=Gates(quality="none")).action == "PROMOTE"
    assert first_words(decide(GOOD, LAST, gates=Gates(quality="pairs"))) == ["quality on shadow pairs"]


@pytest.mark.parametrize("status", ["created", "rolled-back", "promoted"])
def test_where_nothing_can_be_raised_it_holds(status: str) -> None:
    assert decide(GOOD, attrs.evolve(LAST, status=status)).action == "HOLD"


def test_a_promoted_model_is_still_taken_away() -> None:
    """The hold-out goes on comparing."""
    found = GuardrailReport(name="errors", log_e=9.0, excess=9.0, base_bad=0, tuned_bad=9)
    worse = attrs.evolve(GOOD, guardrails=(found,))
    assert decide(worse, attrs.evolve(LAST, status="promoted")).action == "ROLLBACK"


SHADOW = Situation(status="shadow", epoch=1, share=0.0, next_share=0.01, stage_seconds=HOUR)


def in_shadow(**changes: object) -> ExperimentReport:
    fields: dict[str, object] = {"answers": 500, "failed": 0, "base_failed": 0, "lost": {}} | changes
    shadow = ShadowReport(**fields)  # type: ignore[arg-type]  # fields are checked by the class
    return attrs.evolve(GOOD, stage_units=0, metrics=(metric("pairs", -0.05, 0.05),), shadow=shadow)


def test_the_shadow_decides_on_pairs_failures_and_losses() -> None:
    assert decide(in_shadow(), SHADOW).action == "PROMOTE"
    assert first_words(decide(in_shadow(answers=150), SHADOW)) == ["units"]
    assert decide(in_shadow(lost={"queue": 6}), SHADOW).action == "INCONCLUSIVE"
    straight_to_all = attrs.evolve(SHADOW, next_share=1.0)
    assert first_words(decide(in_shadow(failed=20), straight_to_all)) == ["quality on shadow pairs", "errors"]


@given(
    st.floats(-0.5, 0.5), st.floats(0, 0.5), st.floats(-0.1, 0.1), st.floats(0, 20), st.floats(0, 20 * DAY),
    st.integers(0, 500),
)  # fmt: skip
def test_the_same_numbers_always_give_the_same_decision_also_after_a_journal(
    low: float, width: float, errors: float, log_e: float, seconds: float, units: int
) -> None:
    found = GuardrailReport(name="errors", log_e=log_e, excess=1.0, base_bad=1, tuned_bad=2)
    changed = replaced(metric("feedback", low, low + width), metric("errors", errors, errors + 0.01, units))
    decision = decide(attrs.evolve(changed, guardrails=(found,)), attrs.evolve(LAST, stage_seconds=seconds))
    kept = codec.from_json(codec.to_json(decision), Decision)
    assert kept == decision
    assert kept.again() == decision


@pytest.mark.parametrize(
    "fields",
    [
        {"stages": (0.5, 0.2)},
        {"stages": (0.0, 0.5)},
        {"stages": (0.5, 1.0)},
        {"error_margin": 0.0},
        {"alpha": 0.5},
        {"min_units": 0},
        {"min_seconds": 20 * DAY},
    ],
)
def test_gates_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Gates(**fields)  # type: ignore[arg-type]  # fields are checked by the class


def events(requests: int, *, stage: int, share: float, bad: float = 0.0) -> list[Observation]:
    from finetuner.deployment.assignment import bucket

    found: list[Observation] = []
    for number in range(requests):
        unit = f"u{number}"
        arm = "tuned" if bucket("t", "arms", unit) < share else "base"
        failed = arm == "tuned" and bucket("t", "errors", unit) < bad
        found.append(
            Observation(
                kind="exposure",
                request_id=f"{stage}-{unit}",
                at=float(number),
                unit=unit,
                stage=stage,
                share=share,
                assigned=arm,
                served=arm,
                analyzed=True,
                latency=1.0 + number % 7,
                error="TimeoutError" if failed else None,
            )
        )
    return found


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    gates = Gates(stages=(0.2, 0.5), quality="none")
    return Rollout.create("tickets", base="local:a", tuned="local:b", gates=gates, store=tmp_path, clock=FakeClock())


def passed(rollout: Rollout, seconds: float = HOUR) -> None:
    assert isinstance(rollout.clock, FakeClock)
    rollout.clock.advance(seconds)


def test_a_rollout_walks_through_its_stages_by_gates_alone(rollout: Rollout) -> None:
    rollout.ramp(0.2, approver="ada")
    assert rollout.advance().action == "HOLD"
    record(rollout.events_folder, *events(3000, stage=1, share=0.2))
    passed(rollout)
    assert rollout.advance().action == "PROMOTE"
    assert (rollout.state.share, rollout.state.approver) == (0.5, "gates")
    assert rollout.advance().action == "HOLD", "a new stage begins with nothing"
    record(rollout.events_folder, *events(6000, stage=2, share=0.5))
    passed(rollout)
    assert rollout.advance().action == "PROMOTE"
    assert (rollout.state.status, rollout.state.share) == ("promoted", 1.0)
    assert [entry.kind for entry in rollout.audit].count("advance") == 2
    replays = rollout.replay()
    assert len(replays) == 4
    assert all(replay.same for replay in replays)


def test_a_broken_guardrail_rolls_back_by_itself_and_the_next_attempt_starts_clean(rollout: Rollout) -> None:
    rollout.ramp(0.2, approver="ada")
    record(rollout.events_folder, *events(1000, stage=1, share=0.2, bad=0.2))
    before = rollout.state.salt
    decision = rollout.advance()
    assert decision.action == "ROLLBACK"
    assert decision.reasons[0].startswith("errors: ")
    state = rollout.state
    assert (state.status, state.share, state.reason) == ("rolled-back", 0.0, decision.reasons[0])
    assert state.salt != before
    assert rollout.advance().action == "HOLD"
    assert rollout.report().tuned.requests == 0
    rollout.shadow(0.5)
    assert rollout.state.stage > rollout.state.attempt_stage, "what the next shadow sees is counted"
