"""Between OpenAI's JSON and what crosses the ports: pure, and lenient on reading, for fields come and go.

Source: OpenAI's API reference and OpenAPI document (2026-08-21). Statuses are an open set: one that isn't known here is
shown as it is and counts as not ended.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.openai.failures import NAME
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    VALIDATING,
    Checkpoint,
    FileReference,
    JobEvent,
    JobFailure,
    JobSnapshot,
    JobStatus,
)

KEY: Final = "finetuner_key"
"""Name of our idempotency key among a job's metadata."""

_STATUSES: Final[Mapping[str, JobStatus]] = {
    "validating_files": VALIDATING,
    "queued": QUEUED,
    "running": RUNNING,
    "paused": PAUSED,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "cancelled": CANCELLED,
    "canceled": CANCELLED,
}

_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "step": ("step",),
    "total_steps": ("total_steps",),
    "epoch": ("epoch",),
    "train_loss": ("train_loss",),
    "valid_loss": ("full_valid_loss", "valid_loss"),
    "train_accuracy": ("train_mean_token_accuracy", "train_accuracy"),
    "valid_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy", "valid_accuracy"),
    "train_reward": ("train_mean_reward",),
    "valid_reward": ("full_valid_mean_reward", "valid_reward_mean"),
}
"""Our name of each metric, and OpenAI's, the better first: over the whole validation file, then over one batch."""

_OUR_HYPERPARAMETERS: Final[Mapping[str, str]] = {"n_epochs": "epochs"}
_THEIR_HYPERPARAMETERS: Final[Mapping[str, str]] = {ours: theirs for theirs, ours in _OUR_HYPERPARAMETERS.items()}


def file(raw: JsonObject) -> FileReference:
    """A file object."""
    return FileReference(
        id=identity(raw, "file"),
        name=_text(raw.get("filename")) or "",
        bytes=_whole(raw.get("bytes")) or 0,
        status=_text(raw.get("status")) or "processed",
        status_details=_text(raw.get("status_details")),
    )


def job(raw: JsonObject) -> JobSnapshot:
    """A job object."""
    status = _text(raw.get("status")) or ""
    method = _object(raw.get("method"))
    kind = _text(method.get("type")) or "supervised"
    metadata = _object(raw.get("metadata"))
    given = _object(method.get(kind)).get("hyperparameters") or raw.get("hyperparameters")
    return JobSnapshot(
        id=identity(raw, "job"),
        model=_text(raw.get("model")) or "",
        status=_STATUSES.get(status, status),
        created_at=_number(raw.get("created_at")) or 0.0,
        finished_at=_number(raw.get("finished_at")),
        estimated_finish=_number(raw.get("estimated_finish")),
        tuned_model=_text(raw.get("fine_tuned_model")),
        training_file=_text(raw.get("training_file")),
        validation_file=_text(raw.get("validation_file")),
        method=kind,
        hyperparameters=hyperparameters(_object(given), _OUR_HYPERPARAMETERS),
        seed=_whole(raw.get("seed")),
        suffix=_text(raw.get("user_provided_suffix")),
        key=_text(metadata.get(KEY)),
        trained_tokens=_whole(raw.get("trained_tokens")),
        failure=_failure(_object(raw.get("error")), failed=status == FAILED),
        raw_status=status,
    )


def event(raw: JsonObject) -> JobEvent:
    """An event object."""
    return JobEvent(
        id=identity(raw, "event"),
        created_at=_number(raw.get("created_at")) or 0.0,
        message=_text(raw.get("message")) or "",
        level=_text(raw.get("level")) or "info",
        metrics=metrics(_object(raw.get("data"))),
    )


def events(newest_first: Iterable[JsonObject]) -> tuple[JobEvent, ...]:
    """Events, oldest first; those of the same second in the order in which they happened."""
    oldest_first = [event(raw) for raw in newest_first][::-1]
    return tuple(sorted(oldest_first, key=lambda item: item.created_at))


def checkpoint(raw: JsonObject) -> Checkpoint:
    """A checkpoint object."""
    found = metrics(_object(raw.get("metrics")))
    epoch = found.get("epoch")
    return Checkpoint(
        id=identity(raw, "checkpoint"),
        model=_text(raw.get("fine_tuned_model_checkpoint")) or "",
        step=_whole(raw.get("step_number")) or int(found.get("step", 0)),
        epoch=None if epoch is None else int(epoch),
        metrics={name: value for name, value in found.items() if name not in {"step", "total_steps", "epoch"}},
        created_at=_number(raw.get("created_at")),
    )


def checkpoints(raw: Iterable[JsonObject]) -> tuple[Checkpoint, ...]:
    """Checkpoints, earliest step first."""
    return tuple(sorted((checkpoint(item) for item in raw), key=lambda item: item.step))


def metrics(raw: JsonObject) -> Mapping[str, float]:
    """Metrics under our names; what isn't a finite number is left out."""
    found: dict[str, float] = {}
    for ours, theirs in _METRICS.items():
        values = (_number(raw.get(name)) for name in theirs)
        value = next((value for value in values if value is not None), None)
        if value is not None:
            found[ours] = value
    return found


def hyperparameters_to(ours: Mapping[str, Json]) -> JsonObject:
    """Hyperparameters under OpenAI's names; those that are None are the service's choice and left out."""
    return hyperparameters({name: value for name, value in ours.items() if value is not None}, _THEIR_HYPERPARAMETERS)


def hyperparameters(given: Mapping[str, Json], names: Mapping[str, str]) -> JsonObject:
    """The same values under other names."""
    return {names.get(name, name): value for name, value in given.items()}


def _failure(raw: JsonObject, *, failed: bool) -> JobFailure | None:
    """A healthy job's `error` is an empty object, or one of nulls."""
    code, message = _text(raw.get("code")), _text(raw.get("message"))
    if not failed and code is None and message is None:
        return None
    return JobFailure(message=message or "no reason given", code=code, param=_text(raw.get("param")))


def identity(raw: JsonObject, what: str) -> str:
    """The id of something in an answer.

    Raises:
        UnexpectedAnswerError: It has none.
    """
    found = _text(raw.get("id"))
    if not found:
        raise UnexpectedAnswerError(f"the {what} in the answer has no id", provider=NAME)
    return found


def _object(value: Json) -> JsonObject:
    return value if is_object(value) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _whole(value: Json) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
