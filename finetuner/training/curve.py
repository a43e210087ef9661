"""Losses over training: one schema for all providers, as numbers and as pictures."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from finetuner._core.extras import require
from finetuner._core.page import Page, Section, Table, render
from finetuner._core.svg import line_chart
from finetuner.providers.ports import Checkpoint, JobEvent

_LINES: Mapping[str, str] = {"train_loss": "training", "valid_loss": "validation"}


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


@attrs.frozen
class Curve:
    """Losses step by step.

    Attributes:
        points: In order of steps.
    """

    points: tuple[CurvePoint, ...]

    @classmethod
    def of(cls, events: Iterable[JobEvent], checkpoints: Iterable[Checkpoint] = ()) -> "Curve":
        """The curve of a job: what its events tell, and what its checkpoints know better.

        Numbers of the same step are merged; a checkpoint's validation covers the whole validation file and wins.
        """
        merged: dict[int, dict[str, float]] = {}
        for event in events:
            if "step" in event.metrics:
                merged.setdefault(int(event.metrics["step"]), {}).update(event.metrics)
        for checkpoint in checkpoints:
            known = dict(checkpoint.metrics) | ({} if checkpoint.epoch is None else {"epoch": checkpoint.epoch})
            merged.setdefault(checkpoint.step, {}).update(known)
        return cls(tuple(_point(step, metrics) for step, metrics in sorted(merged.items())))

    @property
    def last(self) -> CurvePoint | None:
        """The last point, None where there is none."""
        return self.points[-1] if self.points else None

    def latest(self, metric: str) -> float | None:
        """The newest value of a metric, such as `valid_loss`, None where there is none."""
        return next((value for _, value in reversed(self.values(metric))), None)

    def values(self, metric: str) -> tuple[tuple[int, float], ...]:
        """Steps and values of a metric where it is known, in order of steps."""
        pairs = ((point.step, getattr(point, metric)) for point in self.points)
        return tuple((step, value) for step, value in pairs if value is not None)

    def plot(self) -> Any:
        """The losses as a matplotlib `Figure`; shown by itself in a notebook.

        Raises:
            MissingExtraError: matplotlib isn't installed.
        """
        figure = require("matplotlib.figure", extra="plot", feature="plotting a curve").Figure(layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="loss (nats)")
        for metric, name in _LINES.items():
            line = self.values(metric)
            if line:
                few = "o" if metric == "valid_loss" else None
                axes.plot([step for step, _ in line], [value for _, value in line], label=name, marker=few)
        if axes.lines:
            axes.legend()
        return figure

    def svg(self) -> str:
        """The losses as an SVG picture, without any extra."""
        drawn = {name: self.values(metric) for metric, name in _LINES.items()}
        return line_chart({name: line for name, line in drawn.items() if line}, x="step", y="loss (nats)")

    def html(self, title: str = "Losses", text: str = "") -> str:
        """The losses as one HTML page that needs nothing from outside.

        Args:
            title: The heading.
            text: What to say about them, such as a verdict.
        """
        names = [field.name for field in attrs.fields(CurvePoint)]
        rows = [
            tuple(_cell(getattr(point, name)) for name in names)
            for point in self.points
            if point.valid_loss is not None or point is self.last
        ]
        sections = [
            Section(title="Loss by step", text=text, picture=self.svg()),
            Section(title="Validated steps", table=Table(tuple(name.replace("_", " ") for name in names), rows)),
        ]
        return render(Page(title, sections))

    def _repr_html_(self) -> str:
        return self.svg()


def _point(step: int, metrics: dict[str, float]) -> CurvePoint:
    known = {field.name: metrics[field.name] for field in attrs.fields(CurvePoint) if field.name in metrics}
    epoch = int(known.pop("epoch")) if "epoch" in known else None
    known.pop("step", None)
    return CurvePoint(step=step, epoch=epoch, **known)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
