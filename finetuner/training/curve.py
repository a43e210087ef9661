"""Losses over training, one schema for all providers, and what they say."""

import math
from collections.abc import Iterable
from statistics import median
from typing import Literal

import attrs

from finetuner.providers.ports import Checkpoint, JobEvent

Shape = Literal["good", "overfitting", "underfitting", "diverged", "too few steps"]

_FEWEST_CHECKPOINTS = 2
_RELATIVE_TOLERANCE = 0.01
_DIVERGED = 1.5


@attrs.frozen(kw_only=True)
class CurvePoint:
    """Losses and accuracies at one step; None where the provider doesn't tell.

    Attributes:
        step: Training step, 1-based.
        epoch: Epoch, 1-based, where known.
        train_loss: Mean negative log-likelihood, nats for each token or answer.
        valid_loss: The same on the validation data.
        train_accuracy: Share of right tokens or answers, 0 to 1.
        valid_accuracy: The same on the validation data.
    """

    step: int
    epoch: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """What the losses say.

    Attributes:
        shape: `good`, `overfitting`, `underfitting`, `diverged` or `too few steps`.
        reason: The numbers that led there, and what to do.
    """

    shape: Shape
    reason: str

    def __str__(self) -> str:
        """`overfitting: …`."""
        return f"{self.shape}: {self.reason}"


@attrs.frozen(kw_only=True)
class BestCheckpoint:
    """The checkpoint to use, and why.

    Attributes:
        checkpoint: The provider's checkpoint.
        reason: Which number decided, against which others.
    """

    checkpoint: Checkpoint
    reason: str


@attrs.frozen
class Curve:
    """Losses step by step.

    Attributes:
        points: In order of steps.
    """

    points: tuple[CurvePoint, ...]

    @classmethod
    def from_events(cls, events: Iterable[JobEvent]) -> "Curve":
        """The curve in a job's events; events of the same step are merged."""
        merged: dict[int, dict[str, float]] = {}
        for event in events:
            if "step" in event.metrics:
                merged.setdefault(int(event.metrics["step"]), {}).update(event.metrics)
        return cls(tuple(_point(step, metrics) for step, metrics in sorted(merged.items())))

    @property
    def last(self) -> CurvePoint | None:
        """The last point, None where there is none."""
        return self.points[-1] if self.points else None

    def latest(self, metric: str) -> float | None:
        """The newest value of a metric, such as `valid_loss`, None where there is none."""
        values = (getattr(point, metric) for point in reversed(self.points))
        return next((value for value in values if value is not None), None)


def _point(step: int, metrics: dict[str, float]) -> CurvePoint:
    known = {field.name: metrics[field.name] for field in attrs.fields(CurvePoint) if field.name in metrics}
    epoch = int(known.pop("epoch")) if "epoch" in known else None
    known.pop("step", None)
    return CurvePoint(step=step, epoch=epoch, **known)


def best_checkpoint(checkpoints: tuple[Checkpoint, ...]) -> BestCheckpoint | None:
    """The checkpoint with the lowest validation loss; the earlier one where the difference is noise.

    Without validation losses the last checkpoint is taken, and the reason says so. None where there are no checkpoints.
    """
    if not checkpoints:
        return None
    scored = [(checkpoint.metrics["valid_loss"], checkpoint) for checkpoint in checkpoints if _has_loss(checkpoint)]
    if not scored:
        return BestCheckpoint(
            checkpoint=checkpoints[-1], reason="the last one: without validation data nothing tells them apart"
        )
    lowest = min(loss for loss, _ in scored)
    tolerance = _noise([loss for loss, _ in scored])
    loss, chosen = next((loss, checkpoint) for loss, checkpoint in scored if loss <= lowest + tolerance)
    if loss == lowest:
        reason = f"lowest validation loss ({loss:.4f}) of {len(scored)} checkpoints"
    else:
        reason = f"validation loss {loss:.4f}, within noise ({tolerance:.4f}) of the lowest ({lowest:.4f}), and earlier"
    return BestCheckpoint(checkpoint=chosen, reason=reason)


def verdict(checkpoints: tuple[Checkpoint, ...], curve: Curve) -> Verdict:
    """What the losses say about the training.

    Overfitting: the validation loss rose from its lowest value by more than noise while training went on. Noise is the
    robust scale of the second differences of the validation loss, at least 1 % of the lowest value.
    """
    losses = [checkpoint.metrics["valid_loss"] for checkpoint in checkpoints if _has_loss(checkpoint)]
    train = [point.train_loss for point in curve.points if point.train_loss is not None]
    diverged = _diverged(train)
    if diverged is not None:
        return diverged
    if len(losses) < _FEWEST_CHECKPOINTS:
        return Verdict(
            shape="too few steps", reason="fewer than two validation losses; give validation data and more epochs"
        )
    lowest, last, tolerance = min(losses), losses[-1], _noise(losses)
    where = losses.index(lowest) + 1
    if last > lowest + tolerance:
        return Verdict(
            shape="overfitting",
            reason=f"validation loss rose from {lowest:.4f} (checkpoint {where}) to {last:.4f}, more than noise "
            f"({tolerance:.4f}); use checkpoint {where}, fewer epochs or more data",
        )
    if losses[-2] - last > max(tolerance, 0.05 * losses[-2]):
        return Verdict(
            shape="underfitting",
            reason=f"validation loss still fell by {losses[-2] - last:.4f} in the last epoch; try more epochs",
        )
    return Verdict(shape="good", reason=f"validation loss fell from {losses[0]:.4f} to {last:.4f} and leveled off")


def _diverged(train: list[float]) -> Verdict | None:
    if not train:
        return None
    if not all(math.isfinite(loss) for loss in train):
        return Verdict(shape="diverged", reason="training loss isn't finite; lower the learning rate")
    part = max(1, len(train) // 10)
    start, end = median(train[:part]), median(train[-part:])
    if len(train) > 1 and end > _DIVERGED * start:
        return Verdict(
            shape="diverged", reason=f"training loss rose from {start:.4f} to {end:.4f}; lower the learning rate"
        )
    return None


def _has_loss(checkpoint: Checkpoint) -> bool:
    return math.isfinite(checkpoint.metrics.get("valid_loss", math.nan))


def _noise(losses: list[float]) -> float:
    second = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    # Of independent noise with deviation s a second difference has deviation sqrt(6) s; its median is 0.6745 of that.
    scale = median(second) / (0.6745 * math.sqrt(6)) if len(second) > 2 else 0.0  # noqa: PLR2004  # a median of two is no scale
    floor = _RELATIVE_TOLERANCE * min(losses)
    return max(floor, min(scale, 5 * floor))
