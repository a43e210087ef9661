"""What is wrong with a planned job, before anything is uploaded or paid."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from finetuner.data.checks.report import Issue, ValidationReport
from finetuner.data.checks.rules import known
from finetuner.data.dataset import Dataset
from finetuner.errors import InvalidDataError, TrainingNotAvailableError, UsageError
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.ports import FAILED, Finding, Provider
from finetuner.records.jobs import JobRecord
from finetuner.training.spec import TrainingSpec, trains

HORIZON_DAYS: Final = 180
"""A model that retires within so many days is warned about."""

_SHOWN: Final = 5
_ANNOUNCED: Final = "shutdown_announced"
_CONVERTED: Final = "other_format"  # creation writes the provider's own format
_CATALOG_CODES: Final = frozenset(
    {
        "model_retired",
        "training_closed",
        "not_tunable",
        "model_retires_soon",
        "unknown_model",
        "no_tunable_model",
        "base_retired",
        "training_ended",
        "base_retires",
        "method_not_available",
    }
)
"""What rules and advisors also say about the model's dates; `_lifetime` says it once, for all providers alike."""


def preflight(
    provider: Provider,
    spec: TrainingSpec,
    training: Dataset | None,
    validation: Dataset | None = None,
    on: date | None = None,
    *,
    horizon_days: int = HORIZON_DAYS,
) -> tuple[Finding, ...]:
    """Everything to know about a planned job: its model, its data, and what only the provider can tell.

    Args:
        provider: Where it is to run.
        spec: How to train.
        training: What to train on; None where only the provider has it.
        validation: What to validate on.
        on: The day of the job, today in UTC by default.
        horizon_days: Warn when the model retires within so many days.

    Returns:
        Findings of severity `error` (the job would fail or teach the wrong thing) and `warning`.
    """
    day = on or datetime.now(UTC).date()
    findings = list(_lifetime(provider.catalog, spec, day, horizon_days))
    for role, data in (("training", training), ("validation", validation)):
        if data is not None and provider.name in known():  # a guest without rules is asked by its advisor alone
            findings += _about_data(data.check(provider.name, spec.model, day), role)
    if training is not None and validation is not None:
        findings += _leaks(training, validation)
    if training is not None and provider.advisor is not None and not _errors(findings):
        advice = provider.advisor.advise(spec.model, training, spec.method)
        findings += [finding for finding in advice if finding.code not in _CATALOG_CODES]
    if any(finding.code == _ANNOUNCED for finding in findings):  # the service's own date wins over the catalog's
        findings = [finding for finding in findings if finding.code != "model_retires_soon"]
    return tuple(findings)


def similar_jobs(spec: TrainingSpec, provider: str, earlier: tuple[JobRecord, ...]) -> tuple[Finding, ...]:
    """Jobs that trained the same model on the same data, offered before another one is paid.

    Args:
        spec: The planned job.
        provider: Where it is to run.
        earlier: What the journal knows of the same training data.
    """
    alike = [
        record
        for record in earlier
        if (record.provider, record.request.model, record.request.method) == (provider, spec.model, spec.method)
        and record.snapshot is not None
        and record.snapshot.status != FAILED
    ]
    return tuple(_offer(spec, record) for record in alike[:_SHOWN])


def refuse_errors(findings: tuple[Finding, ...]) -> None:
    """Nothing, when there are only warnings.

    Raises:
        TrainingNotAvailableError: The model takes no such jobs, whatever the data.
        InvalidDataError: There are errors in the data; `report` holds all findings.
    """
    errors = _errors(findings)
    if not errors:
        return
    shown = [f"{finding.message} ({finding.fix})" if finding.fix else finding.message for finding in errors]
    message = f"nothing was sent: {'; '.join(shown)}"
    if all(finding.code in _CATALOG_CODES for finding in errors):
        raise TrainingNotAvailableError(message, code=errors[0].code)
    raise InvalidDataError(message, report=findings)


def require_validation(spec: TrainingSpec, validation: object | None) -> None:
    """Nothing, unless the method can't do without validation data.

    Raises:
        UsageError: Reinforcement without validation data (OpenAI, 2026-06).
    """
    if spec.method == "reinforcement" and validation is None:
        raise UsageError("reinforcement needs validation data; give validation=")


def _errors(findings: tuple[Finding, ...] | list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def _lifetime(catalog: Catalog, spec: TrainingSpec, day: date, horizon_days: int) -> Iterator[Finding]:
    """Whether the model takes jobs on that day, by that method, and how long it will answer."""
    entry = catalog.find(spec.model)
    if entry is None:
        if catalog.models:
            names = ", ".join(model.name for model in catalog.tunable(day)) or "none"
            message = (
                f"the catalog of {catalog.provider} doesn't know {spec.model!r}: its limits and dates aren't checked"
            )
            yield Finding(severity="warning", code="unknown_model", message=message, fix=f"tunable on {day}: {names}")
        return
    if not entry.tunable(day) or entry.retires == day:
        closed = _closed(catalog, entry, day)
        yield closed
        if closed.severity == "error":
            return
    if not trains(entry, spec.method):
        message = f"{entry.name} can't be trained by {spec.method!r}, only by {', '.join(entry.methods)}"
        yield Finding(severity="error", code="method_not_available", message=message, fix="choose another method")
    if entry.retires is not None and timedelta() < entry.retires - day <= timedelta(days=horizon_days):
        left = (entry.retires - day).days
        yield Finding(
            severity="warning",
            code="model_retires_soon",
            message=f"{entry.name} retires on {entry.retires}, in {left} days, and a model tuned on it with it "
            f"({entry.source})",
            fix="train on a model that stays longer, or plan to move the same data then: job.retarget(…)",
        )


def _closed(catalog: Catalog, entry: BaseModel, day: date) -> Finding:
    if entry.retires is not None and day >= entry.retires:
        code, message = "model_retired", f"{entry.name} retired on {entry.retires}, tuned models built on it included"
    elif entry.training_ends is not None and day > entry.training_ends:
        code, message = "training_closed", f"{entry.name} has taken no training jobs since {entry.training_ends}"
    else:
        code, message = "not_tunable", f"{entry.name} answers only; it can't be tuned"
    uncertain = entry.uncertain and code != "not_tunable"
    if uncertain:
        message += "; other sources name another date, and the service decides"
    others = ", ".join(model.name for model in catalog.tunable(day))
    fix = f"choose one of {others}" if others else "choose another provider; fine-tuner-cc models lists what is open"
    return Finding(
        severity="warning" if uncertain else "error",
        code=code,
        message=f"{message} ({entry.source})",
        fix=fix,
    )


def _about_data(report: ValidationReport, role: str) -> Iterator[Finding]:
    """One finding for each kind of problem, with its first place and how many there are."""
    by_code: dict[str, list[Issue]] = defaultdict(list)
    for issue in report.issues:
        counts = role == "training" or issue.line is not None  # sizes are asked of training data only
        if counts and issue.code not in _CATALOG_CODES and issue.code != _CONVERTED:
            by_code[issue.code].append(issue)
    for code, issues in by_code.items():
        first = issues[0]
        place = ": ".join(part for part in (f"line {first.line}" if first.line else "", first.field) if part)
        more = f" (and {report.counts[code] - 1:,} more like it)" if report.counts[code] > 1 else ""
        message = f"{role} data: {place + ': ' if place else ''}{first.message}{more}"
        yield Finding(severity=first.severity, code=code, message=message, fix=first.fix)


def _leaks(training: Dataset, validation: Dataset) -> Iterator[Finding]:
    shared = set(training.prompt_hashes()) & set(validation.prompt_hashes())
    if shared:
        yield Finding(
            severity="warning",
            code="validation_leak",
            message=f"{len(shared):,} prompts are in the training and the validation data",
            fix="split with Dataset.split(), which keeps duplicates together",
        )


def _offer(spec: TrainingSpec, record: JobRecord) -> Finding:
    assert record.snapshot is not None  # the caller chose such
    planned, other = spec.wire_hyperparameters(), dict(record.request.hyperparameters)
    now = planned | {"seed": spec.seed, "suffix": spec.suffix}
    then = other | {"seed": record.request.seed, "suffix": record.request.suffix}
    differing = [f"{name} {then.get(name)}" for name in sorted(now | then) if now.get(name) != then.get(name)]
    settings = f"with {', '.join(differing)}" if differing else "with the same settings and other validation data"
    return Finding(
        severity="warning",
        code="similar_job",
        message=f"{record.job_id} trained {spec.model} on the same data {settings}: "
        f"it {_state(record.snapshot.status)}",
        fix=f"use it instead of paying again: fine-tuner-cc status {record.job_id}",
    )


def _state(status: str) -> str:
    return status if status == "succeeded" else "was cancelled" if status == "cancelled" else f"is {status}"
