"""A rollout as Prometheus text, from the one place that has folded all events: no multiprocess mode is needed.

Source: Prometheus text exposition format 0.0.4.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import attrs

from finetuner.deployment.decision import Decision
from finetuner.deployment.experiment import ArmReport
from finetuner.deployment.retirement import Retirement
from finetuner.deployment.state import RolloutState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge"]


@attrs.frozen
class Family:
    """A metric's name, kind and meaning."""

    name: str
    kind: Kind
    help: str


FAMILIES: Final = (
    Family("finetuner_rollout_share", "gauge", "Share of units that have the tuned model, 0 to 1."),
    Family("finetuner_rollout_shadow_rate", "gauge", "Share of base's requests that are shadowed, 0 to 1."),
    Family("finetuner_rollout_epoch", "gauge", "Grows by one with every change."),
    Family("finetuner_rollout_status", "gauge", "1 for the status that the rollout has."),
    Family("finetuner_rollout_decision", "gauge", "1 for what is called for now."),
    Family("finetuner_requests_total", "counter", "Requests served in this attempt, by assigned arm."),
    Family("finetuner_request_errors_total", "counter", "Requests that failed in the assigned arm."),
    Family("finetuner_units", "gauge", "Distinct units."),
    Family("finetuner_latency_seconds", "gauge", "Latency by quantile."),
    Family("finetuner_latency_bound_seconds", "gauge", "Ends of its interval, valid at every look."),
    Family("finetuner_cost_usd_total", "counter", "USD of requests with a known price."),
    Family("finetuner_quality", "gauge", "Mean feedback, 0 to 1."),
    Family("finetuner_difference", "gauge", "Tuned minus base."),
    Family("finetuner_difference_bound", "gauge", "Ends of its interval, valid at every look."),
    Family("finetuner_guardrail_log_evidence", "gauge", "Evidence that tuned causes bad events; alarm at the level."),
    Family("finetuner_guardrail_alarm", "gauge", "Evidence at which the model is taken away."),
    Family("finetuner_sample_ratio_log_evidence", "gauge", "Evidence that events are lost; alarm at 6.9."),
    Family("finetuner_lost_events_share", "gauge", "Share of requests whose exposure is missing, 0 to 1."),
    Family("finetuner_shadow_answers_total", "counter", "Answers of the tuned model that nobody saw."),
    Family("finetuner_shadow_failures_total", "counter", "Of those, failed."),
    Family("finetuner_shadow_lost_total", "counter", "Sampled requests without an unseen answer, by reason."),
    Family("finetuner_model_days_left", "gauge", "Days until a model stops answering."),
)

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]

_STATUSES = ("created", "shadow", "ramping", "promoted", "rolled-back")
_ACTIONS = ("PROMOTE", "HOLD", "ROLLBACK", "INCONCLUSIVE")


def prometheus_text(state: RolloutState, decision: Decision, retirements: Iterable[Retirement] = ()) -> str:
    """A rollout's state, numbers and dates as Prometheus text."""
    samples = list(_samples(state, decision, retirements))
    lines: list[str] = []
    for family in FAMILIES:
        mine = [sample for sample in samples if sample[0] == family.name]
        if mine:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            lines += [_line(name, {"rollout": state.name, **labels}, value) for name, labels, value in mine]
    return "\n".join([*lines, ""])


def _samples(state: RolloutState, decision: Decision, retirements: Iterable[Retirement]) -> Iterator[Sample]:
    yield "finetuner_rollout_share", {}, state.share
    yield "finetuner_rollout_shadow_rate", {}, state.shadow_rate
    yield "finetuner_rollout_epoch", {}, state.epoch
    yield from (("finetuner_rollout_status", {"status": each}, float(each == state.status)) for each in _STATUSES)
    yield from (("finetuner_rollout_decision", {"action": each}, float(each == decision.action)) for each in _ACTIONS)
    yield from _arm("base", decision.report.base)
    yield from _arm("tuned", decision.report.tuned)
    yield from _comparison(decision)
    for each in retirements:
        if each.days_left is not None:
            yield "finetuner_model_days_left", {"role": each.role, "model": each.model}, each.days_left


def _arm(name: str, arm: ArmReport) -> Iterator[Sample]:
    own = {"arm": name}
    yield "finetuner_requests_total", own, arm.requests
    yield "finetuner_request_errors_total", own, round(arm.error_rate * arm.requests)
    yield "finetuner_units", own, arm.units
    yield "finetuner_cost_usd_total", own, arm.cost_usd
    if arm.quality is not None:
        yield "finetuner_quality", own, arm.quality
    for found in arm.latency:
        at = {**own, "quantile": f"{found.q:g}"}
        yield "finetuner_latency_seconds", at, found.value
        yield "finetuner_latency_bound_seconds", {**at, "end": "low"}, found.low
        if found.high is not None:
            yield "finetuner_latency_bound_seconds", {**at, "end": "high"}, found.high


def _comparison(decision: Decision) -> Iterator[Sample]:
    report = decision.report
    for metric in report.metrics:
        if metric.difference is not None:
            yield "finetuner_difference", {"metric": metric.name}, metric.difference.value
            yield "finetuner_difference_bound", {"metric": metric.name, "end": "low"}, metric.difference.low
            yield "finetuner_difference_bound", {"metric": metric.name, "end": "high"}, metric.difference.high
    for guardrail in report.guardrails:
        yield "finetuner_guardrail_log_evidence", {"guardrail": guardrail.name}, guardrail.log_e
    yield "finetuner_guardrail_alarm", {}, decision.gates.guardrail_alarm
    yield "finetuner_sample_ratio_log_evidence", {}, report.sample_ratio_log_evidence
    yield "finetuner_lost_events_share", {}, report.lost_events
    yield "finetuner_shadow_answers_total", {}, report.shadow.answers
    yield "finetuner_shadow_failures_total", {}, report.shadow.failed
    for reason, count in report.shadow.lost.items():
        yield "finetuner_shadow_lost_total", {"reason": reason}, count


def _line(name: str, labels: Labels, value: float) -> str:
    named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{named}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
