"""OpenAI's addresses below `/v1`, and what answers at each."""

import secrets
import time
from collections.abc import Sequence
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator import multipart, openai_requests, openai_wire
from finetuner.emulator.http import RefusedError, Request, Response, Route, answer
from finetuner.emulator.state import State, StoredFile, StoredJob, Upload
from finetuner.providers.ports import SUCCEEDED, JobEvent

_ID: Final = r"[A-Za-z0-9_-]{1,80}"
_JOB: Final = rf"/v1/fine_tuning/jobs/(?P<id>{_ID})"
_MOST_ON_A_PAGE: Final = 100
_MOST_FILES: Final = 10_000
_TEXT: Final = "application/octet-stream"


def openai_routes(state: State) -> tuple[Route, ...]:
    """All of them."""
    api = _OpenAI(state)
    return (
        Route("POST", "/v1/files", api.create_file),
        Route("GET", "/v1/files", api.list_files),
        Route("GET", rf"/v1/files/(?P<id>{_ID})", api.get_file),
        Route("GET", rf"/v1/files/(?P<id>{_ID})/content", api.get_content),
        Route("DELETE", rf"/v1/files/(?P<id>{_ID})", api.delete_file),
        Route("POST", "/v1/uploads", api.create_upload),
        Route("POST", rf"/v1/uploads/(?P<id>{_ID})/parts", api.add_part),
        Route("POST", rf"/v1/uploads/(?P<id>{_ID})/complete", api.complete_upload),
        Route("POST", rf"/v1/uploads/(?P<id>{_ID})/cancel", api.cancel_upload),
        Route("POST", "/v1/fine_tuning/jobs", api.create_job),
        Route("GET", "/v1/fine_tuning/jobs", api.list_jobs),
        Route("GET", _JOB, api.get_job),
        Route("POST", rf"{_JOB}/(?P<verb>cancel|pause|resume)", api.change_job),
        Route("GET", rf"{_JOB}/events", api.list_events),
        Route("GET", rf"{_JOB}/checkpoints", api.list_checkpoints),
        Route("GET", "/v1/models", api.list_models),
        Route("GET", r"/v1/models/(?P<id>.{1,300})", api.get_model),
        Route("DELETE", r"/v1/models/(?P<id>.{1,300})", api.delete_model),
        Route("POST", "/v1/chat/completions", api.complete),
    )


@attrs.frozen
class _OpenAI:
    state: State

    # -- files and uploads ---------------------------------------------------------------------------------------------

    def create_file(self, request: Request) -> Response:
        form = multipart.parse(request.body, request.headers.get("content-type", ""))
        openai_requests.purpose(form["purpose"].content.decode() if "purpose" in form else None)
        if "file" not in form:
            raise RefusedError(400, "'file' is missing", param="file")
        stored = self.state.add_file(form["file"].filename or "file.jsonl", form["file"].content)
        return answer(openai_wire.file(stored, "uploaded"))  # processed when it is next looked at

    def list_files(self, request: Request) -> Response:
        files = [openai_wire.file(file) for file in self.state.files()]
        return _page(request, files, default=_MOST_FILES, most=_MOST_FILES)

    def get_file(self, request: Request) -> Response:
        results = self._results(request.parameters["id"])
        if results is not None:
            return answer(openai_wire.file(results[0], purpose="fine-tune-results"))
        return answer(openai_wire.file(self.state.file(request.parameters["id"])))

    def get_content(self, request: Request) -> Response:
        results = self._results(request.parameters["id"])
        content = self.state.content(request.parameters["id"]) if results is None else results[1]
        return Response(body=content, content_type=_TEXT)

    def delete_file(self, request: Request) -> Response:
        identity = request.parameters["id"]
        self.state.delete_file(identity)
        return answer({"id": identity, "object": "file", "deleted": True})

    def create_upload(self, request: Request) -> Response:
        name, size = openai_requests.upload(request.json())
        upload = Upload(id=f"upload_{secrets.token_hex(12)}", name=name, size=size, created_at=int(time.time()))
        self.state.uploads[upload.id] = upload
        return answer(openai_wire.upload(upload))

    def add_part(self, request: Request) -> Response:
        form = multipart.parse(request.body, request.headers.get("content-type", ""))
        if "data" not in form:
            raise RefusedError(400, "'data' is missing", param="data")
        identity = f"part_{secrets.token_hex(12)}"
        with self.state.lock:
            upload = self._pending(request)
            parts = {**upload.parts, identity: form["data"].content}
            self.state.uploads[upload.id] = attrs.evolve(upload, parts=parts)
        now = int(time.time())
        return answer({"id": identity, "object": "upload.part", "created_at": now, "upload_id": upload.id})

    def complete_upload(self, request: Request) -> Response:
        order = openai_requests.part_ids(request.json())
        with self.state.lock:
            upload = self._pending(request)
            missing = [identity for identity in order if identity not in upload.parts]
            content = b"".join(upload.parts.get(identity, b"") for identity in order)
            if missing or len(content) != upload.size:
                message = f"the parts hold {len(content)} bytes, {upload.size} were announced"
                raise RefusedError(400, f"No such part: {missing[0]}" if missing else message, param="part_ids")
            done = self.state.uploads[upload.id] = attrs.evolve(upload, status="completed", parts={})
        return answer(openai_wire.upload(done, openai_wire.file(self.state.add_file(upload.name, content))))

    def cancel_upload(self, request: Request) -> Response:
        with self.state.lock:
            upload = self._pending(request)
            cancelled = self.state.uploads[upload.id] = attrs.evolve(upload, status="cancelled", parts={})
        return answer(openai_wire.upload(cancelled))

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create_job(self, request: Request) -> Response:
        job = self.state.add_job(openai_requests.job(request.json()))
        return answer(self._job(job) | {"status": "validating_files", "error": {}, "finished_at": None})

    def list_jobs(self, request: Request) -> Response:
        wanted = {name[9:-1]: value for name, value in request.query.items() if name.startswith("metadata[")}
        jobs = [job for job in self.state.jobs() if wanted.items() <= dict(job.body.metadata).items()]
        return _page(request, [self._job(job) for job in jobs])

    def get_job(self, request: Request) -> Response:
        return answer(self._job(self._stored(request)))

    def change_job(self, request: Request) -> Response:
        self.state.change(self._stored(request), request.parameters["verb"])
        return answer(self._job(self._stored(request)))

    def list_events(self, request: Request) -> Response:
        job = self._stored(request)
        return _page(request, openai_wire.events(job, self.state.snapshot(job), self._events(job)))

    def list_checkpoints(self, request: Request) -> Response:
        job = self._stored(request)
        found = [
            openai_wire.checkpoint(job, each, self.state.tuned_name(job, each.step))
            for each in reversed(self.state.checkpoints(job))
        ]
        return _page(request, found, default=10)

    # -- models --------------------------------------------------------------------------------------------------------

    def list_models(self, request: Request) -> Response:
        del request
        bases = [openai_wire.model(base.name, base=base) for base in self.state.catalog.models if base.methods]
        tuned = [
            self._model(job, self.state.tuned_name(job))
            for job in self.state.jobs()
            if not job.deleted and self.state.snapshot(job).status == SUCCEEDED
        ]
        return answer({"object": "list", "data": bases + tuned})

    def get_model(self, request: Request) -> Response:
        name = request.parameters["id"]
        if self.state.base(name) is not None:
            return answer(openai_wire.model(name, base=self.state.catalog.find(name)))
        return answer(self._model(self.state.tuned(name), name))

    def delete_model(self, request: Request) -> Response:
        name = request.parameters["id"]
        if self.state.base(name) is not None:
            raise RefusedError(403, "Only tuned models can be deleted", code="insufficient_permissions")
        self.state.keep(attrs.evolve(self.state.tuned(name), deleted=True))
        return answer({"id": name, "object": "model", "deleted": True})

    def complete(self, request: Request) -> Response:
        body = request.json()
        model, messages, options = openai_requests.chat(body)
        found = self.state.completer.complete(self.state.answers(model), messages, options)
        identity, now = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        if not body.get("stream"):
            return answer(openai_wire.completion(identity, now, model, found))
        wishes: Json = body.get("stream_options")
        with_usage = is_object(wishes) and bool(wishes.get("include_usage"))
        pieces = openai_wire.chunks(identity, now, model, found, with_usage=with_usage)
        return Response(body=pieces, content_type="text/event-stream")

    # -- within --------------------------------------------------------------------------------------------------------

    def _stored(self, request: Request) -> StoredJob:
        return self.state.job(request.parameters["id"])

    def _job(self, job: StoredJob) -> JsonObject:
        seen = self.state.snapshot(job)
        return openai_wire.job(
            job,
            seen,
            tuned_name=self.state.tuned_name(job),
            organization=self.state.organization,
            pausing=self.state.paused_soon(job, seen),
        )

    def _events(self, job: StoredJob) -> tuple[JobEvent, ...]:
        return () if job.played_by is None else self.state.trainer.events(job.played_by)

    def _model(self, job: StoredJob, name: str) -> JsonObject:
        base = self.state.catalog.find(name)
        return openai_wire.model(name, created=job.created_at, owner=self.state.organization, base=base)

    def _results(self, identity: str) -> tuple[StoredFile, bytes] | None:
        prefix = "file-results-"
        if not identity.startswith(prefix):
            return None
        job = self.state.job(f"ftjob-{identity.removeprefix(prefix)}")
        content = openai_wire.result_csv(self._events(job))
        return StoredFile(id=identity, name="step_metrics.csv", bytes=len(content), created_at=job.created_at), content

    def _pending(self, request: Request) -> Upload:
        upload = self.state.uploads.get(request.parameters["id"])
        if upload is None:
            raise RefusedError(404, f"No such Upload object: {request.parameters['id']}", code="upload_not_found")
        if upload.status != "pending":
            raise RefusedError(400, f"Upload {upload.id} is {upload.status}", code="invalid_upload_state")
        return upload


def _page(request: Request, items: Sequence[JsonObject], *, default: int = 20, most: int = _MOST_ON_A_PAGE) -> Response:
    limit = request.number("limit", default, most)
    return answer(openai_wire.page(items, request.query.get("after"), limit))
