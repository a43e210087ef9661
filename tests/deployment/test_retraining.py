"""Two weeks of drift, or quality beyond its interval, call for a new training; too little data is no no."""

from datetime import UTC, date, datetime

import pytest

from finetuner._core import codec
from finetuner.deployment import retraining
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation
from finetuner.deployment.reevaluation import Look, Reevaluation
from finetuner.deployment.retirement import Retirement, Urgency
from finetuner.deployment.retraining import Recommendation, Signal
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.records.rollouts import DecisionRecord

DAY = 86_400.0
MONDAY = datetime(2027, 1, 11, 9, tzinfo=UTC).timestamp()
TRAIN = "fine-tuner-cc create FILE"


def entry(kind: str, at: float, body: object) -> DecisionRecord:
    return DecisionRecord(sequence=0, kind=kind, body=body, previous_hash="", hash="", created_at=at)


CREATED = entry("create", 0, {"name": "tickets"})


def drifts(*reports: tuple[float, str]) -> list[DecisionRecord]:
    features = {"drift": ["latency"]}
    told = [entry("drift", MONDAY + day * DAY, {"state": s, "features": features.get(s, [])}) for day, s in reports]
    return [CREATED, *told]


@pytest.mark.parametrize(
    ("reports", "answer"),
    [
        ([], "not enough data"),
        ([(0, "no_drift")], "no"),
        ([(0, "insufficient_data")], "not enough data"),
        ([(0, "drift")], "not enough data"),
        ([(-7, "drift"), (0, "drift")], "yes"),
        ([(-7.01, "drift"), (-1, "drift"), (0, "drift")], "yes"),
        ([(-1, "drift"), (0, "drift")], "not enough data"),  # Sunday and Monday: the same traffic
        ([(-1, "drift"), (5.5, "drift")], "yes"),
        ([(-14, "drift"), (0, "drift")], "not enough data"),  # a week between them
        ([(-7, "drift"), (-3, "no_drift"), (0, "drift")], "not enough data"),
        ([(-7, "drift"), (-3, "insufficient_data"), (0, "drift")], "yes"),
        ([(-7, "drift"), (0, "no_drift")], "no"),
        ([(-22, "drift"), (-15, "drift")], "not enough data"),  # long ago
    ],
)
def test_drift_calls_for_training_after_two_consecutive_weeks(reports: list[tuple[float, str]], answer: str) -> None:
    signal = retraining.drift_signal(drifts(*reports), MONDAY + 6 * DAY, train=TRAIN)
    assert signal.answer == answer
    assert ("two weeks running: latency" in signal.evidence) == (answer == "yes")
    assert signal.command == {"yes": TRAIN, "no": ""}.get(answer, "fine-tuner-cc monitor drift tickets")


def looked(*, at: float, low: float, high: float, new: int = 0) -> DecisionRecord:
    change = Estimate(value=(low + high) / 2, low=low, high=high, n=400)
    look = Look(
        id="c",
        at=at,
        dataset="d" * 64,
        source="rows",
        metric="accuracy",
        base=None,
        tuned=None,
        difference=Estimate(value=0.1, low=0.05, high=0.15, n=400),
        verdict="better",
        labels={"refund": 390, "crypto": new},
    )
    labels = {"crypto": new} if new else {}
    found = Reevaluation(look=look, before=look, change=change, margin=0.02, new_labels=labels)
    return entry("evaluate", at, codec.unstructure(found))


@pytest.mark.parametrize(
    ("low", "high", "answer"), [(-0.09, -0.03, "yes"), (-0.01, 0.03, "no"), (-0.06, 0.02, "not enough data")]
)
def test_quality_calls_for_training_where_its_interval_lies_beyond_the_margin(
    low: float, high: float, answer: str
) -> None:
    quality, labels = retraining.evaluation_signals([CREATED, looked(at=0, low=low, high=high)], 30 * DAY, train=TRAIN)
    assert (quality.name, quality.answer, labels.answer) == ("quality", answer, "no")
    assert "against the last look: difference" in quality.evidence


def test_a_look_of_another_month_tells_nothing_about_today() -> None:
    for audit in ([CREATED], [CREATED, looked(at=0, low=-0.01, high=0.01)]):
        quality, labels = retraining.evaluation_signals(audit, 32 * DAY, train=TRAIN)
        assert (quality.answer, labels.answer) == ("not enough data", "not enough data")
        assert "monitor evaluate" in quality.command


def test_labels_that_the_model_does_not_know_call_for_training() -> None:
    _, labels = retraining.evaluation_signals([CREATED, looked(at=0, low=-0.01, high=0.01, new=12)], DAY, train=TRAIN)
    assert (labels.answer, labels.evidence, labels.command) == ("yes", "new: crypto (12 rows)", TRAIN)


def scored(units: int, *, at: float, good: float) -> list[Observation]:
    events: list[Observation] = []
    for number in range(units):
        request = f"{at:g}-{number}"
        events.append(Observation(kind="exposure", request_id=request, at=at, unit=request, served="tuned"))
        quality = float(number < good * units)
        events.append(Observation(kind="feedback", request_id=request, at=at, quality=quality))
    return events


@pytest.mark.parametrize(
    ("units", "good", "answer"),
    [(2000, 0.7, "yes"), (20_000, 0.9, "no"), (200, 0.9, "not enough data"), (20, 0.1, "not enough data")],
)
def test_feedback_is_held_to_an_interval_that_stays_valid(units: int, good: float, answer: str) -> None:
    events = [*scored(units, at=0, good=0.9), *scored(units, at=60 * DAY, good=good)]
    signal = retraining.feedback_signal(events, 61 * DAY, Gates(), train=TRAIN)
    assert signal.answer == answer


def test_feedback_that_never_varies_has_not_fallen() -> None:
    events = [*scored(100, at=0, good=1), *scored(100, at=60 * DAY, good=1)]
    assert retraining.feedback_signal(events, 61 * DAY, Gates(), train=TRAIN).answer == "no"


def retirement(role: str, days: int | None) -> Retirement:
    urgency: Urgency = "none announced" if days is None else "soon" if days <= 90 else "later"
    return Retirement(
        role=role,
        model="vertex:gemini",
        retires=None if days is None else date(2027, 1, 1),
        days_left=days,
        urgency=urgency,
        source="",
        command="fine-tuner-cc retarget j" if urgency == "soon" else "",
    )


@pytest.mark.parametrize(
    ("role", "days", "answer"),
    [("tuned", 40, "yes"), ("base", 40, "yes"), ("rollback", 40, "no"), ("tuned", 400, "no"), ("tuned", None, "no")],
)
def test_a_retiring_model_calls_for_another_but_the_way_back_does_not(role: str, days: int | None, answer: str) -> None:
    signal = retraining.retirement_signal([retirement(role, days)])
    assert signal.answer == answer
    assert signal.command == ("fine-tuner-cc retarget j" if answer == "yes" else "")


def recommended(**answers: retraining.Reply) -> Recommendation:
    return Recommendation(tuple(Signal(name=name, answer=answer, evidence=name) for name, answer in answers.items()))


def test_one_yes_is_a_yes_and_a_no_needs_drift_and_quality() -> None:
    unknown: retraining.Reply = "not enough data"
    assert recommended(drift="no", quality="no", feedback="no", labels="yes").answer == "yes"
    assert recommended(drift="no", quality="no", feedback=unknown).answer == "no"
    assert recommended(drift="no", quality=unknown, feedback="no").answer == "no"
    assert recommended(drift=unknown, quality="no", feedback="no").answer == unknown
    assert recommended(drift="no", quality=unknown, feedback=unknown, retirement="no").answer == unknown
    yes = recommended(drift="yes", quality=unknown)
    assert yes.reasons == ("drift: drift",)
    assert str(yes).splitlines() == ["train again: yes", "- drift: yes: drift", "- quality: not enough data: quality"]
