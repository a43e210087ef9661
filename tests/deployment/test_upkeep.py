"""What is due each week and month is read from the audit and the events, and is due again when it is old."""

from typing import Any

import pytest

from finetuner._core import codec
from finetuner.deployment import upkeep
from finetuner.deployment.checkpoints import Box, Phase
from finetuner.deployment.observations import Observation
from finetuner.deployment.reevaluation import Look, Reevaluation
from finetuner.deployment.state import Arm, RolloutState
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.records.findings import Finding
from finetuner.records.rollouts import DecisionRecord

DAY = 86_400.0
NOW = 100 * DAY
STATE = RolloutState(
    name="tickets", base="local:a", tuned="local:b", salt="s", shadow_salt="t", created_at=0.0, stage_started_at=0.0
)


def entry(kind: str, body: Any, *, days_ago: float = 1.0) -> DecisionRecord:
    at = NOW - days_ago * DAY
    return DecisionRecord(sequence=0, kind=kind, body=body, previous_hash="", hash="", created_at=at)


def served(arm: Arm, n: int, *, failed: int = 0, days_ago: float = 1.0) -> list[Observation]:
    return [
        Observation(
            kind="exposure",
            request_id=f"{arm}{number}",
            at=NOW - days_ago * DAY,
            assigned=arm,
            error="TimeoutError" if number < failed else None,
        )
        for number in range(n)
    ]


def weekly(*audit: DecisionRecord, events: list[Observation] | None = None, approval: Finding | None = None) -> Phase:
    return upkeep.weekly(STATE, audit, events or [], approval, NOW)


def box(phase: Phase, start: str) -> Box:
    return next(each for each in phase.boxes if each.name.startswith(start))


def test_without_anything_everything_is_due_with_its_command() -> None:
    for phase in (weekly(), upkeep.monthly(STATE, (), NOW)):
        assert {each.passed for each in phase.boxes} == {None}
        assert all("tickets" in each.command for each in phase.boxes)


@pytest.mark.parametrize(
    ("requests", "of", "days_ago", "passed"),
    [(100, 5000, 1, True), (40, 40, 1, True), (40, 5000, 1, False), (0, 0, 1, None), (100, 5000, 8, None)],
)
def test_a_sample_has_a_hundred_answers_of_this_week_or_all(
    requests: int, of: int, days_ago: float, passed: bool | None
) -> None:
    sample = entry("sample", {"week": "2027-W02", "served": of, "requests": requests}, days_ago=days_ago)
    assert box(weekly(sample), "100 outputs sampled").passed is passed


@pytest.mark.parametrize(("days_ago", "said", "passed"), [(2, True, True), (2, False, False), (9, True, None)])
def test_a_person_read_them_this_week(days_ago: float, said: bool, passed: bool | None) -> None:
    at = NOW - days_ago * DAY
    evidence = {"note": "read all", "person": "ada"}
    approval = Finding(kind="approval", subject="local:b", passed=said, evidence=evidence, created_at=at)
    found = box(weekly(approval=approval), "outputs read")
    assert found.passed is passed
    assert (found.evidence == "read all (ada, 2 days ago)") == (passed is not None)


@pytest.mark.parametrize(("action", "passed"), [("PROMOTE", True), ("HOLD", True), ("ROLLBACK", False)])
def test_metrics_are_looked_at_by_deciding(action: str, passed: bool) -> None:
    found = box(weekly(entry("decide", {"action": action, "reasons": ["a", "b"]})), "metrics")
    assert (found.passed, found.evidence) == (passed, f"{action}: a (and 1 more), yesterday")


@pytest.mark.parametrize(("failed", "passed"), [(0, True), (20, True), (80, False)])
def test_errors_of_the_week_are_held_against_base(failed: int, passed: bool) -> None:
    events = [*served("base", 1000, failed=10), *served("tuned", 1000, failed=failed)]
    events += served("tuned", 500, failed=500, days_ago=10)
    found = box(weekly(events=events), "error logs")
    assert found.passed is passed
    assert found.evidence.startswith(f"errors {failed / 10:.1f}% [")
    assert found.evidence.endswith(f": TimeoutError {failed}") == bool(failed)


@pytest.mark.parametrize(("verdict", "passed"), [("better", True), ("no difference shown", True), ("worse", False)])
def test_fresh_data_were_evaluated_this_month(verdict: str, passed: bool) -> None:
    look = Look(
        id="c",
        at=NOW,
        dataset="d" * 64,
        source="rows",
        metric="accuracy",
        base=None,
        tuned=None,
        difference=Estimate(value=0.1, low=0.05, high=0.15, n=400),
        verdict=verdict,
        labels={},
    )
    body = codec.unstructure(Reevaluation(look=look, before=None, change=None, margin=0.02, new_labels={}))
    found = box(upkeep.monthly(STATE, (entry("evaluate", body, days_ago=20),), NOW), "evaluated")
    assert found.passed is passed
    assert found.evidence == f"accuracy difference 10.0 points [5.0, 15.0], n = 400: {verdict}, 20 days ago"
    assert box(upkeep.monthly(STATE, (entry("evaluate", body, days_ago=32),), NOW), "evaluated").passed is None


@pytest.mark.parametrize(
    ("state", "passed", "told"),
    [
        ("no_drift", True, "no drift, yesterday"),
        ("drift", False, "drift: latency, yesterday"),
        ("insufficient_data", None, "insufficient data, yesterday"),
    ],
)
def test_too_few_values_are_no_look_at_drift(state: str, passed: bool | None, told: str) -> None:
    features = ["latency"] if state == "drift" else []
    found = box(upkeep.monthly(STATE, (entry("drift", {"state": state, "features": features}),), NOW), "drift")
    assert (found.passed, found.evidence) == (passed, told)


@pytest.mark.parametrize(("answer", "passed"), [("no", True), ("yes", False), ("not enough data", None)])
def test_a_retraining_is_considered_and_a_yes_is_to_be_acted_on(answer: str, passed: bool | None) -> None:
    found = box(upkeep.monthly(STATE, (entry("recommend", {"answer": answer}),), NOW), "retraining")
    assert (found.passed, found.evidence) == (passed, f"train again: {answer}, yesterday")
