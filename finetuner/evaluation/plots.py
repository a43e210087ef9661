"""Results as figures of matplotlib (extra `plot`), for notebooks and papers. Reports draw their own pictures."""

from typing import Any

import numpy as np

from finetuner._core import extras
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.results import Evaluation

_MOST_CLASSES = 40
_INCHES = 0.45
_SMALLEST = 4.0


def evaluation_figure(evaluation: Evaluation) -> Any:
    """The confusion matrix of a classifier (shares of each row's class), else every metric with its interval.

    Returns:
        A `matplotlib.figure.Figure`, bound to no window.

    Raises:
        MissingExtraError: matplotlib isn't installed.
    """
    matrix = evaluation.confusion
    if matrix is None or len(matrix.labels) > _MOST_CLASSES:
        return _intervals(evaluation)
    counts = np.array([(*row, lost) for row, lost in zip(matrix.counts, matrix.unparseable, strict=True)], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(_SMALLEST, _INCHES * len(matrix.labels) + 2)
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(matrix.labels) + 1), [*matrix.labels, "unreadable"], rotation=60, ha="right")
    axes.set_yticks(range(len(matrix.labels)), matrix.labels)
    for row, column in np.argwhere(counts > 0):
        color = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004 - half of the shade
        axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=color)
    axes.set(xlabel="given", ylabel="expected", title=evaluation.model)
    figure.colorbar(image, label="share of the class")
    return figure


def comparison_figure(comparison: Comparison) -> Any:
    """The difference on all rows and on each slice, with intervals: a forest plot.

    Returns:
        A `matplotlib.figure.Figure`, bound to no window.

    Raises:
        MissingExtraError: matplotlib isn't installed.
    """
    effects = {"all rows": comparison.difference} | {part.title: part.difference for part in comparison.slices}
    figure = _figure(8.0, max(_SMALLEST, _INCHES * len(effects) + 1))
    axes = figure.subplots()
    for place, effect in enumerate(effects.values()):
        axes.plot([effect.low, effect.high], [place, place], color="C0")
        axes.plot(effect.value, place, "o", color="C0")
    axes.axvline(0.0, color="gray", linestyle="--")
    axes.set_yticks(range(len(effects)), list(effects))
    axes.invert_yaxis()
    axes.set(xlabel="tuned minus base", title=f"{comparison.tuned.model} against {comparison.base.model}")
    return figure


def _intervals(evaluation: Evaluation) -> Any:
    figure = _figure(8.0, max(_SMALLEST, _INCHES * len(evaluation.metrics) + 1))
    axes = figure.subplots()
    for place, value in enumerate(evaluation.metrics.values()):
        axes.plot([value.low, value.high], [place, place], color="C0")
        axes.plot(value.value, place, "o", color="C0")
    axes.set_yticks(range(len(evaluation.metrics)), list(evaluation.metrics))
    axes.invert_yaxis()
    axes.set(xlabel="value with its interval", title=evaluation.model)
    return figure


def _figure(width: float, height: float) -> Any:
    module = extras.require("matplotlib.figure", extra="plot", feature="plots")
    return module.Figure(figsize=(width, height), layout="constrained")
