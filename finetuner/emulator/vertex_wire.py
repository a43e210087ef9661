"""Vertex AI's JSON: tuning jobs, answers of models, and errors."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message
from finetuner.data.formats import vertex as wire
from finetuner.emulator.routing import RefusedError, answer
from finetuner.emulator.vertex_state import StoredTuning
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    TERMINAL,
    VALIDATING,
    Checkpoint,
    Completion,
    JobSnapshot,
)

_STATES: Final[Mapping[str, str]] = {
    VALIDATING: "JOB_STATE_PENDING",
    QUEUED: "JOB_STATE_PENDING",
    RUNNING: "JOB_STATE_RUNNING",
    PAUSED: "JOB_STATE_PAUSED",
    SUCCEEDED: "JOB_STATE_SUCCEEDED",
    FAILED: "JOB_STATE_FAILED",
    CANCELLED: "JOB_STATE_CANCELLED",
}
_FINER: Final[Mapping[str, str]] = {
    VALIDATING: "TUNING_JOB_STATE_PROCESSING_DATASET",
    QUEUED: "TUNING_JOB_STATE_WAITING_FOR_CAPACITY",
    RUNNING: "TUNING_JOB_STATE_TUNING",
}
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CODES: Final[Mapping[str, int]] = {"INVALID_ARGUMENT": 3, "INTERNAL": 13}
_REASONS: Final[Mapping[str, str]] = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}


def refusal(refused: RefusedError) -> Response:
    """An error in Google's envelope."""
    status = refused.code if refused.code in set(_STATUSES.values()) | {"FAILED_PRECONDITION"} else None
    error: JsonObject = {
        "code": refused.status,
        "message": refused.message,
        "status": status or _STATUSES.get(refused.status, "UNKNOWN"),
    }
    if refused.code and status is None:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": refused.code, "domain": "aiplatform.googleapis.com"}]
    return answer({"error": error}, refused.status, refused.headers)


def job(stored: StoredTuning, seen: JobSnapshot, saved: tuple[Checkpoint, ...], *, beta: bool) -> JsonObject:
    """A tuning job, as v1 or v1beta1 shows it."""
    cancelling = stored.cancelling and seen.status not in TERMINAL
    raw: JsonObject = {
        "name": stored.name,
        **_shown(stored.body, beta=beta),
        "state": "JOB_STATE_CANCELLING" if cancelling else _STATES.get(seen.status, "JOB_STATE_RUNNING"),
        "createTime": moment(stored.created_at),
        "updateTime": moment(max(seen.finished_at or stored.created_at, stored.created_at)),
    }
    if seen.status not in {VALIDATING, QUEUED}:
        raw["startTime"] = moment(stored.created_at)
        raw["experiment"] = stored.experiment
    if seen.finished_at is not None:
        raw["endTime"] = moment(max(seen.finished_at, stored.created_at))
    if beta and seen.status in _FINER and not cancelling:
        raw["tuningJobState"] = _FINER[seen.status]
    if seen.status == FAILED and seen.failure is not None:
        raw["error"] = {"code": _CODES.get(seen.failure.code or "", 13), "message": seen.failure.message}
    if stored.played_by is not None and seen.total_steps:
        raw["tuningDataStats"] = _stats(stored, seen, beta=beta)
    if saved and seen.status == SUCCEEDED:
        raw["tunedModel"] = _tuned_model(stored, saved)
    return raw


def moment(seconds: float) -> str:
    """A time as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def generated(found: Completion, model: str, identity: str) -> JsonObject:
    """A whole answer of a model."""
    message = Message(role="assistant", content=found.text or None, tool_calls=found.tool_calls)
    content = wire.contents_to((message,), start=0)[0] if found.text or found.tool_calls else {"role": "model"}
    return {
        "candidates": [
            {"content": content, "finishReason": _REASONS.get(found.finish_reason, "STOP"), "index": 0},
        ],
        "usageMetadata": _usage(found),
        "modelVersion": model,
        "createTime": moment(datetime.now(UTC).timestamp()),
        "responseId": identity,
    }


def pieces(found: Completion, model: str, identity: str) -> Iterator[JsonObject]:
    """The same answer, word by word."""
    whole = generated(found, model, identity)
    words = [word + " " for word in found.text.split(" ")] if found.text and not found.tool_calls else []
    for word in words[:-1]:
        content = {"role": "model", "parts": [{"text": word}]}
        yield {"candidates": [{"content": content, "index": 0}], "modelVersion": model, "responseId": identity}
    if words:
        whole["candidates"][0]["content"] = {"role": "model", "parts": [{"text": words[-1].removesuffix(" ")}]}
    yield whole


def events(items: Iterator[JsonObject]) -> Iterator[bytes]:
    """Server-sent events, as `alt=sse` asks for."""
    for item in items:
        yield b"data: " + codec.encode(item) + b"\r\n\r\n"


def array(items: Iterator[JsonObject]) -> Iterator[bytes]:
    """One JSON list, as is sent without `alt=sse`."""
    separator = b"["
    for item in items:
        yield separator + codec.encode(item)
        separator = b",\n"
    yield b"]"


def _shown(body: JsonObject, *, beta: bool) -> JsonObject:
    """The request's fields as they come back: whole numbers as text; v1 doesn't know preference tuning."""
    shown: JsonObject = {}
    for name, value in body.items():
        if name == "preferenceOptimizationSpec" and not beta:
            continue
        shown[name] = value
        if name.endswith("TuningSpec") or name == "preferenceOptimizationSpec":
            given: Json = value.get("hyperParameters")
            if given and "epochCount" in given:
                shown[name] = {**value, "hyperParameters": {**given, "epochCount": str(given["epochCount"])}}
    return shown


def _stats(stored: StoredTuning, seen: JobSnapshot, *, beta: bool) -> JsonObject:
    epochs = seen.hyperparameters.get("epochs") or 1
    tokens = (seen.trained_tokens or 0) // int(epochs)
    found: JsonObject = {
        "tuningDatasetExampleCount": str(stored.examples + len(stored.dropped)),
        "totalBillableTokenCount": str(tokens),
        "tuningStepCount": str(seen.total_steps),
    }
    rows, reasons = [str(row) for row, _ in stored.dropped], [reason for _, reason in stored.dropped]
    if "preferenceOptimizationSpec" in stored.body:
        if rows:
            found |= {"droppedExampleIndices": rows, "droppedExampleReasons": reasons}
        return {"preferenceOptimizationDataStats": found} if beta else {}
    if rows:
        found |= {
            "totalTruncatedExampleCount": str(len(rows)),
            "truncatedExampleIndices": rows,
            "droppedExampleReasons": reasons,
        }
    return {"supervisedTuningDataStats": found}


def _tuned_model(stored: StoredTuning, saved: tuple[Checkpoint, ...]) -> JsonObject:
    checkpoints = [
        {
            "checkpointId": str(number),
            "epoch": str(each.epoch or number),
            "step": str(each.step),
            "endpoint": stored.endpoint(each.step),
        }
        for number, each in enumerate(saved, start=1)
    ]
    found: JsonObject = {"model": stored.model_name, "endpoint": stored.endpoint(saved[-1].step)}
    return found if stored.spec.get("exportLastCheckpointOnly") else found | {"checkpoints": checkpoints}


def _usage(found: Completion) -> JsonObject:
    usage = found.usage
    return {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens,
        "totalTokenCount": usage.total_tokens,
    }
