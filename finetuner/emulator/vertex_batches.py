"""Batch predictions of the emulated Vertex AI: a file of questions in, a file of answers out.

A batch is answered when it is next looked at: the emulator may end at any moment, and nothing is lost.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
from starlette.responses import Response

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator import vertex_lists, vertex_requests, vertex_wire
from finetuner.emulator.gcs_objects import Properties
from finetuner.emulator.routing import Call, RefusedError, Route, answer
from finetuner.emulator.vertex_answers import answered
from finetuner.emulator.vertex_state import Tunings

_PENDING, _SUCCEEDED, _CANCELLED = "JOB_STATE_PENDING", "JOB_STATE_SUCCEEDED", "JOB_STATE_CANCELLED"


@attrs.frozen(kw_only=True)
class StoredBatch:
    """A batch prediction.

    Attributes:
        number: The last step of its name.
        parent: `projects/…/locations/…`.
        created_at: Seconds since the epoch.
        body: The request, checked.
        state: Vertex AI's word.
        ended_at: Seconds since the epoch, None until then.
        answered: Questions with an answer.
        refused: Questions without.
    """

    number: str
    parent: str
    created_at: float
    body: JsonObject
    state: str = _PENDING
    ended_at: float | None = None
    answered: int = 0
    refused: int = 0

    @property
    def name(self) -> str:
        """`projects/…/locations/…/batchPredictionJobs/…`."""
        return f"{self.parent}/batchPredictionJobs/{self.number}"

    @property
    def output(self) -> str:
        """The `gs://` folder of its answers."""
        prefix = str(self.body["outputConfig"]["gcsDestination"]["outputUriPrefix"])
        return f"{prefix.rstrip('/')}/prediction-model-{self.number}"


@attrs.frozen
class Batches:
    """All batch predictions of an emulator. Safe in several threads.

    Attributes:
        tunings: Models, and the files that they read.
    """

    tunings: Tunings
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False, eq=False)

    def routes(self) -> tuple[Route, ...]:
        """The addresses of batch predictions."""
        place = "/v1/projects/{project}/locations/{location}/batchPredictionJobs"
        return (
            Route("POST", place, self._create),
            Route("GET", place, self._list),
            Route("POST", f"{place}/{{number}}:cancel", self._cancel),
            Route("GET", f"{place}/{{number}}", self._get),
        )

    def _create(self, call: Call) -> Response:
        body = vertex_requests.batch(call.json())
        self._model(str(body["model"]))
        for uri in body["inputConfig"]["gcsSource"]["uris"]:
            self.tunings.content(str(uri))
        number = str(secrets.randbelow(9 * 10**17) + 10**17)
        batch = StoredBatch(number=number, parent=_parent(call), created_at=time.time(), body=body)
        self._keep(batch)
        return answer(_shown(batch))

    def _list(self, call: Call) -> Response:
        found = [codec.from_json(path.read_bytes(), StoredBatch) for path in self._folder.glob("*.json")]
        here = sorted((each for each in found if each.parent == _parent(call)), key=lambda each: -each.created_at)
        return vertex_lists.page(call, "batchPredictionJobs", [_shown(batch) for batch in here])

    def _get(self, call: Call) -> Response:
        with self._lock:
            batch = self._stored(call)
            return answer(_shown(self._answered(batch) if batch.state == _PENDING else batch))

    def _cancel(self, call: Call) -> Response:
        with self._lock:
            batch = self._stored(call)
            if batch.state != _PENDING:
                message = f"The job {batch.name} has ended and can't be cancelled."
                raise RefusedError(400, message, code="FAILED_PRECONDITION")
            self._keep(attrs.evolve(batch, state=_CANCELLED, ended_at=time.time()))
        return answer({})

    def _answered(self, batch: StoredBatch) -> StoredBatch:
        model = self._model(str(batch.body["model"]))
        lines = [line for uri in batch.body["inputConfig"]["gcsSource"]["uris"] for line in self._lines(str(uri))]
        answers = [self._answer(line, model) for line in lines]
        bucket, _, folder = batch.output.removeprefix("gs://").partition("/")
        content = b"".join(codec.encode(each) + b"\n" for each in answers)
        self.tunings.objects.put(Properties(bucket=bucket, name=f"{folder}/predictions.jsonl"), content)
        refused = sum(bool(each["status"]) for each in answers)
        done = attrs.evolve(
            batch, state=_SUCCEEDED, ended_at=time.time(), answered=len(answers) - refused, refused=refused
        )
        self._keep(done)
        return done

    def _answer(self, line: bytes, model: str) -> JsonObject:
        shown: JsonObject = {"status": "", "processed_time": vertex_wire.moment(time.time()), "request": {}}
        try:
            record: Json = codec.decode(line)
            asked: Json = record.get("request") if is_object(record) else None
            if not is_object(asked):
                raise vertex_requests.bad("the line has no request")
            shown["request"] = asked
            found = answered(self.tunings.backend.completer, model, vertex_requests.generation(asked))
        except (RefusedError, ValueError) as error:
            return shown | {"status": f"Bad Request: {error}", "response": {}}
        return shown | {"response": vertex_wire.generated(found, model, secrets.token_urlsafe(16))}

    def _lines(self, uri: str) -> Iterator[bytes]:
        return (line for line in self.tunings.content(uri).read_bytes().split(b"\n") if line.strip())

    def _model(self, name: str) -> str:
        return self.tunings.answers(name) if "publishers/google/" in name else self.tunings.tuned_model(name)

    def _stored(self, call: Call) -> StoredBatch:
        number = call.parameters["number"]
        path = self._folder / f"{number}.json"
        batch = codec.from_json(path.read_bytes(), StoredBatch) if number.isdigit() and path.is_file() else None
        if batch is None or batch.parent != _parent(call):
            message = f"BatchPredictionJob {_parent(call)}/batchPredictionJobs/{number} is not found."
            raise RefusedError(404, message, code="NOT_FOUND")
        return batch

    def _keep(self, batch: StoredBatch) -> None:
        codec.write_atomically(self._folder / f"{batch.number}.json", codec.to_json(batch).encode())

    @property
    def _folder(self) -> Path:
        return self.tunings.backend.folder / "vertex" / "batches"


def _parent(call: Call) -> str:
    return f"projects/{call.parameters['project']}/locations/{call.parameters['location']}"


def _shown(batch: StoredBatch) -> JsonObject:
    raw: JsonObject = {
        "name": batch.name,
        **batch.body,
        "state": batch.state,
        "createTime": vertex_wire.moment(batch.created_at),
        "updateTime": vertex_wire.moment(batch.ended_at or batch.created_at),
    }
    if batch.ended_at is not None:
        raw["endTime"] = vertex_wire.moment(batch.ended_at)
    if batch.state == _SUCCEEDED:
        raw["outputInfo"] = {"gcsOutputDirectory": batch.output}
        raw["completionStats"] = {"successfulCount": str(batch.answered), "failedCount": str(batch.refused)}
    return raw
