"""The workflow's weekly and monthly lists for a model that serves, evaluated from the rollout's audit and events."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from finetuner.deployment import reevaluation, retraining
from finetuner.deployment.checkpoints import Box, Phase, missing
from finetuner.deployment.observations import Observation
from finetuner.deployment.retraining import MONTH_DAYS
from finetuner.deployment.state import RolloutState
from finetuner.deployment.wording import ago, figures, first_of, shortened
from finetuner.evaluation.statistics.proportions import wilson
from finetuner.records.findings import Finding
from finetuner.records.rollouts import DecisionRecord

SAMPLE_SIZE: Final = 100
"""Answers that people look at each week."""

_WEEK_DAYS: Final = 7
_DAY: Final = 86_400.0
_MOST_ERRORS: Final = 3


def weekly(
    state: RolloutState,
    audit: Sequence[DecisionRecord],
    events: Iterable[Observation],
    approval: Finding | None,
    now: float,
) -> Phase:
    """What is due each week: a sample, a person's look at it, metrics, and errors.

    Args:
        state: Of the rollout.
        audit: Oldest first.
        events: Everything that was served.
        approval: The newest word of a person on the model's outputs.
        now: Seconds since the epoch.
    """
    since = now - _WEEK_DAYS * _DAY
    return Phase(
        "Weekly care",
        (
            _sampled(state.name, _newest(audit, "sample", since), now),
            _read(state.name, approval, since, now),
            _metrics(state.name, _newest(audit, "decide", since), now),
            _errors(state, events, since),
        ),
    )


def monthly(state: RolloutState, audit: Sequence[DecisionRecord], now: float) -> Phase:
    """What is due each month: an evaluation on fresh data, drift, and whether to train again.

    Args:
        state: Of the rollout.
        audit: Oldest first.
        now: Seconds since the epoch.
    """
    since = now - MONTH_DAYS * _DAY
    return Phase(
        "Monthly care",
        (
            _evaluated(state.name, _newest(audit, reevaluation.KIND, since), now),
            _drifted(state.name, _newest(audit, "drift", since), now),
            _considered(state.name, _newest(audit, retraining.KIND, since), now),
        ),
    )


def _newest(audit: Sequence[DecisionRecord], kind: str, since: float) -> DecisionRecord | None:
    return next((entry for entry in reversed(audit) if entry.kind == kind and entry.created_at >= since), None)


def _sampled(rollout: str, entry: DecisionRecord | None, now: float) -> Box:
    name, command = f"{SAMPLE_SIZE} outputs sampled", f"fine-tuner-cc monitor sample {rollout}"
    if entry is None:
        return missing(name, "none this week", command)
    taken, served = entry.body["requests"], entry.body["served"]
    told = f"{taken:,} of {served:,} answers of {entry.body['week']}, {_when(entry, now)}"
    if not taken:
        return missing(name, told, command)
    return Box(name=name, passed=taken >= min(SAMPLE_SIZE, served), evidence=told, command=command)


def _read(rollout: str, approval: Finding | None, since: float, now: float) -> Box:
    command = f"fine-tuner-cc checklist --tick approval --note TEXT --rollout {rollout}"
    if approval is None or approval.created_at < since:
        return missing("outputs read by people", "nobody this week", command)
    said = shortened(f"{approval.evidence.get('note', '')}")
    told = f"{said} ({approval.evidence.get('person', 'unknown')}, {ago(now - approval.created_at)})"
    return Box(name="outputs read by people", passed=approval.passed, evidence=told, command=command)


def _metrics(rollout: str, entry: DecisionRecord | None, now: float) -> Box:
    command = f"fine-tuner-cc rollout decide {rollout}"
    if entry is None:
        return missing("metrics looked at", "not this week", command)
    action = entry.body["action"]
    told = f"{action}: {first_of(entry.body['reasons'])}, {_when(entry, now)}"
    return Box(name="metrics looked at", passed=action != "ROLLBACK", evidence=told, command=command)


def _errors(state: RolloutState, events: Iterable[Observation], since: float) -> Box:
    """Passed unless errors are shown to exceed base's by more than the margin."""
    command = f"fine-tuner-cc rollout report {state.name}"
    served: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for event in events:
        if event.kind == "exposure":
            tuned = event.assigned == "tuned"
            arm = "base" if not tuned else "tuned" if event.at >= since else ""
            served[arm] += 1
            failed[arm] += event.error is not None
            if arm == "tuned" and event.error is not None:
                classes[event.error] += 1
    if not served["tuned"]:
        return missing("error logs", "no answers of the tuned model this week", command)
    share = wilson(failed["tuned"], served["tuned"])
    usual = failed["base"] / served["base"] if served["base"] else 0.0
    named = ", ".join(f"{name} {count:,}" for name, count in classes.most_common(_MOST_ERRORS))
    told = figures("errors", share.value, share.low, share.high, share.n) + (f": {named}" if named else "")
    return Box(name="error logs", passed=share.low <= usual + state.gates.error_margin, evidence=told, command=command)


def _evaluated(rollout: str, entry: DecisionRecord | None, now: float) -> Box:
    name, command = "evaluated on fresh data", f"fine-tuner-cc monitor evaluate {rollout} FILE"
    if entry is None:
        return missing(name, "not this month", command)
    (found,) = reevaluation.kept((entry,))
    look = found.look
    shown = look.difference
    told = figures(f"{look.metric} difference", shown.value, shown.low, shown.high, shown.n)
    return Box(
        name=name, passed=not found.fell, evidence=f"{told}: {look.verdict}, {_when(entry, now)}", command=command
    )


def _drifted(rollout: str, entry: DecisionRecord | None, now: float) -> Box:
    command = f"fine-tuner-cc monitor drift {rollout}"
    if entry is None:
        return missing("drift looked at", "not this month", command)
    passed = {"no_drift": True, "drift": False}.get(entry.body["state"])
    named = f": {', '.join(entry.body['features'])}" if entry.body["features"] else ""
    told = f"{entry.body['state'].replace('_', ' ')}{named}, {_when(entry, now)}"
    return Box(name="drift looked at", passed=passed, evidence=told, command=command)


def _considered(rollout: str, entry: DecisionRecord | None, now: float) -> Box:
    name, command = "retraining considered", f"fine-tuner-cc monitor recommend {rollout}"
    if entry is None:
        return missing(name, "not this month", command)
    answer = entry.body["answer"]
    passed = {"no": True, "yes": False}.get(answer)
    return Box(name=name, passed=passed, evidence=f"train again: {answer}, {_when(entry, now)}", command=command)


def _when(entry: DecisionRecord, now: float) -> str:
    return ago(now - entry.created_at)
