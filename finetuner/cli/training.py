"""Commands of the second phase: training."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Place

if TYPE_CHECKING:
    from finetuner.providers.ports import Checkpoint, JobEvent
    from finetuner.training.job import Job

_LOSSES = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
_STEPS_TOLD = 20

Named = Annotated[str, typer.Argument(help="The job's id.")]
At = Annotated[str | None, typer.Option("--provider", help="Where; told from the journal or the id by default.")]
Method = Annotated[str, typer.Option(help="supervised, dpo, preference or reinforcement.")]
Most = Annotated[float | None, typer.Option("--max-usd", min=0.0, help="Don't start what costs more, in USD.")]


def upload(
    file: Annotated[str, typer.Argument(help="Training or validation examples.")],
    provider: Annotated[str, typer.Option(help="Where to.")],
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Send a file and print its id; a file that is already there isn't sent again."""
    from finetuner.providers.registry import connect
    from finetuner.records.journal import Journal
    from finetuner.training import creation

    connection = connect(provider, workspace=workspace)
    with Journal.open(workspace) as journal:
        sent = creation.upload(file, connection, journal)
    output.result(sent.id, sent, as_json=as_json)


def create(
    training: Annotated[str, typer.Argument(help="Id of an uploaded file, a gs:// address, or a local path.")],
    *,
    provider: Annotated[str, typer.Option(help="Where.")],
    model: Annotated[str, typer.Option(help="The base model, or a tuned one to go on from.")],
    validation: Annotated[
        str | None, typer.Option("--validation", "--validation-file", help="Likewise, for validation.")
    ] = None,
    method: Method = "supervised",
    epochs: Annotated[int | None, typer.Option(min=1, help="The provider's choice by default.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step.")] = None,
    learning_rate_multiplier: Annotated[float | None, typer.Option(help="Above 0.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For a training that can be repeated.")] = None,
    suffix: Annotated[str | None, typer.Option(help="Part of the tuned model's name.")] = None,
    max_usd: Most = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Start a training job and print its id; the same command again gives the same job."""
    from finetuner.training.job import Job

    job = Job.create(
        training,
        validation=validation,
        provider=provider,
        model=model,
        method=method,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate_multiplier=learning_rate_multiplier,
        seed=seed,
        suffix=suffix,
        max_usd=max_usd,
        workspace=workspace,
    )
    output.advice(f"{job.status}; follow it with: finetuner wait {job.id}")
    output.result(job.id, job.snapshot, as_json=as_json)


def status(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Show status, progress, losses, errors and the tuned model; exit status 1 when the job failed."""
    job = _job(job_id, provider, workspace)
    _show(job, as_json=as_json)
    if job.status == "failed":
        raise typer.Exit(1)


def wait(
    job_id: Named,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Seconds; as long as it takes by default.")] = None,
    provider: At = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Wait until the job has a model; waiting again after an interrupt goes on."""

    def tell(event: "JobEvent") -> None:
        if _worth_telling(event):
            output.advice(_event(event))

    _show(_job(job_id, provider, workspace).wait(timeout=timeout, on_event=tell), as_json=as_json)


def cancel(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a job to stop."""
    _show(_job(job_id, provider, workspace).cancel(), as_json=as_json)


def pause(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a job to pause, where the provider can."""
    _show(_job(job_id, provider, workspace).pause(), as_json=as_json)


def resume(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a paused job to go on."""
    _show(_job(job_id, provider, workspace).resume(), as_json=as_json)


def events(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """List what happened, oldest first."""
    found = _job(job_id, provider, workspace).events()
    output.result("\n".join(map(_event, found)), found, as_json=as_json)


def checkpoints(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """List saved states, name the best one and say why."""
    job = _job(job_id, provider, workspace)
    found, best, verdict = job.checkpoints(), job.best_checkpoint(), job.verdict()
    lines = [f"Checkpoint {number}: {_checkpoint(job, each)}" for number, each in enumerate(found, 1)]
    if best is not None:
        lines.append(f"Best: step {best.checkpoint.step}: {best.reason}")
    output.advice(str(verdict) if found else f"job {job.id} is {job.status} and has no checkpoints")
    output.result("\n".join(lines), {"checkpoints": found, "best": best, "verdict": verdict}, as_json=as_json)


def jobs(
    provider: Annotated[str | None, typer.Option(help="Ask this provider instead of the journal.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs: those of the journal, or all of a provider."""
    from finetuner.records.jobs import JobRecords
    from finetuner.records.journal import Journal
    from finetuner.training.job import Job

    if provider is None:
        with Journal.open(workspace) as journal:
            known = [(record.provider, record.snapshot) for record in JobRecords(journal).recent(limit)]
    else:
        listed = Job.list(provider=provider, limit=limit, workspace=workspace)
        known = [(job.provider, job.snapshot) for job in listed]
    found = [(name, snapshot) for name, snapshot in known if snapshot is not None]
    lines = [f"{snapshot.id}  {snapshot.status}  {name}:{snapshot.model}" for name, snapshot in found]
    values = [{"provider": name, **output.plain(snapshot)} for name, snapshot in found]
    output.result("\n".join(lines), values, as_json=as_json)


def _job(job_id: str, provider: str | None, workspace: str | None) -> "Job":
    from finetuner.training.job import Job

    return Job.get(job_id, provider=provider, workspace=workspace)


def _show(job: "Job", *, as_json: bool) -> None:
    curve = job.curve()
    losses = {name: curve.latest(name) for name in _LOSSES}
    known = {name: value for name, value in losses.items() if value is not None}
    tuned = names.shown(job.model.reference) if job.snapshot.tuned_model else None
    value = {
        "provider": job.provider,
        **output.plain(job.snapshot),
        "progress": _done(job),
        **losses,
        "fine_tuned_model": tuned,
    }
    output.result("\n".join(_status_lines(job, known, tuned)), value, as_json=as_json)


def _status_lines(job: "Job", losses: dict[str, float], tuned: str | None) -> Iterator[str]:
    snapshot = job.snapshot
    yield f"Status: {job.status}"
    done = _done(job)
    if done is not None:
        epochs = snapshot.hyperparameters.get("epochs")
        of = f" (epoch {snapshot.epoch}/{epochs})" if snapshot.epoch and epochs else ""
        yield f"Progress: {done:.0%}{of}"
    yield from (f"{name}: {value:.4g}" for name, value in losses.items())
    if snapshot.failure is not None:
        code = f" ({snapshot.failure.code})" if snapshot.failure.code else ""
        yield f"Error{code}: {snapshot.failure.message}"
    if tuned is not None:
        yield f"fine_tuned_model: {tuned}"


def _done(job: "Job") -> float | None:
    """Share of the training that is done, 0 to 1; None where unknown."""
    snapshot = job.snapshot
    if job.status == "succeeded":
        return 1.0
    return snapshot.step / snapshot.total_steps if snapshot.step is not None and snapshot.total_steps else None


def _worth_telling(event: "JobEvent") -> bool:
    """Whether a person who waits wants to read it: of plain steps, twenty in a whole training."""
    step, total = event.metrics.get("step"), event.metrics.get("total_steps")
    if not step or not total or "valid_loss" in event.metrics or event.level != "info":
        return True
    return step % max(1.0, total // _STEPS_TOLD) == 0


def _event(event: "JobEvent") -> str:
    return f"{datetime.fromtimestamp(event.created_at, UTC):%Y-%m-%d %H:%M:%S} {event.level}: {event.message}"


def _checkpoint(job: "Job", checkpoint: "Checkpoint") -> str:
    known = [f"{name}: {checkpoint.metrics[name]:.4g}" for name in _LOSSES if name in checkpoint.metrics]
    return ", ".join([f"step {checkpoint.step}", *known, names.shown(job.checkpoint_model(checkpoint).reference)])
