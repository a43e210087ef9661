"""What is wrong with a planned job, before anything is uploaded or paid."""

from datetime import date

from finetuner.data.checks.rules import known
from finetuner.data.dataset import Dataset
from finetuner.errors import InvalidDataError, UsageError
from finetuner.providers.ports import Finding, Provider
from finetuner.training.spec import TrainingSpec

_SHOWN = 5


def preflight(
    provider: Provider, spec: TrainingSpec, training: Dataset, validation: Dataset | None = None, on: date | None = None
) -> tuple[Finding, ...]:
    """Everything to know about a planned job.

    Args:
        provider: Where it is to run.
        spec: How to train.
        training: What to train on.
        validation: What to validate on.
        on: The day of the job, today by default.

    Returns:
        Findings of severity `error` (the job would fail or teach the wrong thing) and `warning`.
    """
    findings: list[Finding] = []
    for role, data in (("training", training), ("validation", validation)):
        if data is not None and provider.name in known():  # a guest without rules is asked by its advisor alone
            report = data.check(provider.name, spec.model, on)
            findings += [
                Finding(severity="error", code=issue.code, message=f"{role} data: {issue}", fix=issue.fix)
                for issue in report.errors
                if role == "training" or issue.line is not None
            ]
    if validation is not None:
        shared = set(training.prompt_hashes()) & set(validation.prompt_hashes())
        if shared:
            findings.append(
                Finding(
                    severity="warning",
                    code="validation_leak",
                    message=f"{len(shared):,} prompts are in the training and the validation data",
                    fix="split with Dataset.split(), which keeps duplicates together",
                )
            )
    if provider.advisor is not None and not findings:
        findings += provider.advisor.advise(spec.model, training, spec.method)
    return tuple(findings)


def refuse_errors(findings: tuple[Finding, ...]) -> None:
    """Nothing, when there are only warnings.

    Raises:
        InvalidDataError: There are errors; the message shows the first five.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        shown = "; ".join(finding.message for finding in errors[:_SHOWN])
        more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        raise InvalidDataError(f"nothing was sent: {shown}{more}")


def require_validation(spec: TrainingSpec, validation: object | None) -> None:
    """Nothing, unless the method can't do without validation data.

    Raises:
        UsageError: Reinforcement without validation data (OpenAI, 2026-06).
    """
    if spec.method == "reinforcement" and validation is None:
        raise UsageError("reinforcement needs validation data; give validation=")
