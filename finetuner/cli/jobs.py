"""Commands about jobs that exist: look, wait, steer."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Place

if TYPE_CHECKING:
    from finetuner.providers.ports import Checkpoint, JobEvent
    from finetuner.training.job import Job
    from finetuner.training.progress import Progress

_METRICS = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
_STEPS_TOLD = 20

Named = Annotated[str, typer.Argument(help="The job's id, or the fingerprint of its training data.")]
At = Annotated[str | None, typer.Option("--provider", help="Where; told from the journal or the id by default.")]
Page = Annotated[str | None, typer.Option("--report", help="Write the losses as an HTML page too.")]


def status(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Show status, progress, losses, errors and the tuned model; exit status 1 when the job failed."""
    job = find(job_id, provider, workspace)
    show(job, as_json=as_json)
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

    job = find(job_id, provider, workspace)
    # On a terminal a bar says it all; a log wants lines.
    show(job.wait(timeout=timeout, on_event=None if sys.stderr.isatty() else tell), as_json=as_json)


def cancel(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a job to stop."""
    show(find(job_id, provider, workspace).cancel(), as_json=as_json)


def pause(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a job to pause, where the provider can."""
    show(find(job_id, provider, workspace).pause(), as_json=as_json)


def resume(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Ask a paused job to go on."""
    show(find(job_id, provider, workspace).resume(), as_json=as_json)


def events(job_id: Named, provider: At = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """List what happened, oldest first."""
    found = find(job_id, provider, workspace).events()
    output.result("\n".join(map(_event, found)), found, as_json=as_json)


def checkpoints(
    job_id: Named, provider: At = None, report: Page = None, workspace: Place = None, as_json: AsJson = False
) -> None:
    """List saved states, name the best one and say why."""
    job = find(job_id, provider, workspace)
    found, best, verdict = job.checkpoints(), job.best_checkpoint(), job.verdict()
    if report is not None:
        from pathlib import Path

        Path(report).write_text(job.curve().html(f"Job {job.id}", str(verdict)), encoding="utf-8")
        output.advice(f"wrote {report}")
    lines = [f"Checkpoint {number}: {_checkpoint(job, each)}" for number, each in enumerate(found, 1)]
    chosen = None if best is None else names.shown(best.model.reference)
    if best is not None:
        lines += [f"Best: step {best.checkpoint.step}: {best.reason}", f"Use it as: {chosen}"]
    output.advice(str(verdict) if found else f"job {job.id} is {job.status} and has no checkpoints")
    value = None if best is None else {"checkpoint": best.checkpoint, "model": chosen, "reason": best.reason}
    output.result("\n".join(lines), {"checkpoints": found, "best": value, "verdict": verdict}, as_json=as_json)


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


def find(job_id: str, provider: str | None, workspace: str | None) -> "Job":
    """The job that is meant."""
    from finetuner.training.job import Job

    return Job.get(job_id, provider=provider, workspace=workspace)


def show(job: "Job", *, as_json: bool) -> None:
    """Print a job's status, progress, losses, errors and tuned model."""
    progress, curve = job.progress(), job.curve()
    metrics = {name: known for name in _METRICS if (known := curve.latest(name)) is not None}
    tuned = names.shown(job.model.reference) if job.snapshot.tuned_model else None
    value: dict[str, object] = {
        "provider": job.provider,
        **output.plain(job.snapshot),
        "progress": progress.share,
        "seconds_left": progress.seconds_left,
        "usd": progress.usd,
        "fine_tuned_model": tuned,
    }
    value |= {name: metrics.get(name) for name in _METRICS}
    output.result("\n".join(_status_lines(job, progress, metrics, tuned)), value, as_json=as_json)


def _status_lines(job: "Job", progress: "Progress", metrics: dict[str, float], tuned: str | None) -> Iterator[str]:
    from finetuner._core.money import usd
    from finetuner.training.progress import duration

    yield f"Status: {job.status}"
    if progress.share is not None:
        of = f" (epoch {progress.epoch}/{progress.epochs})" if progress.epoch and progress.epochs else ""
        yield f"Progress: {progress.share:.0%}{of}"
    yield from (f"{name}: {value:.4g}" for name, value in metrics.items())
    if progress.seconds_left is not None:
        yield f"Time left: {duration(progress.seconds_left)}"
    if progress.usd is not None:
        yield f"Cost: {usd(progress.usd)}{'' if job.snapshot.ended else ' so far'}"
    failure = job.snapshot.failure
    if failure is not None:
        yield f"Error{f' ({failure.code})' if failure.code else ''}: {failure.message}"
    if tuned is not None:
        yield f"fine_tuned_model: {tuned}"


def _worth_telling(event: "JobEvent") -> bool:
    """Whether a person who waits wants to read it: of plain steps, twenty in a whole training."""
    step, total = event.metrics.get("step"), event.metrics.get("total_steps")
    if not step or not total or "valid_loss" in event.metrics or event.level != "info":
        return True
    return step % max(1.0, total // _STEPS_TOLD) == 0


def _event(event: "JobEvent") -> str:
    return f"{datetime.fromtimestamp(event.created_at, UTC):%Y-%m-%d %H:%M:%S} {event.level}: {event.message}"


def _checkpoint(job: "Job", checkpoint: "Checkpoint") -> str:
    known = [f"{name}: {checkpoint.metrics[name]:.4g}" for name in _METRICS if name in checkpoint.metrics]
    return ", ".join([f"step {checkpoint.step}", *known, names.shown(job.checkpoint_model(checkpoint).reference)])
