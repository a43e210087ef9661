"""Batches of the emulated OpenAI: a file of requests in, a file of answers out, worked off by a thread."""

import contextlib
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.emulator import openai_answers, openai_shapes, openai_wire
from finetuner.emulator.checking import refused
from finetuner.emulator.openai_chat import Chat
from finetuner.emulator.openai_files import Files, made_id
from finetuner.emulator.routing import RefusedError
from finetuner.errors import FinetunerError

_PURPOSE: Final = "batch"
_OUTPUT: Final = "batch_output"
_WINDOW: Final = 24 * 3_600
_MOST_REQUESTS: Final = 50_000
_MOST_BYTES: Final = 200 * 1_000_000
_SAVE_EVERY: Final = 200
_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})

ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})


@attrs.frozen(kw_only=True)
class BatchError:
    """What is wrong with a line of the input."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@attrs.frozen(kw_only=True)
class StoredBatch:
    """A batch.

    Attributes:
        id: `batch_…`.
        created_at: Seconds since the epoch.
        input_file: File id.
        endpoint: What its requests are for.
        metadata: Pairs of text.
        keep_seconds: How long its files stay, None for good.
        status: OpenAI's word.
        times: When it came to each status, seconds since the epoch.
        total: Requests.
        completed: Answered requests.
        failed: Requests that were refused.
        output_file: Answers.
        error_file: Refusals.
        errors: Why the input can't be used.
    """

    id: str
    created_at: float
    input_file: str
    endpoint: str
    metadata: Mapping[str, str] = _NO_TEXTS
    keep_seconds: int | None = None
    status: str = "validating"
    times: Mapping[str, float] = MappingProxyType({})
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file: str | None = None
    error_file: str | None = None
    errors: tuple[BatchError, ...] = ()


def _no_workers() -> dict[str, threading.Thread]:
    return {}


@attrs.frozen
class Batches:
    """Batches in a folder. One whose worker died with the emulator starts over when it is next looked at."""

    folder: Path
    files: Files
    chat: Chat
    _workers: dict[str, threading.Thread] = attrs.field(factory=_no_workers, init=False, repr=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False)

    def create(self, body: JsonObject) -> StoredBatch:
        """Start a batch. Raises `RefusedError`."""
        openai_shapes.BATCH(body, "")
        if body["endpoint"] != openai_shapes.CHAT:
            raise refused("endpoint", f"The emulator answers {openai_shapes.CHAT} only", "invalid_value")
        file = self.files.get(body["input_file_id"], "input_file_id")
        if file.purpose != _PURPOSE:
            raise refused("input_file_id", f"File {file.id} wasn't uploaded for batches", "invalid_file_purpose")
        if file.bytes > _MOST_BYTES:
            raise refused("input_file_id", f"A batch's file holds {_MOST_BYTES} bytes at most", "file_too_large")
        expiry: JsonObject = body.get("output_expires_after") or {}
        batch = StoredBatch(
            id=made_id("batch_"),
            created_at=self.files.clock.now(),
            input_file=file.id,
            endpoint=body["endpoint"],
            metadata=body.get("metadata") or {},
            keep_seconds=expiry.get("seconds"),
        )
        self._keep(batch)
        self._work(batch)
        return batch

    def get(self, identity: str) -> StoredBatch:
        """A batch. Raises `RefusedError`."""
        batch = self._read(identity)
        if batch.status not in ENDED:
            self._work(batch)
        return batch

    def all(self) -> list[StoredBatch]:
        """All batches, newest first."""
        found = [codec.from_json(path.read_bytes(), StoredBatch) for path in self.folder.glob("batch_*.json")]
        return sorted(found, key=lambda batch: batch.created_at, reverse=True)

    def cancel(self, identity: str) -> StoredBatch:
        """Ask a batch to stop. Raises `RefusedError`."""
        with self._lock:
            batch = self._read(identity)
            if batch.status in ENDED:
                message = f"Cannot cancel a batch with status '{batch.status}'."
                raise RefusedError(409, message, code="invalid_batch_state")
            self._became(batch, "cancelling")
        return self.get(identity)

    # -- the worker ----------------------------------------------------------------------------------------------------

    def _work(self, batch: StoredBatch) -> None:
        with self._lock:
            worker = self._workers.get(batch.id)
            if worker is None or not worker.is_alive():
                worker = self._workers[batch.id] = threading.Thread(target=self._run, args=(batch.id,), daemon=True)
                worker.start()

    def _run(self, identity: str) -> None:
        with contextlib.suppress(FileNotFoundError, RefusedError):  # the folder went with a temporary emulator
            batch = self._read(identity)
            lines, errors = self._lines(batch)
            if errors:
                self._became(batch, "failed", errors=errors)
                return
            if batch.status == "validating":
                self._became(batch, "in_progress", total=len(lines))
            self._answer(identity, lines)

    def _lines(self, batch: StoredBatch) -> tuple[list[JsonObject], tuple[BatchError, ...]]:
        found: list[JsonObject] = []
        errors: list[BatchError] = []
        seen: set[str] = set()
        for number, line in enumerate(self.files.path(batch.input_file).read_bytes().split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                value: Json = codec.decode(line)
                openai_shapes.BATCH_LINE(value, "")
                if value["custom_id"] in seen:
                    raise refused(
                        "custom_id", f"The custom_id '{value['custom_id']}' occurs twice", "duplicate_custom_id"
                    )
                seen.add(value["custom_id"])
                found.append(value)
            except RefusedError as error:
                errors.append(BatchError(code=error.code or "", message=error.message, param=error.param, line=number))
            except ValueError as error:
                errors.append(BatchError(code="invalid_json_line", message=str(error), line=number))
        if not found and not errors:
            errors.append(BatchError(code="empty_file", message="The input file holds no requests"))
        if len(found) > _MOST_REQUESTS:
            message = f"A batch holds {_MOST_REQUESTS} requests at most"
            errors.append(BatchError(code="too_many_tasks", message=message))
        return found, tuple(errors)

    def _answer(self, identity: str, lines: list[JsonObject]) -> None:
        # Answers come in an order of their own, so that nobody relies on that of the requests.
        shuffled = sorted(lines, key=lambda line: hashlib.sha256(line["custom_id"].encode()).digest())
        out, bad = self.folder / f"{identity}.output", self.folder / f"{identity}.errors"
        completed = failed = 0
        stopped = False
        with out.open("wb") as answers, bad.open("wb") as refusals:
            for line in shuffled:
                if (completed + failed) % _SAVE_EVERY == 0:
                    stopped = self._progressed(identity, completed, failed)
                if stopped:
                    break
                status, record = self._answered(line)
                (answers if status < 400 else refusals).write(codec.encode(record) + b"\n")  # noqa: PLR2004  # HTTP's
                completed, failed = completed + (status < 400), failed + (status >= 400)  # noqa: PLR2004  # likewise
        self._finish(identity, (out, bad), (completed, failed))

    def _progressed(self, identity: str, completed: int, failed: int) -> bool:
        """Write down how far it is. Returns whether it was cancelled."""
        with self._lock:
            batch = attrs.evolve(self._read(identity), completed=completed, failed=failed)
            self._keep(batch)
            return batch.status == "cancelling"

    def _answered(self, line: JsonObject) -> tuple[int, JsonObject]:
        request_id = made_id("req_")
        try:
            answer = self.chat.answer(line["body"])
            status, body = 200, openai_answers.completion(made_id("chatcmpl-"), int(self.files.clock.now()), answer)
        except RefusedError as error:
            status, body = error.status, {"error": openai_wire.error(error)}
        except FinetunerError as error:
            status, body = 500, {"error": openai_wire.error(RefusedError(500, str(error), type="server_error"))}
        response = {"status_code": status, "request_id": request_id, "body": body}
        return status, {
            "id": made_id("batch_req_"),
            "custom_id": line["custom_id"],
            "response": response,
            "error": None,
        }

    def _finish(self, identity: str, paths: tuple[Path, Path], counts: tuple[int, int]) -> None:
        with self._lock:
            batch = attrs.evolve(self._read(identity), completed=counts[0], failed=counts[1])
            kept: list[str | None] = []
            for path, name in zip(paths, ("output", "error"), strict=True):
                if path.stat().st_size:
                    stored = self.files.adopt(path, f"{identity}_{name}.jsonl", _OUTPUT, batch.keep_seconds)
                    kept.append(stored.id)
                else:
                    path.unlink()
                    kept.append(None)
            status = "cancelled" if batch.status == "cancelling" else "completed"
            self._became(batch, status, output_file=kept[0], error_file=kept[1])

    def _became(self, batch: StoredBatch, status: str, **changes: Any) -> None:
        times = {**batch.times, status: self.files.clock.now()}
        self._keep(attrs.evolve(batch, status=status, times=times, **changes))

    def _keep(self, batch: StoredBatch) -> None:
        codec.write_atomically(self.folder / f"{batch.id}.json", codec.to_json(batch).encode())

    def _read(self, identity: str) -> StoredBatch:
        name = identity if identity.replace("_", "").isalnum() else "none"
        try:
            return codec.from_json((self.folder / f"{name}.json").read_bytes(), StoredBatch)
        except FileNotFoundError as error:
            raise RefusedError(404, f"No batch found with id '{identity:.100}'.", code="batch_not_found") from error


def shown(batch: StoredBatch) -> JsonObject:
    """A batch object."""
    statuses = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    times = {f"{status}_at": int(batch.times[status]) if status in batch.times else None for status in statuses}
    errors = [{"code": e.code, "message": e.message, "param": e.param, "line": e.line} for e in batch.errors]
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.created_at + _WINDOW),
        **times,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": dict(batch.metadata) or None,
    }
