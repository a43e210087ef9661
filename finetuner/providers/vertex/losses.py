"""Losses of a tuning job: Vertex AI keeps them in the TensorBoard of the job's experiment.

The experiment is a context of the metadata store that names its TensorBoard; there the same name has runs, and these
have a series for each measure.

Source: Google Cloud, "Tuning and validation metrics" of supervised tuning, 2026; the experiments of
`google-cloud-aiplatform` 2.7.0, which find their TensorBoard the same way.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import ProviderError
from finetuner.providers.lenient import as_list, as_moment, as_number, as_object, as_text, as_whole
from finetuner.providers.ports import Checkpoint, JobEvent
from finetuner.providers.vertex.client import Client

_TENSORBOARD: Final = "backing_tensorboard_resource"
_ALL: Final = {"maxDataPoints": "-1"}
_MEASURES: Final[Mapping[str, str]] = {
    "train_total_loss": "train_loss",
    "train_fraction_of_correct_next_step_preds": "train_accuracy",
    "eval_total_loss": "valid_loss",
    "eval_fraction_of_correct_next_step_preds": "valid_accuracy",
}


@attrs.frozen
class Losses:
    """What was measured, step by step.

    Attributes:
        points: Step, seconds since the epoch, and measures under our names; earliest first.
        problem: Why they can't be read, None where they can or there are none.
    """

    points: tuple[tuple[int, float, Mapping[str, float]], ...] = ()
    problem: str | None = None


def losses(client: Client, raw: JsonObject) -> Losses:
    """The losses of a job, as far as they are there and the caller may read them."""
    experiment = as_text(raw.get("experiment"))
    if experiment is None:
        return Losses()
    try:
        context = client.look(experiment)
        board = as_text(as_object(context.get("metadata")).get(_TENSORBOARD))
        return Losses() if board is None else _read(client, board, experiment.rpartition("/")[2])
    except ProviderError as error:
        if error.retryable:
            raise
        return Losses(problem=f"the losses in {experiment} can't be read: {error}")


def events(job: str, found: Losses, total_steps: int | None) -> tuple[JobEvent, ...]:
    """An event for each step that was measured."""
    total = {} if total_steps is None else {"total_steps": float(total_steps)}
    told = [
        JobEvent(
            id=f"{job}#step-{step}",
            created_at=moment,
            message=f"step {step}: {', '.join(f'{name} {value:.4g}' for name, value in measures.items())}",
            metrics={"step": float(step), **total, **measures},
        )
        for step, moment, measures in found.points
    ]
    if found.problem is not None:
        told.append(JobEvent(id=f"{job}#losses", created_at=0.0, message=found.problem, level="warn"))
    return tuple(told)


def measured(checkpoint: Checkpoint, found: Losses) -> Checkpoint:
    """The checkpoint with what was measured last until its step."""
    metrics: dict[str, float] = {}
    for step, _, measures in found.points:
        if step <= checkpoint.step:
            metrics.update(measures)
    return attrs.evolve(checkpoint, metrics=metrics)


def _read(client: Client, board: str, experiment: str) -> Losses:
    runs = as_list(client.look(f"{board}/experiments/{experiment}/runs").get("tensorboardRuns"))
    names = [name for name in (as_text(as_object(run).get("name")) for run in runs) if name is not None]
    listed = (as_list(client.look(f"{name}/timeSeries").get("tensorboardTimeSeries")) for name in names)
    measures: dict[str, str] = {}
    for series in map(as_object, chain.from_iterable(listed)):
        measure = _MEASURES.get((as_text(series.get("displayName")) or "").strip("/"))
        name = as_text(series.get("name"))
        if measure is not None and name is not None:
            measures[name] = measure
    steps: dict[int, dict[str, float]] = {}
    moments: dict[int, float] = {}
    for name, measure in measures.items():
        data = as_object(client.look(f"{name}:read", _ALL).get("timeSeriesData"))
        for point in map(as_object, as_list(data.get("values"))):
            value, step = as_number(as_object(point.get("scalar")).get("value")), as_whole(point.get("step")) or 0
            if value is not None:
                steps.setdefault(step, {})[measure] = value
                moments[step] = as_moment(point.get("wallTime")) or 0.0
    return Losses(tuple((step, moments[step], steps[step]) for step in sorted(steps)))
