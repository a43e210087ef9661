"""Reports and decisions as plain text for terminals. Strings only: whoever prints them is elsewhere."""

from collections.abc import Iterator

from finetuner._core.money import usd
from finetuner.deployment.experiment import ArmReport, Decision, ExperimentReport
from finetuner.deployment.state import RolloutState


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


def decision_text(decision: Decision) -> str:
    """The action on the first line, a reason on each of the others."""
    return "\n".join([decision.action, *(f"- {reason}" for reason in decision.reasons)])


def _report_lines(report: ExperimentReport) -> Iterator[str]:
    yield _arm("base", report.base)
    yield _arm("tuned", report.tuned)
    base, tuned = report.scored
    if report.quality_difference is None:
        yield f"quality difference: not enough data ({base} base and {tuned} tuned units with feedback)"
    else:
        yield f"quality difference, tuned minus base: {report.quality_difference}, valid at every look"
    if report.error_difference is None:
        yield "units with errors: no difference to see yet"
    else:
        yield f"units with errors, tuned minus base: {report.error_difference}"
    if report.errors_deteriorated:
        yield "errors: the tuned model causes them"
    if report.sample_ratio_mismatch:
        yield "the arms are not as large as designed: events were lost"


def _arm(name: str, arm: ArmReport) -> str:
    seconds = ", ".join(
        f"{label} {value:.3f} s"
        for label, value in (("p50", arm.p50), ("p95", arm.p95), ("p99", arm.p99))
        if value is not None
    )
    quality = "" if arm.quality is None else f", quality {arm.quality:.3f}"
    served = f"{arm.units:,} units, {arm.requests:,} requests, {arm.error_rate:.2%} errors"
    return f"{name}: {served}{', ' if seconds else ''}{seconds}, {usd(arm.cost_usd)}{quality}"
