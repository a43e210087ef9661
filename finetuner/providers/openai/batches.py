"""Batches at OpenAI: many questions in a file, answered within a day at half the price."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from finetuner._core import codec
from finetuner._core.hashing import file_sha256
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import ProviderError, RequestRejectedError
from finetuner.providers.openai import chat, mapping
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import rejected, unexpected
from finetuner.providers.openai.files import OpenAIFiles
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    RUNNING,
    SUCCEEDED,
    VALIDATING,
    BatchAnswer,
    BatchRequest,
    BatchSnapshot,
    JobFailure,
    JobStatus,
)

_ENDPOINT: Final = "/v1/chat/completions"
_WINDOW: Any = "24h"
_MOST_REQUESTS: Final = 50_000
_MOST_BYTES: Final = 200 * 1_000_000
_PAGE: Final = 100
_LOOK_AT: Final = 1_000
_EXPIRED: Final = "expired"
_GOOD: Final = range(200, 300)
_STATUSES: Final[Mapping[str, JobStatus]] = {
    "validating": VALIDATING,
    "in_progress": RUNNING,
    "finalizing": RUNNING,
    "cancelling": RUNNING,
    "completed": SUCCEEDED,
    "failed": FAILED,
    _EXPIRED: FAILED,
    "cancelled": CANCELLED,
}


@attrs.frozen
class OpenAIBatches:
    """The `BatchCompleter` of a service."""

    client: Client
    files: OpenAIFiles

    def create(self, model: str, requests: Sequence[BatchRequest], *, key: str = "") -> BatchSnapshot:
        """Start a batch: its file is uploaded, then it is created once, with the key among its metadata.

        Raises:
            RequestRejectedError: There are none or too many, two share an id, or one can't be sent.
        """
        _check(requests)
        with tempfile.TemporaryDirectory(prefix="finetuner-batch-") as folder:
            path = Path(folder) / "batch.jsonl"
            with path.open("wb") as target:
                target.writelines(self._line(model, request) for request in requests)
            if path.stat().st_size > _MOST_BYTES:
                raise rejected(
                    f"the requests take more than {_MOST_BYTES:,} bytes; cut them up", code="batch_too_large"
                )
            sent = self.files.upload(path, name=path.name, sha256=file_sha256(path))
        metadata = {mapping.KEY: key} if key else None
        endpoint: Any = _ENDPOINT
        raw = self.client.ask(
            lambda sdk: sdk.batches.create(
                input_file_id=sent.id, endpoint=endpoint, completion_window=_WINDOW, metadata=metadata
            ),
            once=True,
        )
        return snapshot(raw)

    def find(self, key: str) -> BatchSnapshot | None:
        """The newest batch with this key among the 1,000 newest, or None."""
        if not key:
            return None
        newest = (snapshot(raw) for raw in itertools.islice(self._listed(), _LOOK_AT))
        return next((batch for batch in newest if batch.key == key), None)

    def get(self, batch_id: str) -> BatchSnapshot:
        """The batch now. Raises `NotFoundError`."""
        return snapshot(self.client.ask(lambda sdk: sdk.batches.retrieve(batch_id)))

    def answers(self, batch_id: str) -> Iterator[BatchAnswer]:
        """All answers of an ended batch, in any order; of a cancelled or expired one, those that there are.

        Raises:
            NotFoundError: There is no such batch.
            RequestRejectedError: It hasn't ended, or failed as a whole.
        """
        raw = self.client.ask(lambda sdk: sdk.batches.retrieve(batch_id))
        seen = snapshot(raw)
        files = [raw.get(name) for name in ("output_file_id", "error_file_id")]
        if not seen.ended:
            raise rejected(f"batch {batch_id} is {seen.raw_status}; wait until it has ended", code="batch_not_ended")
        if seen.failure is not None and not any(files):
            raise rejected(f"batch {batch_id} has no answers: {seen.failure.message}", code="batch_failed")
        return itertools.chain.from_iterable(self._read(file) for file in files if isinstance(file, str) and file)

    def cancel(self, batch_id: str) -> BatchSnapshot:
        """Ask the batch to stop; one that has ended is returned as it is. Raises `NotFoundError`."""
        try:
            return snapshot(self.client.ask(lambda sdk: sdk.batches.cancel(batch_id)))
        except RequestRejectedError:
            current = self.get(batch_id)
            if current.ended:
                return current
            raise

    def _listed(self) -> Iterator[JsonObject]:
        return self.client.each(lambda sdk: sdk.batches.list(limit=_PAGE))

    def _read(self, file_id: str) -> Iterator[BatchAnswer]:
        for line in self.files.lines(file_id):
            if line.strip():
                yield self._answer(line)

    def _answer(self, line: str) -> BatchAnswer:
        try:
            raw: Json = codec.decode(line)
        except ValueError as error:
            raise unexpected(self.client.flavour.title, f"a line of the results isn't JSON: {line:.100}") from error
        if not is_object(raw):
            raise unexpected(self.client.flavour.title, f"a line of the results isn't an object: {line:.100}")
        identity = str(raw.get("custom_id"))
        response: JsonObject = raw.get("response") or {}
        body: JsonObject = response.get("body") or {}
        if response.get("status_code") in _GOOD:
            try:
                found = chat.completion(body, latency=0.0, request_id=response.get("request_id"))
            except ProviderError as error:
                return BatchAnswer(id=identity, failure=JobFailure(message=str(error), code=error.code))
            return BatchAnswer(id=identity, completion=found)
        reason: JsonObject = body.get("error") or raw.get("error") or {}
        message = str(reason.get("message") or f"status {response.get('status_code')}")
        return BatchAnswer(id=identity, failure=JobFailure(message=message, code=reason.get("code")))

    def _line(self, model: str, request: BatchRequest) -> bytes:
        body = chat.request(
            model, request.messages, request.options, max_tokens_field=self.client.flavour.max_tokens_field
        )
        return codec.encode({"custom_id": request.id, "method": "POST", "url": _ENDPOINT, "body": body}) + b"\n"


def snapshot(raw: JsonObject) -> BatchSnapshot:
    """A batch object."""
    status = str(raw.get("status") or "")
    counts: JsonObject = raw.get("request_counts") or {}
    metadata: JsonObject = raw.get("metadata") or {}
    ends = (raw.get(f"{name}_at") for name in ("completed", "failed", "expired", "cancelled"))
    return BatchSnapshot(
        id=mapping.identity(raw, "batch"),
        status=_STATUSES.get(status, status),
        created_at=float(raw.get("created_at") or 0.0),
        finished_at=next((float(at) for at in ends if isinstance(at, int | float)), None),
        total=int(counts.get("total") or 0),
        completed=int(counts.get("completed") or 0),
        failed=int(counts.get("failed") or 0),
        failure=_failure(raw, status),
        key=metadata.get(mapping.KEY),
        raw_status=status,
    )


def _failure(raw: JsonObject, status: str) -> JobFailure | None:
    if status == _EXPIRED:
        message = "it wasn't finished within 24 hours; ask the rest again"
        return JobFailure(message=message, code="batch_expired")
    if _STATUSES.get(status) != FAILED:
        return None
    listed: JsonObject = raw.get("errors") or {}
    errors: Json = listed.get("data")
    found = [error for error in errors if is_object(error)] if is_list(errors) else []
    shown = "; ".join(f"line {error.get('line')}: {error.get('message')}" for error in found[:5])
    first: JsonObject = found[0] if found else {}
    return JobFailure(message=shown or "no reason given", code=first.get("code"), param=first.get("param"))


def _check(requests: Sequence[BatchRequest]) -> None:
    if not 0 < len(requests) <= _MOST_REQUESTS:
        message = f"a batch holds 1 to {_MOST_REQUESTS:,} requests, not {len(requests):,}"
        raise rejected(message, code="batch_size")
    seen: set[str] = set()
    for request in requests:
        if request.id in seen:
            raise rejected(f"two requests have the id {request.id!r}; give each its own", code="duplicate_id")
        seen.add(request.id)
