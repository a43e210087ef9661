"""Batch predictions: many questions in a file, answered when there is room for them.

Lines are `{"request": …}`, and come back in any order as `{"request", "response", "status"}`. Each request carries its
place in the file as a label; the callers' own ids lie in a file beside it.

Source: Google Cloud, "Batch inference from Cloud Storage", 2026; BatchPredictionJob of `google-cloud-aiplatform` 2.7.0.
"""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.hashing import file_sha256
from finetuner._core.types import Json, JsonObject
from finetuner.errors import NotFoundError, ProviderError, RequestRejectedError
from finetuner.providers.lenient import as_list, as_moment, as_object, as_text, as_whole
from finetuner.providers.ports import FAILED, BatchAnswer, BatchRequest, BatchSnapshot, JobFailure
from finetuner.providers.vertex import chat, mapping, resources
from finetuner.providers.vertex.completer import VertexCompleter
from finetuner.providers.vertex.failures import NAME, rejected, unexpected
from finetuner.providers.vertex.files import VertexFiles
from finetuner.providers.vertex.requests import label

_MOST_REQUESTS: Final = 200_000
_PLACE: Final = "finetuner_place"
_JSONL: Final = "jsonl"
_LONGEST_NAME: Final = 128


@attrs.frozen
class VertexBatches:
    """The `BatchCompleter` of Vertex AI.

    Attributes:
        files: Where questions and answers lie.
        completer: For the bodies of questions.
    """

    files: VertexFiles
    completer: VertexCompleter

    def create(self, model: str, requests: Sequence[BatchRequest], *, key: str = "") -> BatchSnapshot:
        """Start a batch: its files are uploaded, then it is created once, with the key among its labels.

        Raises:
            RequestRejectedError: There are none or too many, two share an id, or one can't be sent.
        """
        _check(requests)
        lines = (self._line(place, request) for place, request in enumerate(requests))
        questions = self._sent("batch.jsonl", lines)
        self._sent(_ids_beside(questions), (codec.encode(request.id) for request in requests), exactly=True)
        body: JsonObject = {
            "displayName": (key or "finetuner")[:_LONGEST_NAME],
            "model": self._resource(model),
            "inputConfig": {"instancesFormat": _JSONL, "gcsSource": {"uris": [questions]}},
            "outputConfig": {
                "predictionsFormat": _JSONL,
                "gcsDestination": {"outputUriPrefix": questions.removesuffix(".jsonl")},
            },
        }
        if key:
            body["labels"] = {mapping.KEY: label(key)}
        return snapshot(self.files.client.create_batch(body))

    def find(self, key: str) -> BatchSnapshot | None:
        """The newest batch with this key, or None."""
        if not key:
            return None
        wanted, client = label(key), self.files.client
        for listed in (resources.filtered(client.batches, resources.by_key(wanted)), client.batches()):
            found = [snapshot(raw) for raw in islice(listed, resources.LOOK_AT)]
            mine = [batch for batch in found if batch.key == wanted]
            if mine:
                return max(mine, key=lambda batch: batch.created_at)
        return None

    def get(self, batch_id: str) -> BatchSnapshot:
        """The batch now. Raises `NotFoundError`."""
        return snapshot(self._batch(batch_id))

    def answers(self, batch_id: str) -> Iterator[BatchAnswer]:
        """All answers of an ended batch, in any order; of a cancelled one, those that there are.

        Raises:
            NotFoundError: There is no such batch.
            RequestRejectedError: It hasn't ended, or failed as a whole.
        """
        raw = self._batch(batch_id)
        seen = snapshot(raw)
        if not seen.ended:
            raise rejected(f"batch {batch_id} is {seen.raw_status}; wait until it has ended", code="batch_not_ended")
        folder = as_text(as_object(raw.get("outputInfo")).get("gcsOutputDirectory"))
        if folder is None:
            if seen.failure is not None:
                raise rejected(f"batch {batch_id} has no answers: {seen.failure.message}", code="batch_failed")
            return iter(())
        sources = as_list(as_object(as_object(raw.get("inputConfig")).get("gcsSource")).get("uris"))
        ids = [str(codec.decode(line)) for uri in sources for line in self._lines(_ids_beside(str(uri)))]
        return self._read(folder, ids, as_text(raw.get("model")) or "")

    def cancel(self, batch_id: str) -> BatchSnapshot:
        """Ask the batch to stop; one that has ended is returned as it is. Raises `NotFoundError`."""
        try:
            self.files.client.cancel_batch(_name(batch_id))
        except RequestRejectedError:
            current = self.get(batch_id)
            if not current.ended:
                raise
            return current
        return self.get(batch_id)

    def _batch(self, batch_id: str) -> JsonObject:
        return self.files.client.batch(_name(batch_id))

    def _line(self, place: int, request: BatchRequest) -> bytes:
        body = chat.request(request.messages, request.options, self.completer.generation)
        return codec.encode({"request": body | {"labels": {_PLACE: str(place)}}})

    def _resource(self, model: str) -> str:
        """What a batch names: a base model's short resource, a tuned one's model instead of its endpoint."""
        if resources.is_endpoint(model):
            found = resources.tuned_at(self.files.client, model)
            if "checkpointId" in found:
                message = f"{model} is a checkpoint, and batches take whole tuned models; ask it one by one"
                raise rejected(message, code="unknown_model")
            return str(found["tunedModelName"])
        return model if "/" in model else f"publishers/google/models/{model}"

    def _sent(self, name: str, lines: Iterator[bytes], *, exactly: bool = False) -> str:
        with tempfile.TemporaryDirectory(prefix="finetuner-batch-") as folder:
            path = Path(folder) / "lines.jsonl"
            with path.open("wb") as target:
                target.writelines(line + b"\n" for line in lines)
            sha256 = file_sha256(path)
            if not exactly:
                return self.files.upload(path, name=name, sha256=sha256).id
            return self.files.put(path, name, sha256).id

    def _lines(self, uri: str) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory(prefix="finetuner-batch-") as folder:
            path = Path(folder) / "lines.jsonl"
            generation = as_whole(self.files.client.stored(uri).get("generation")) or 0
            self.files.client.download(uri, path, generation=generation)
            with path.open("rb") as lines:
                yield from (line for line in lines if line.strip())

    def _read(self, folder: str, ids: list[str], model: str) -> Iterator[BatchAnswer]:
        for uri in self.files.client.listed(f"{folder.rstrip('/')}/"):
            if uri.endswith(".jsonl"):
                for line in self._lines(uri):
                    yield _answer(line, ids, model)


def snapshot(raw: JsonObject) -> BatchSnapshot:
    """A batch prediction."""
    word = mapping.state(raw)
    status, stats = mapping.status_of(word), as_object(raw.get("completionStats"))
    name = as_text(raw.get("name"))
    if name is None:
        raise unexpected("Vertex AI", "the batch has no name")
    counts = [
        max(0, as_whole(stats.get(field)) or 0) for field in ("successfulCount", "failedCount", "incompleteCount")
    ]
    failure = mapping.problem(raw) or JobFailure(message="Vertex AI gives no reason")
    return BatchSnapshot(
        id=name,
        status=status,
        created_at=as_moment(raw.get("createTime")) or 0.0,
        finished_at=as_moment(raw.get("endTime")),
        total=sum(counts),
        completed=counts[0],
        failed=counts[1],
        failure=failure if status == FAILED else None,
        key=as_text(as_object(raw.get("labels")).get(mapping.KEY)),
        raw_status=word,
    )


def _answer(line: bytes, ids: list[str], model: str) -> BatchAnswer:
    try:
        record: Json = codec.decode(line)
    except ValueError as error:
        raise unexpected("Vertex AI", f"a line of the batch's answers isn't JSON: {error}") from error
    answered = as_object(record)
    place = as_whole(as_object(as_object(answered.get("request")).get("labels")).get(_PLACE))
    if place is None or not 0 <= place < len(ids):
        raise unexpected("Vertex AI", "a line of the batch's answers doesn't say which question it answers")
    response, status = as_object(answered.get("response")), as_text(answered.get("status"))
    try:
        found = chat.completion(response, model=model, latency=0.0) if response and not status else None
    except ProviderError as error:
        return BatchAnswer(id=ids[place], failure=JobFailure(message=str(error), code=error.code))
    if found is None:
        return BatchAnswer(id=ids[place], failure=JobFailure(message=status or "there is no answer"))
    return BatchAnswer(id=ids[place], completion=found)


def _check(requests: Sequence[BatchRequest]) -> None:
    if not 1 <= len(requests) <= _MOST_REQUESTS:
        message = f"a batch has 1 to {_MOST_REQUESTS:,} requests, not {len(requests):,}"
        raise rejected(message, code="invalid_batch")
    if len({request.id for request in requests}) < len(requests):
        raise rejected("two requests of the batch have the same id", code="invalid_batch")


def _ids_beside(questions: str) -> str:
    return f"{questions.removesuffix('.jsonl')}.ids.jsonl"


def _name(batch_id: str) -> str:
    if "/batchPredictionJobs/" not in batch_id:
        message = f"{batch_id!r} is no batch of Vertex AI, such as projects/…/locations/…/batchPredictionJobs/123"
        raise NotFoundError(message, provider=NAME)
    return batch_id
