"""How far a job is: share, epoch, losses, time left and money spent, as a value and as a bar on a terminal."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

import attrs

from finetuner._core.money import usd
from finetuner.providers.ports import SUCCEEDED, TERMINAL, JobEvent, JobSnapshot
from finetuner.training.curve import Curve

_MINUTE, _HOUR = 60, 3600


@attrs.frozen(kw_only=True)
class Progress:
    """How far a job is; None where nobody tells.

    Attributes:
        status: As in `JobSnapshot`.
        share: Share of the training that is done, 0 to 1.
        epoch: Epoch in work, from 1.
        epochs: Epochs in all.
        train_loss: The newest training loss, nats.
        valid_loss: The newest validation loss, nats.
        seconds_left: Until the estimated end.
        usd: What is trained so far costs, in USD.
    """

    status: str
    share: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None
    seconds_left: float | None = None
    usd: float | None = None

    @classmethod
    def of(
        cls, job: JobSnapshot, events: Sequence[JobEvent], *, now: float, total_usd: float | None = None
    ) -> "Progress":
        """The progress that a job and its events tell.

        Args:
            job: The job as it is.
            events: Its events, oldest first.
            now: Seconds since the epoch.
            total_usd: What the whole training costs, where known.
        """
        curve = Curve.of(events)
        steps = [event for event in events if "step" in event.metrics]
        share = _share(job, steps)
        given = job.hyperparameters.get("epochs")
        epochs = given if isinstance(given, int) else None
        told = job.epoch or (curve.last.epoch if curve.last else None)
        reckoned = min(epochs, int(share * epochs) + 1) if epochs and share is not None else None
        spent = total_usd * share if total_usd is not None and share is not None else None
        return cls(
            status=job.status,
            share=share,
            epoch=told or reckoned,
            epochs=epochs,
            train_loss=curve.latest("train_loss"),
            valid_loss=curve.latest("valid_loss"),
            seconds_left=None if job.ended else _left(job, steps, share, now),
            usd=spent,
        )

    def __str__(self) -> str:
        """`running, 67%, epoch 2/3, train_loss 0.45, valid_loss 0.52, 3 min left, $7.54 so far`."""
        parts = [self.status]
        if self.share is not None:
            parts.append(f"{self.share:.0%}")
        if self.epoch and self.epochs:
            parts.append(f"epoch {self.epoch}/{self.epochs}")
        losses = {"train_loss": self.train_loss, "valid_loss": self.valid_loss}
        parts += [f"{name} {loss:.4g}" for name, loss in losses.items() if loss is not None]
        if self.seconds_left is not None:
            parts.append(f"{duration(self.seconds_left)} left")
        if self.usd is not None:
            parts.append(usd(self.usd) if self.status in TERMINAL else f"{usd(self.usd)} so far")
        return ", ".join(parts)


class Show(Protocol):
    """Shows progress."""

    def __call__(self, progress: Progress, /) -> None:
        """Show it."""
        ...


@contextmanager
def bar(name: str, *, wanted: bool | None = None) -> Generator[Show | None]:
    """A progress bar on standard error, gone when the block ends.

    Args:
        name: What progresses.
        wanted: None shows it where standard error is a terminal.

    Yields:
        What shows progress; None where nothing is shown.
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Bar(*columns, console=Console(stderr=True, force_terminal=wanted), transient=True) as shown:
        task = shown.add_task(name, total=1.0, words="")

        def show(progress: Progress, /) -> None:
            shown.update(task, completed=progress.share or 0.0, words=str(progress))

        yield show


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `3 min`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{round(whole / _MINUTE)} min"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _share(job: JobSnapshot, steps: Sequence[JobEvent]) -> float | None:
    if job.status == SUCCEEDED:
        return 1.0
    if job.step is not None and job.total_steps:
        return min(1.0, job.step / job.total_steps)
    shares = [
        event.metrics["step"] / event.metrics["total_steps"] for event in steps if event.metrics.get("total_steps")
    ]
    return min(1.0, shares[-1]) if shares else None


def _left(job: JobSnapshot, steps: Sequence[JobEvent], share: float | None, now: float) -> float | None:
    """The provider's estimate; else as much time for each step as so far."""
    if job.estimated_finish is not None:
        return max(0.0, job.estimated_finish - now)
    if not share or len(steps) < 2:  # noqa: PLR2004  # one event has no speed
        return None
    first, last = steps[0], steps[-1]
    done = last.metrics["step"] - first.metrics["step"]
    total = last.metrics["step"] / share
    if done <= 0:
        return None
    each = (last.created_at - first.created_at) / done
    return max(0.0, each * (total - last.metrics["step"]) - (now - last.created_at))
