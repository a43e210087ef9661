"""What losses say about a training, and which checkpoint to use; both know noise from news.

A validation loss is *above* the lowest one when the difference is larger than one standard error, the rule of Breiman,
Friedman, Olshen and Stone (1984, section 3.4.3); a rise counts when it lasts (patience, Prechelt 1998). Providers give
one number for each validation and no spread, so the standard error is estimated from the series itself: of independent
noise with deviation s a second difference has deviation sqrt(6) s, and its median is 0.6745 of that. It is at least 1 %
of the lowest loss. The lowest of many (n, from eight on) is low by luck as well: by about sqrt(2 ln n) errors, the mean
of the extreme of n normal values, which a rise must exceed too.
"""

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

import attrs

from finetuner.providers.model import Model
from finetuner.providers.ports import Checkpoint
from finetuner.training.curve import Curve

Shape = Literal["good", "overfitting", "underfitting", "diverged", "too few steps", "not validated"]

_PATIENCE = 2
_FEW = 4
_MANY = 8
_FEWEST_STEPS = 10
_FEWEST_VALIDATIONS = 2
_ALONE = 3.0
_RELATIVE_FLOOR = 0.01
_RELATIVE_CEILING = 0.05
_STILL_FALLING = 0.05
_HARDLY_FELL = 0.05
_DIVERGED = 1.5


@attrs.frozen(kw_only=True)
class Verdict:
    """What the losses say.

    Attributes:
        shape: `good`, `overfitting`, `underfitting`, `diverged`, `too few steps` or `not validated`.
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
        model: The same as a model that answers.
        reason: Which number decided, against which others.
    """

    checkpoint: Checkpoint
    model: Model
    reason: str


def best_checkpoint(
    checkpoints: Sequence[Checkpoint], as_model: Callable[[Checkpoint], Model]
) -> BestCheckpoint | None:
    """The checkpoint with the lowest validation loss; the earlier one where the difference is noise.

    Without validation losses the last checkpoint is taken, and the reason says so. None where there are no checkpoints.

    Args:
        checkpoints: In order of steps.
        as_model: Makes a model of a checkpoint.
    """
    if not checkpoints:
        return None
    scored = [(checkpoint.metrics["valid_loss"], checkpoint) for checkpoint in checkpoints if _has_loss(checkpoint)]
    if not scored:
        reason = "the last one: without validation data nothing tells them apart"
        return BestCheckpoint(checkpoint=checkpoints[-1], model=as_model(checkpoints[-1]), reason=reason)
    losses = [loss for loss, _ in scored]
    lowest, error = min(losses), standard_error(losses)
    loss, chosen = next((loss, checkpoint) for loss, checkpoint in scored if loss <= lowest + error)
    if loss == lowest:
        reason = f"lowest validation loss ({loss:.4f}) of {len(scored)} checkpoints"
    else:
        reason = f"validation loss {loss:.4f}, within one standard error ({error:.4f}) of the lowest ({lowest:.4f}), "
        reason += "and earlier"
    return BestCheckpoint(checkpoint=chosen, model=as_model(chosen), reason=reason)


def verdict(curve: Curve) -> Verdict:
    """What the losses say about the training, in words, with the numbers that show it."""
    train = [loss for _, loss in curve.values("train_loss")]
    valid = [(step, loss) for step, loss in curve.values("valid_loss") if math.isfinite(loss)]
    broken = _diverged(train)
    if broken is not None:
        return broken
    last = curve.last
    if last is None or last.step < _FEWEST_STEPS:
        steps = 0 if last is None else last.step
        reason = f"{steps} steps say nothing about a training; give more epochs, more data or a smaller batch size"
        return Verdict(shape="too few steps", reason=reason)
    if not valid:
        fell = f"; training loss went from {_start(train):.4f} to {_end(train):.4f}" if train else ""
        reason = f"without validation losses overfitting can't be seen{fell}; give validation data"
        return Verdict(shape="not validated", reason=reason)
    if len(valid) < _FEWEST_VALIDATIONS:
        reason = "one validation loss shows no direction; give more epochs"
        return Verdict(shape="too few steps", reason=reason)
    return _rising(curve, valid) or _falling(train, valid) or _good(valid)


def standard_error(losses: Sequence[float]) -> float:
    """Estimated standard error of one loss in a series; see the module's text.

    A series of fewer than eight can't tell noise from the bend of the curve: there it is at most 5 % of the lowest.
    """
    lowest = min(losses)
    second = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    scale = median(second) / (0.6745 * math.sqrt(6)) if len(second) > 2 else 0.0  # noqa: PLR2004  # a median of two is no scale
    most = math.inf if len(losses) >= _MANY else _RELATIVE_CEILING * lowest
    return max(_RELATIVE_FLOOR * lowest, min(scale, most))


def _rising(curve: Curve, valid: Sequence[tuple[int, float]]) -> Verdict | None:
    """Overfitting: validation got worse for good while training went on to improve."""
    losses = [loss for _, loss in valid]
    lowest, error = min(losses), standard_error(losses)
    where = losses.index(lowest)
    patience = _PATIENCE if len(losses) >= _FEW else 1
    after = losses[where + 1 :][-patience:]
    errors = _ALONE if patience == 1 else 1.0 if len(losses) < _MANY else 1.0 + math.sqrt(2 * math.log(len(losses)))
    needed = errors * error
    if len(after) < patience or not all(loss > lowest + needed for loss in after):
        return None
    step = valid[where][0]
    before, now = _around(curve, step)
    if before is not None and now is not None and now > before * (1 + _RELATIVE_FLOOR):
        return Verdict(
            shape="diverged",
            reason=f"after step {step} validation loss rose from {lowest:.4f} to {losses[-1]:.4f} and training loss "
            f"from {before:.4f} to {now:.4f}; lower the learning rate",
        )
    while_falling = "" if before is None or now is None else f" while training loss fell from {before:.4f} to {now:.4f}"
    times = "once" if len(after) == 1 else f"{len(after)} times in a row"
    return Verdict(
        shape="overfitting",
        reason=f"validation loss rose from {lowest:.4f} (step {step}) to {losses[-1]:.4f}{while_falling}, {times} more "
        f"than {errors:.2g} standard error{'s' if errors > 1 else ''} ({needed:.4f}) above its lowest; "
        f"use the checkpoint of step {step}, fewer epochs or more data",
    )


def _falling(train: Sequence[float], valid: Sequence[tuple[int, float]]) -> Verdict | None:
    """Underfitting: there was more to learn."""
    losses = [loss for _, loss in valid]
    drop = losses[-2] - losses[-1]
    if drop > max(standard_error(losses), _STILL_FALLING * losses[-2]):
        reason = f"validation loss still fell by {drop:.4f} at the last validation; try more epochs"
        return Verdict(shape="underfitting", reason=reason)
    if len(train) >= _FEWEST_STEPS and _end(train) > (1 - _HARDLY_FELL) * _start(train):
        reason = f"training loss hardly fell, from {_start(train):.4f} to {_end(train):.4f}; "
        return Verdict(shape="underfitting", reason=f"{reason}try more epochs or a higher learning rate")
    return None


def _good(valid: Sequence[tuple[int, float]]) -> Verdict:
    return Verdict(
        shape="good", reason=f"validation loss went from {valid[0][1]:.4f} to {valid[-1][1]:.4f} and leveled off"
    )


def _diverged(train: Sequence[float]) -> Verdict | None:
    if not all(math.isfinite(loss) for loss in train):
        return Verdict(shape="diverged", reason="training loss isn't finite; lower the learning rate")
    if len(train) > 1 and _end(train) > _DIVERGED * _start(train):
        reason = f"training loss rose from {_start(train):.4f} to {_end(train):.4f}; lower the learning rate"
        return Verdict(shape="diverged", reason=reason)
    return None


def _around(curve: Curve, step: int) -> tuple[float | None, float | None]:
    """Median training loss just before a step, and at the end."""
    train = curve.values("train_loss")
    before = [loss for place, loss in train if place <= step]
    after = [loss for place, loss in train if place > step]
    return (_end(before) if before else None), (_end(after) if after else None)


def _start(losses: Sequence[float]) -> float:
    return median(losses[: max(1, len(losses) // 10)])


def _end(losses: Sequence[float]) -> float:
    return median(losses[-max(1, len(losses) // 10) :])


def _has_loss(checkpoint: Checkpoint) -> bool:
    return math.isfinite(checkpoint.metrics.get("valid_loss", math.nan))
