"""Reports and decisions as plain text for terminals. Strings only: whoever prints them is elsewhere."""

from collections.abc import Iterator

from finetuner._core.money import usd
from finetuner.deployment.experiment import (
    ArmReport,
    ExperimentReport,
    GuardrailReport,
    MetricReport,
    QuantileReport,
    ShadowReport,
)
from finetuner.deployment.state import RolloutState

_NAMES = {
    "pairs": "quality on shadow pairs",
    "feedback": "quality by feedback",
    "errors": "errors",
    "slow": "slow answers",
    "invalid": "invalid answers",
    "cost": "cost of a request (relative)",
}


def state_text(state: RolloutState) -> str:
    """Where a rollout is, such as `tickets: ramping, 5% of units on local:…`."""
    lines = [
        f"{state.name}: {state.status}, {state.share:.0%} of units on {state.tuned}",
        f"base: {state.base}",
        f"shadow: {state.shadow_rate:.0%} of base's requests",
    ]
    if state.status == "rolled-back" and state.reason:
        lines.append(f"reason: {state.reason}")
    return "\n".join(lines)


def report_text(report: ExperimentReport) -> str:
    """Both arms, their differences, and what can't be told yet."""
    return "\n".join(_report_lines(report))


def _report_lines(report: ExperimentReport) -> Iterator[str]:
    shadow = report.shadow
    if shadow.answers or shadow.lost:
        yield _shadow(shadow, report.metric("pairs"))
    served = report.base.requests or report.tuned.requests
    if served:
        yield _arm("base", report.base)
        yield _arm("tuned", report.tuned)
    else:
        yield "no requests yet that the tuned model could answer" if shadow.answers else "no requests yet"
    for metric in report.metrics:
        yield f"{_NAMES[metric.name]}, tuned minus base: {_difference(metric)}"
    if not any(metric.name in {"pairs", "feedback"} for metric in report.metrics):
        yield "quality: not enough data (no feedback and no shadow pairs yet)"
    if served:
        yield from map(_guardrail, report.guardrails)
        yield f"sample ratio: log evidence {report.sample_ratio_log_evidence:.2f}"
    if served or report.lost_events:
        yield f"lost events: {report.lost_events:.2%}"


def _guardrail(found: GuardrailReport) -> str:
    if not (found.tuned_bad or found.base_bad):
        return f"guardrail {found.name}: none in either arm"
    bad = f"{found.tuned_bad:,} units of tuned, {found.base_bad:,} of base"
    return f"guardrail {found.name}: {bad}, log evidence {found.log_e:.2f}"


def _shadow(found: ShadowReport, pairs: MetricReport | None) -> str:
    failed = f"{found.failed:,} failed ({found.failed / found.answers:.2%})" if found.answers else "0 failed"
    told = [f"{found.answers:,} answers of tuned beside base's", f"{failed}, {found.base_failed:,} of base"]
    told += map(_quantile, found.latency)
    told.append("no pair scored yet" if pairs is None else f"{pairs.tuned:,} pairs scored, of {pairs.base:,} units")
    if found.lost:
        told.append(f"lost: {', '.join(f'{name} {count:,}' for name, count in found.lost.items())}")
    return f"shadow: {', '.join(told)}"


def _difference(metric: MetricReport) -> str:
    if metric.difference is None:
        bound = "" if metric.high is None else f"; at most {metric.high:.4f}"
        return f"nothing varies in {metric.base:,} and {metric.tuned:,} units{bound}"
    return f"{metric.difference}, valid at every look"


def _arm(name: str, arm: ArmReport) -> str:
    seconds = ", ".join(_quantile(found) for found in arm.latency)
    quality = "" if arm.quality is None else f", quality {arm.quality:.3f}"
    served = f"{arm.units:,} units, {arm.requests:,} requests, {arm.error_rate:.2%} errors"
    cost = "" if arm.cost_per_request is None else f", {usd(arm.cost_per_request)} for a request"
    return f"{name}: {served}{', ' if seconds else ''}{seconds}{cost}{quality}"


def _quantile(found: QuantileReport) -> str:
    high = "?" if found.high is None else f"{found.high:.3f}"
    return f"p{found.q * 100:.0f} {found.value:.3f} s [{found.low:.3f}, {high}]"
