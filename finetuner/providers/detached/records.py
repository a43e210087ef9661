"""What is kept about a job, and from it to what crosses the ports. No I/O."""

from collections.abc import Mapping
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.providers.catalog import Limits
from finetuner.providers.ports import (
    FAILED,
    PAUSED,
    SUCCEEDED,
    TERMINAL,
    VALIDATING,
    JobEvent,
    JobFailure,
    JobRequest,
    JobSnapshot,
    JobStatus,
)

PROCESS_ENDED: Final = "process_ended"
"""Code of a job whose training process is gone."""

AUTO: Final = "auto"
"""A hyperparameter that is left to the provider."""


@attrs.frozen(kw_only=True)
class JobRecord:
    """What a job is, decided when it is created and never changed.

    Attributes:
        id: `ftjob-<provider>-…`.
        created_at: Seconds since the epoch.
        request: As it was asked for.
        seed: As given, else 0: jobs are repeatable unless told otherwise.
        size: The base model as its provider knows it: the numbers of an embedded one, the place of open weights.
        limits: The base model's limits.
        continues: A dead job of an equal request whose checkpoints are taken over, or None.
        parent: The job whose model this one goes on from, or None.
        parent_step: The step of that model.
    """

    id: str
    created_at: float
    request: JobRequest
    seed: int
    size: Mapping[str, Json]
    limits: Limits
    continues: str | None = None
    parent: str | None = None
    parent_step: int | None = None


@attrs.frozen(kw_only=True)
class JobState:
    """How far a job is, written by the training process.

    Attributes:
        status: See `ports.JobStatus`.
        launch: Which start of a process wrote it: 1 for the first, one more for each resumption, 0 before any.
        updated_at: Seconds since the epoch.
        finished_at: Likewise, once it ended.
        estimated_finish: Likewise, from the speed of the epochs so far.
        epoch: Epoch in work, from 1.
        step: Steps done.
        total_steps: Steps in all.
        hyperparameters: What is used, once the data is known.
        trained_tokens: Tokens of the training file times the epochs, once it succeeded.
        failure: Why it failed.
        model_step: The step that is the job's model; None for the last one.
    """

    status: JobStatus = VALIDATING
    launch: int = 0
    updated_at: float = 0.0
    finished_at: float | None = None
    estimated_finish: float | None = None
    epoch: int | None = None
    step: int | None = None
    total_steps: int | None = None
    hyperparameters: Mapping[str, Json] | None = None
    trained_tokens: int | None = None
    failure: JobFailure | None = None
    model_step: int | None = None


def same_training(first: JobRequest, second: JobRequest) -> bool:
    """Whether two requests ask for the same training; key, metadata and suffix don't matter to it."""
    return _essence(first) == _essence(second)


def current_state(state: JobState, *, alive: bool, epochs_done: int, last_words: str = "") -> JobState:
    """The state with the death of the training process seen.

    Args:
        state: As it was last written; read *after* `alive` was found out.
        alive: Whether the training process runs or is about to.
        epochs_done: Epochs with a usable checkpoint.
        last_words: The last line that the process wrote to its log.
    """
    if alive or state.status in TERMINAL or state.status == PAUSED:
        return state
    kept = f"goes on after epoch {epochs_done}" if epochs_done else "starts over (no epoch was finished)"
    said = f"; its log ends with: {last_words}" if last_words else ""
    return attrs.evolve(
        state,
        status=FAILED,
        finished_at=state.updated_at,
        estimated_finish=None,
        failure=JobFailure(
            code=PROCESS_ENDED,
            message=f"the training process was killed or died (signal 9, out of memory, power){said}; "
            f"create the job again with the same data and settings, and it {kept}",
        ),
    )


def death_event(state: JobState, number: int) -> JobEvent:
    """The event that a dead process could no longer write."""
    message = state.failure.message if state.failure else ""
    return JobEvent(id=event_id(number), created_at=state.updated_at, message=message, level="error")


def event_id(number: int) -> str:
    """The id of a job's event, counted from 1."""
    return f"ftevent-{number}"


def snapshot(record: JobRecord, state: JobState, tuned_model: str) -> JobSnapshot:
    """A job as the ports show it; the model is there once it succeeded."""
    request = record.request
    return JobSnapshot(
        id=record.id,
        model=request.model,
        status=state.status,
        created_at=record.created_at,
        finished_at=state.finished_at,
        estimated_finish=state.estimated_finish,
        tuned_model=tuned_model if state.status == SUCCEEDED else None,
        training_file=request.training_file,
        validation_file=request.validation_file,
        method=request.method,
        hyperparameters=request.hyperparameters if state.hyperparameters is None else state.hyperparameters,
        seed=record.seed,
        suffix=request.suffix,
        key=request.key or None,
        step=state.step,
        total_steps=state.total_steps,
        epoch=state.epoch,
        trained_tokens=state.trained_tokens,
        failure=state.failure,
        raw_status=state.status,
    )


def _essence(request: JobRequest) -> JobRequest:
    chosen = {name: value for name, value in request.hyperparameters.items() if value not in (None, AUTO)}
    return attrs.evolve(
        request,
        hyperparameters=chosen,
        extra=dict(request.extra),
        seed=request.seed or 0,
        key="",
        metadata={},
        suffix=None,
    )
