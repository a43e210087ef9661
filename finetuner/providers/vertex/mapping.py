"""Between Vertex AI's tuning jobs, in JSON, and what crosses the ports: pure, and lenient on reading.

The v1 API (supervised) and v1beta1 (preference tuning, finer states) are read by the same functions: numbers may be
text, unknown states are shown as they are and count as not ended.

Source: the TuningJob message of `google-cloud-aiplatform` 2.7.0 and `google-genai` 2.34.0 (2026-11).
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.lenient import as_list, as_moment, as_number, as_object, as_text, as_whole
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    VALIDATING,
    Checkpoint,
    JobFailure,
    JobSnapshot,
    JobStatus,
)
from finetuner.providers.vertex.failures import NAME

KEY: Final = "finetuner_key"
"""The label that holds our idempotency key."""

METHOD: Final = "finetuner_method"
"""The label that tells the method where the stable API shows no specification."""

SUPERVISED: Final = "supervised"
PREFERENCE: Final = "preference"
SPECS: Final[Mapping[str, str]] = MappingProxyType(
    {SUPERVISED: "supervisedTuningSpec", PREFERENCE: "preferenceOptimizationSpec"}
)
"""Method and the field of its specification."""

_STATS: Final = ("supervisedTuningDataStats", "preferenceOptimizationDataStats")
_DROPPED_INDICES: Final = ("truncatedExampleIndices", "droppedExampleIndices")

_STATES: Final[Mapping[str, JobStatus]] = {
    "JOB_STATE_QUEUED": QUEUED,
    "JOB_STATE_PENDING": QUEUED,
    "JOB_STATE_RUNNING": RUNNING,
    "JOB_STATE_SUCCEEDED": SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": SUCCEEDED,
    "JOB_STATE_FAILED": FAILED,
    "JOB_STATE_EXPIRED": FAILED,
    "JOB_STATE_CANCELLED": CANCELLED,
    "JOB_STATE_PAUSED": PAUSED,
    "TUNING_JOB_STATE_PROCESSING_DATASET": VALIDATING,
    "TUNING_JOB_STATE_TUNING": RUNNING,
    "TUNING_JOB_STATE_POST_PROCESSING": RUNNING,
}
_NUMBERS: Final = (
    "UNSPECIFIED",
    "QUEUED",
    "PENDING",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "PAUSED",
    "EXPIRED",
    "UPDATING",
    "PARTIALLY_SUCCEEDED",
)
"""States by their number in JSON with numbers for enumerations."""

_ENCRYPTION: Final = "encryptionSpec"
_UNFINISHED: Final = frozenset({"JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING"})
_NO_STATE: Final = "TUNING_JOB_STATE_UNSPECIFIED"
_PREFIX: Final = re.compile(r"^(TUNING_)?JOB_STATE_")
_HYPERPARAMETERS: Final[Mapping[str, str]] = {
    "epochCount": "epochs",
    "learningRateMultiplier": "learning_rate_multiplier",
    "adapterSize": "adapter_size",
    "beta": "beta",
}
_ADAPTERS: Final[Mapping[str, int]] = {
    f"ADAPTER_SIZE_{word}": size
    for word, size in (("ONE", 1), ("TWO", 2), ("FOUR", 4), ("EIGHT", 8), ("SIXTEEN", 16), ("THIRTY_TWO", 32))
}
_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of `google.rpc.Code` by number."""


def job(raw: JsonObject) -> JobSnapshot:
    """A tuning job."""
    word, labels, tuned = state(raw), as_object(raw.get("labels")), as_object(raw.get("tunedModel"))
    status = status_of(word)
    kind, spec = method(raw), specification(raw)
    pre_tuned = as_object(raw.get("preTunedModel"))
    saved, stats = checkpoints(raw), statistics(raw)
    given = hyperparameters(as_object(spec.get("hyperParameters")))
    epochs, in_file = given.get("epochs"), as_whole(stats.get("totalBillableTokenCount"))
    reached = max((each.epoch for each in saved if each.epoch is not None), default=None)
    return JobSnapshot(
        id=identity(raw),
        model=as_text(raw.get("baseModel")) or as_text(pre_tuned.get("tunedModelName")) or "",
        status=status,
        created_at=as_moment(raw.get("createTime")) or 0.0,
        finished_at=as_moment(raw.get("endTime")) or (as_moment(raw.get("updateTime")) if _ended(status) else None),
        tuned_model=as_text(tuned.get("endpoint")) or as_text(tuned.get("model")),
        training_file=as_text(spec.get("trainingDatasetUri")),
        validation_file=as_text(spec.get("validationDatasetUri")),
        method=kind,
        hyperparameters=given,
        suffix=as_text(raw.get("tunedModelDisplayName")),
        key=as_text(labels.get(KEY)),
        step=max((each.step for each in saved), default=None),
        total_steps=as_whole(stats.get("tuningStepCount")),
        epoch=reached,
        trained_tokens=None if in_file is None else in_file * int(epochs or reached or 1),
        failure=_failure(raw, word) if status == FAILED else None,
        raw_status=word,
    )


def identity(raw: JsonObject) -> str:
    """A job's name, `projects/…/tuningJobs/…`. Raises `UnexpectedAnswerError` where there is none."""
    name = as_text(raw.get("name"))
    if name is None:
        raise UnexpectedAnswerError("the tuning job in Vertex AI's answer has no name", provider=NAME)
    return name


def state(raw: JsonObject) -> str:
    """The state's own word: the finer one where the job hasn't ended and the API tells it."""
    given: Json = raw.get("state")
    if isinstance(given, int) and not isinstance(given, bool):
        given = f"JOB_STATE_{_NUMBERS[given]}" if 0 <= given < len(_NUMBERS) else f"JOB_STATE_{given}"
    coarse = as_text(given) or "JOB_STATE_UNSPECIFIED"
    finer = as_text(raw.get("tuningJobState"))
    return finer if finer is not None and finer != _NO_STATE and coarse in _UNFINISHED else coarse


def status_of(word: str) -> JobStatus:
    """Our word for a state; a state that nobody knows as it is, in lower case."""
    return _STATES.get(word, _PREFIX.sub("", word).lower())


def unfinished(raw: JsonObject) -> bool:
    """Whether a job is on its way, so that a finer state may be known."""
    return state(raw) in _UNFINISHED


def method(raw: JsonObject) -> str:
    """`supervised`, `preference`, or another specification's name."""
    label = as_text(as_object(raw.get("labels")).get(METHOD))
    field = _spec_field(raw)
    known = next((name for name, theirs in SPECS.items() if theirs == field), None)
    return known or label or (field.removesuffix("Spec") if field else SUPERVISED)


def specification(raw: JsonObject) -> JsonObject:
    """The specification of whatever method."""
    field = _spec_field(raw)
    return as_object(raw[field]) if field else {}


def statistics(raw: JsonObject) -> JsonObject:
    """What Vertex AI counted in the training data; empty until it has."""
    stats = as_object(raw.get("tuningDataStats"))
    return as_object(next((stats[name] for name in _STATS if stats.get(name)), None))


def dropped(raw: JsonObject) -> tuple[int, tuple[tuple[int | None, str], ...]]:
    """How many training rows were left out, and a sample of them: row (from 1) and reason."""
    stats = statistics(raw)
    rows = as_list(next((stats[name] for name in _DROPPED_INDICES if stats.get(name)), None))
    reasons = [str(reason) for reason in as_list(stats.get("droppedExampleReasons"))]
    numbers = [as_whole(row) for row in rows]
    size = max(len(numbers), len(reasons))
    numbers += [None] * (size - len(numbers))
    reasons += [""] * (size - len(reasons))
    total = as_whole(stats.get("totalTruncatedExampleCount")) or 0
    return max(total, size), tuple(zip(numbers, reasons, strict=True))


def checkpoints(raw: JsonObject) -> tuple[Checkpoint, ...]:
    """Checkpoints that have an endpoint, earliest step first."""
    found = (_checkpoint(as_object(item)) for item in as_list(as_object(raw.get("tunedModel")).get("checkpoints")))
    return tuple(sorted((each for each in found if each.model), key=lambda each: each.step))


def hyperparameters(raw: JsonObject) -> dict[str, Json]:
    """Hyperparameters under our names."""
    found: dict[str, Json] = {}
    for theirs, ours in _HYPERPARAMETERS.items():
        value: Json = raw.get(theirs)
        number = _ADAPTERS.get(value) if isinstance(value, str) and value in _ADAPTERS else as_number(value)
        if number is not None:
            found[ours] = int(number) if float(number).is_integer() else number
    return found


def their_hyperparameters(ours: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Hyperparameters under Vertex AI's names; those that are None are the service's choice.

    Raises:
        KeyError: Vertex AI has none of that name.
        ValueError: There is no adapter of that size.
    """
    names = {name: theirs for theirs, name in _HYPERPARAMETERS.items()}
    sizes = {size: word for word, size in _ADAPTERS.items()}
    for name, value in ours.items():
        if value is None:
            continue
        theirs = names[name]
        if name == "adapter_size" and value not in sizes:
            raise ValueError(f"adapter_size must be one of {', '.join(map(str, sizes))}, not {value!r}")
        yield theirs, sizes[value] if name == "adapter_size" else value


def problem(raw: JsonObject) -> JobFailure | None:
    """What went wrong, where the job says so, whether or not it failed."""
    error = as_object(raw.get("error"))
    message, number = as_text(error.get("message")), as_whole(error.get("code"))
    if message is None and not number:
        return None
    code = _CODES[number] if number is not None and 0 < number < len(_CODES) else None
    return JobFailure(message=message or "no reason given", code=code)


def _spec_field(raw: JsonObject) -> str | None:
    named = (field for field in raw if field.endswith("Spec") and field != _ENCRYPTION)
    return next((field for field in named if raw[field] is not None), None)


def _failure(raw: JsonObject, word: str) -> JobFailure:
    expired = word == "JOB_STATE_EXPIRED"
    otherwise = "the job expired before it ended; create it again" if expired else "Vertex AI gives no reason"
    return problem(raw) or JobFailure(message=otherwise, code="EXPIRED" if expired else None)


def _checkpoint(raw: JsonObject) -> Checkpoint:
    return Checkpoint(
        id=as_text(raw.get("checkpointId")) or "",
        model=as_text(raw.get("endpoint")) or "",
        step=as_whole(raw.get("step")) or 0,
        epoch=as_whole(raw.get("epoch")),
    )


def _ended(status: JobStatus) -> bool:
    return status in {SUCCEEDED, FAILED, CANCELLED}
