"""OpenAI's objects, as JSON: pure.

Source: OpenAI's API reference and OpenAPI document (2026-08-21).
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.emulator.openai_files import StoredFile, StoredUpload
from finetuner.emulator.openai_jobs import StoredJob
from finetuner.emulator.routing import RefusedError
from finetuner.providers.ports import (
    SUCCEEDED,
    VALIDATING,
    Checkpoint,
    JobEvent,
    JobSnapshot,
)

_STATUSES: Final[Mapping[str, str]] = {VALIDATING: "validating_files"}
_METRICS: Final[Mapping[str, str]] = {
    "train_accuracy": "train_mean_token_accuracy",
    "valid_accuracy": "valid_mean_token_accuracy",
}
_WHOLE: Final = frozenset({"step", "total_steps", "epoch"})
_COLUMNS: Final = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")


def error(refused: RefusedError) -> JsonObject:
    """An error object."""
    return {"message": refused.message, "type": refused.type, "param": refused.param, "code": refused.code}


def file(stored: StoredFile, status: str = "processed") -> JsonObject:
    """A file object."""
    return {
        "object": "file",
        "id": stored.id,
        "bytes": stored.bytes,
        "created_at": int(stored.created_at),
        "filename": stored.name,
        "purpose": stored.purpose,
        "status": status,
        "status_details": None,
        "expires_at": _seconds(stored.expires_at),
    }


def upload(stored: StoredUpload, finished: StoredFile | None = None) -> JsonObject:
    """An upload object."""
    return {
        "object": "upload",
        "id": stored.id,
        "bytes": stored.size,
        "created_at": int(stored.created_at),
        "expires_at": int(stored.expires_at),
        "filename": stored.name,
        "purpose": stored.purpose,
        "status": stored.status,
        "file": None if finished is None else file(finished),
    }


def job(stored: StoredJob, seen: JobSnapshot, *, tuned_name: str, organization: str, pausing: bool) -> JsonObject:
    """A job object."""
    body = stored.body
    used = {("n_epochs" if name == "epochs" else name): value for name, value in seen.hyperparameters.items()}
    unused = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    hyperparameters = unused | dict(body.hyperparameters) | used
    done = seen.status == SUCCEEDED
    failure = seen.failure
    return {
        "object": "fine_tuning.job",
        "id": stored.id,
        "model": body.model,
        "created_at": int(stored.created_at),
        "finished_at": _seconds(seen.finished_at),
        "estimated_finish": _seconds(seen.estimated_finish),
        "fine_tuned_model": tuned_name if done else None,
        "organization_id": organization,
        "status": "pausing" if pausing else _STATUSES.get(seen.status, seen.status),
        "error": {} if failure is None else {"code": failure.code, "message": failure.message, "param": failure.param},
        "hyperparameters": hyperparameters,
        "method": {"type": body.method, body.method: {**body.inner, "hyperparameters": hyperparameters}},
        "training_file": body.training_file,
        "validation_file": body.validation_file,
        "result_files": [result_file_id(stored)] if done else [],
        "trained_tokens": seen.trained_tokens if done else None,
        "seed": seen.seed if seen.seed is not None else body.seed or 0,
        "integrations": [dict(each) for each in body.integrations],
        "metadata": dict(body.metadata),
        "user_provided_suffix": body.suffix,
        "usage_metrics": None,
        "shared_with_openai": False,
        "eval_id": None,
    }


def events(stored: StoredJob, seen: JobSnapshot, found: Sequence[JobEvent], tuned_name: str) -> list[JsonObject]:
    """Event objects, newest first; where one names the model behind, it names OpenAI's."""
    first = JobEvent(id="created", created_at=stored.created_at, message=f"Created fine-tuning job: {stored.id}")
    last = (
        [JobEvent(id="failed", created_at=stored.created_at, message=seen.failure.message, level="error")]
        if stored.played_by is None and seen.failure is not None
        else []
    )
    behind = seen.tuned_model
    told = (
        [attrs.evolve(event, message=event.message.replace(behind, tuned_name)) for event in found] if behind else found
    )
    return [_event(stored, number, event) for number, event in enumerate([first, *told, *last])][::-1]


def checkpoint(stored: StoredJob, found: Checkpoint, name: str) -> JsonObject:
    """A checkpoint object; its validation is over the whole file."""
    full = {"valid_loss": "full_valid_loss", "valid_accuracy": "full_valid_mean_token_accuracy"}
    metrics = {full.get(name, _METRICS.get(name, name)): value for name, value in found.metrics.items()}
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": f"ftckpt-{stored.id.removeprefix('ftjob-')}-{found.step}",
        "created_at": _seconds(found.created_at) or int(stored.created_at),
        "fine_tuning_job_id": stored.id,
        "step_number": found.step,
        "fine_tuned_model_checkpoint": name,
        "metrics": {"step": found.step, **metrics},
    }


def result_file_id(stored: StoredJob) -> str:
    """The id of a finished job's table of metrics."""
    return f"file-results-{stored.id.removeprefix('ftjob-')}"


def result_csv(found: Sequence[JobEvent]) -> bytes:
    """Metrics of all steps as CSV in base64, as OpenAI sends them."""
    rows = [event.metrics for event in found if "step" in event.metrics]
    names = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
    cells = [[_cell(row.get(name), whole=name == "step") for name in names] for row in rows]
    lines = [",".join(_COLUMNS), *(",".join(row) for row in cells)]
    return base64.b64encode("\n".join(lines).encode() + b"\n")


def result_file(stored: StoredJob, size: int) -> JsonObject:
    """The file object of a finished job's table of metrics."""
    return {
        "object": "file",
        "id": result_file_id(stored),
        "bytes": size,
        "created_at": int(stored.created_at),
        "filename": "step_metrics.csv",
        "purpose": "fine-tune-results",
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }


def model(identity: str, *, created: int, owner: str, retires: date | None) -> JsonObject:
    """A model object."""
    return {
        "id": identity,
        "object": "model",
        "created": created,
        "owned_by": owner,
        "shutdown_date": None if retires is None else retires.isoformat(),
    }


def page(items: Sequence[JsonObject], after: str | None, limit: int) -> JsonObject:
    """One page of a list, from behind the item with the id `after`."""
    start = next((place + 1 for place, item in enumerate(items) if item["id"] == after), 0)
    shown = list(items[start : start + limit])
    return {
        "object": "list",
        "data": shown,
        "has_more": start + limit < len(items),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _event(stored: StoredJob, number: int, event: JobEvent) -> JsonObject:
    metrics = {_METRICS.get(name, name): int(v) if name in _WHOLE else v for name, v in event.metrics.items()}
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{stored.id.removeprefix('ftjob-')}-{number}",
        "created_at": _seconds(event.created_at),
        "level": event.level,
        "type": "metrics" if metrics else "message",
        "message": event.message,
        "data": metrics,
    }


def _seconds(value: float | None) -> int | None:
    return None if value is None else int(value)


def _cell(value: float | None, *, whole: bool) -> str:
    return "" if value is None else str(int(value)) if whole else f"{value:.6g}"
