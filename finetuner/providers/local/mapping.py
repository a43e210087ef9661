"""From what is on disk to what crosses the ports: ids, names, checked requests and snapshots. No I/O."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.errors import RequestRejectedError
from finetuner.providers.catalog import Limits, base_name
from finetuner.providers.local.sizes import automatic_batch_size, automatic_epochs
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

NAME: Final = "local"
JOB_PREFIX: Final = "ftjob-local-"
FILE_PREFIX: Final = "file-local-"
PROCESS_ENDED: Final = "process_ended"
"""Code of a job whose training process is gone."""

_ID_DIGITS: Final = 12
_LONGEST_SUFFIX: Final = 64
_LARGEST_SEED: Final = 2**31 - 1
_MOST_EPOCHS: Final = 50
_LARGEST_BATCH: Final = 4_096
_LARGEST_MULTIPLIER: Final = 1_000.0
_AUTO: Final = "auto"


@attrs.frozen(kw_only=True)
class JobRecord:
    """What a job is, decided when it is created and never changed.

    Attributes:
        id: `ftjob-local-…`.
        created_at: Seconds since the epoch.
        request: As it was asked for.
        seed: As given, else 0: jobs are repeatable unless told otherwise.
        size: The base model's numbers, as `sizes.size_from` reads them.
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


@attrs.frozen(kw_only=True)
class Hyperparameters:
    """Checked hyperparameters; None is decided when the data is known.

    Attributes:
        epochs: Passes over the training file.
        batch_size: Examples in a step.
        learning_rate_multiplier: Factor on the base model's learning rate.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float = 1.0

    @classmethod
    def parse(cls, given: Mapping[str, Json], *, max_epochs: int | None = None) -> "Hyperparameters":
        """The hyperparameters of a request; `"auto"` and None mean the same as absent.

        Raises:
            RequestRejectedError: One is unknown or out of range; the message names it.
        """
        values = {name: value for name, value in given.items() if value is not None and value != _AUTO}
        known = [field.name for field in attrs.fields(cls)]
        for name in values:
            if name not in known:
                raise rejected(f"hyperparameters.{name}", f"isn't known; embedded models take {', '.join(known)}")
        most = max_epochs or _MOST_EPOCHS
        multiplier = _number(values, "learning_rate_multiplier", _LARGEST_MULTIPLIER)
        return cls(
            epochs=_whole(values, "epochs", most),
            batch_size=_whole(values, "batch_size", _LARGEST_BATCH),
            learning_rate_multiplier=1.0 if multiplier is None else multiplier,
        )

    def resolved(self, n_examples: int) -> "ResolvedHyperparameters":
        """The same with every choice made."""
        return ResolvedHyperparameters(
            epochs=self.epochs or automatic_epochs(n_examples),
            batch_size=self.batch_size or automatic_batch_size(n_examples),
            learning_rate_multiplier=self.learning_rate_multiplier,
        )


@attrs.frozen(kw_only=True)
class ResolvedHyperparameters:
    """Hyperparameters with every choice made."""

    epochs: int
    batch_size: int
    learning_rate_multiplier: float


def rejected(param: str, problem: str) -> RequestRejectedError:
    """The error of a parameter that can't be right."""
    return RequestRejectedError(f"{param} {problem}", provider=NAME, code="invalid_request")


def check_request(request: JobRequest) -> None:
    """Refuse what no embedded model can do; hyperparameters are checked by `Hyperparameters.parse`.

    Raises:
        RequestRejectedError: The message names the parameter.
    """
    if request.method != "supervised":
        raise rejected("method", f"{request.method!r} isn't possible: embedded models are trained as 'supervised' only")
    if request.suffix is not None and not 0 < len(request.suffix) <= _LONGEST_SUFFIX:
        raise rejected("suffix", f"has {len(request.suffix)} characters; 1 to {_LONGEST_SUFFIX} are possible")
    if request.seed is not None and not 0 <= request.seed <= _LARGEST_SEED:
        raise rejected("seed", f"is {request.seed}; it must be from 0 to {_LARGEST_SEED}")
    if request.extra:
        raise rejected(f"extra.{next(iter(request.extra))}", "isn't known to embedded models")


def job_id(key: str) -> str:
    """The id of the job with this key, the same in every process; a new id where there is no key."""
    digits = hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS] if key else secrets.token_hex(_ID_DIGITS // 2)
    return f"{JOB_PREFIX}{digits}"


def file_id(sha256: str) -> str:
    """The id of the file with this content."""
    return f"{FILE_PREFIX}{sha256[:_ID_DIGITS]}"


def tuned_model(record: JobRecord, step: int | None = None) -> str:
    """The name of the model that a job makes, or of its checkpoint at a step.

    The form is OpenAI's, `ft:<base>:<organization>:<suffix>:<id>[:ckpt-step-N]`, with `local` as the organization.
    """
    suffix = re.sub(r"[^A-Za-z0-9._-]+", "-", record.request.suffix or "")
    name = f"ft:{base_name(record.request.model)}:{NAME}:{suffix}:{record.id.removeprefix(JOB_PREFIX)}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def job_of_model(model: str) -> tuple[str, int | None] | None:
    """The job that made a tuned model, and the step where a checkpoint is named; None for other names."""
    found = re.fullmatch(r"ft:[^:]+:local:[^:]*:([0-9a-f]{12})(?::ckpt-step-(\d{1,12}))?", model)
    return None if found is None else (f"{JOB_PREFIX}{found[1]}", int(found[2]) if found[2] else None)


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


def snapshot(record: JobRecord, state: JobState) -> JobSnapshot:
    """A job as the ports show it."""
    request = record.request
    return JobSnapshot(
        id=record.id,
        model=request.model,
        status=state.status,
        created_at=record.created_at,
        finished_at=state.finished_at,
        estimated_finish=state.estimated_finish,
        tuned_model=tuned_model(record) if state.status == SUCCEEDED else None,
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
    chosen = {name: value for name, value in request.hyperparameters.items() if value not in (None, _AUTO)}
    return attrs.evolve(
        request,
        hyperparameters=chosen,
        extra=dict(request.extra),
        seed=request.seed or 0,
        key="",
        metadata={},
        suffix=None,
    )


def _whole(values: Mapping[str, Json], name: str, most: int) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise rejected(
            f"hyperparameters.{name}", f"is {value!r}; it must be a whole number from 1 to {most}, or 'auto'"
        )
    return value


def _number(values: Mapping[str, Json], name: str, most: float) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise rejected(f"hyperparameters.{name}", f"is {value!r}; it must be above 0 and at most {most:g}, or 'auto'")
    return float(value)
