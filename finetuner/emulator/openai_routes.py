"""OpenAI's addresses below `/v1`, and what answers at each."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from starlette.responses import Response, StreamingResponse

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator import openai_requests, openai_wire
from finetuner.emulator.openai_state import State, StoredFile, StoredJob, Upload
from finetuner.emulator.routing import Call, Family, RefusedError, Route, answer, bearer, same
from finetuner.providers.ports import SUCCEEDED, JobEvent

_JOB: Final = "/v1/fine_tuning/jobs/{id}"
_MOST_ON_A_PAGE: Final = 100
_MOST_FILES: Final = 10_000
_BYTES: Final = "application/octet-stream"


def openai_family(state: State) -> Family:
    """OpenAI's service."""
    return Family(prefixes=("/v1",), routes=openai_routes(state), refusal=refusal, authorize=authorize)


def openai_routes(state: State) -> tuple[Route, ...]:
    """All its addresses."""
    api = _OpenAI(state)
    return (
        Route("POST", "/v1/files", api.create_file),
        Route("GET", "/v1/files", api.list_files),
        Route("GET", "/v1/files/{id}", api.get_file),
        Route("GET", "/v1/files/{id}/content", api.get_content),
        Route("DELETE", "/v1/files/{id}", api.delete_file),
        Route("POST", "/v1/uploads", api.create_upload),
        Route("POST", "/v1/uploads/{id}/parts", api.add_part),
        Route("POST", "/v1/uploads/{id}/complete", api.complete_upload),
        Route("POST", "/v1/uploads/{id}/cancel", api.cancel_upload),
        Route("POST", "/v1/fine_tuning/jobs", api.create_job),
        Route("GET", "/v1/fine_tuning/jobs", api.list_jobs),
        Route("GET", _JOB, api.get_job),
        Route("POST", f"{_JOB}/cancel", api.cancel_job),
        Route("POST", f"{_JOB}/pause", api.pause_job),
        Route("POST", f"{_JOB}/resume", api.resume_job),
        Route("GET", f"{_JOB}/events", api.list_events),
        Route("GET", f"{_JOB}/checkpoints", api.list_checkpoints),
        Route("GET", "/v1/models", api.list_models),
        Route("GET", "/v1/models/{id:path}", api.get_model),
        Route("DELETE", "/v1/models/{id:path}", api.delete_model),
        Route("POST", "/v1/chat/completions", api.complete),
    )


def refusal(refused: RefusedError) -> Response:
    """An error in OpenAI's envelope."""
    error = {"message": refused.message, "type": refused.type, "param": refused.param, "code": refused.code}
    return answer({"error": error}, refused.status, refused.headers)


def authorize(headers: Mapping[str, str], token: str | None) -> None:
    """Nothing, for a caller with the key. Raises `RefusedError`."""
    given = bearer(headers)
    if given is None:
        raise RefusedError(401, "You didn't provide an API key", code="missing_api_key")
    if token is not None and not same(given, token):
        raise RefusedError(401, "Incorrect API key provided", code="invalid_api_key")


@attrs.frozen
class _OpenAI:
    state: State

    # -- files and uploads ---------------------------------------------------------------------------------------------

    def create_file(self, call: Call) -> Response:
        openai_requests.purpose(call.form["purpose"].text if "purpose" in call.form else None)
        if "file" not in call.form:
            raise RefusedError(400, "'file' is missing", param="file")
        sent = call.form["file"]
        stored = self.state.add_file(sent.filename or "file.jsonl", sent.content.read())
        return answer(openai_wire.file(stored, "uploaded"))  # processed when it is next looked at

    def list_files(self, call: Call) -> Response:
        files = [openai_wire.file(file) for file in self.state.files()]
        return _page(call, files, default=_MOST_FILES, most=_MOST_FILES)

    def get_file(self, call: Call) -> Response:
        results = self._results(call.parameters["id"])
        if results is not None:
            return answer(openai_wire.file(results[0], purpose="fine-tune-results"))
        return answer(openai_wire.file(self.state.file(call.parameters["id"])))

    def get_content(self, call: Call) -> Response:
        results = self._results(call.parameters["id"])
        content = self.state.content(call.parameters["id"]) if results is None else results[1]
        return Response(content, media_type=_BYTES)

    def delete_file(self, call: Call) -> Response:
        identity = call.parameters["id"]
        self.state.delete_file(identity)
        return answer({"id": identity, "object": "file", "deleted": True})

    def create_upload(self, call: Call) -> Response:
        name, size = openai_requests.upload(call.json())
        upload = Upload(id=f"upload_{secrets.token_hex(12)}", name=name, size=size, created_at=int(time.time()))
        self.state.uploads[upload.id] = upload
        return answer(openai_wire.upload(upload))

    def add_part(self, call: Call) -> Response:
        if "data" not in call.form:
            raise RefusedError(400, "'data' is missing", param="data")
        identity = f"part_{secrets.token_hex(12)}"
        with self.state.lock:
            upload = self._pending(call)
            parts = {**upload.parts, identity: call.form["data"].content.read()}
            self.state.uploads[upload.id] = attrs.evolve(upload, parts=parts)
        now = int(time.time())
        return answer({"id": identity, "object": "upload.part", "created_at": now, "upload_id": upload.id})

    def complete_upload(self, call: Call) -> Response:
        order = openai_requests.part_ids(call.json())
        with self.state.lock:
            upload = self._pending(call)
            missing = [identity for identity in order if identity not in upload.parts]
            content = b"".join(upload.parts.get(identity, b"") for identity in order)
            if missing or len(content) != upload.size:
                message = f"the parts hold {len(content)} bytes, {upload.size} were announced"
                raise RefusedError(400, f"No such part: {missing[0]}" if missing else message, param="part_ids")
            done = self.state.uploads[upload.id] = attrs.evolve(upload, status="completed", parts={})
        return answer(openai_wire.upload(done, openai_wire.file(self.state.add_file(upload.name, content))))

    def cancel_upload(self, call: Call) -> Response:
        with self.state.lock:
            upload = self._pending(call)
            cancelled = self.state.uploads[upload.id] = attrs.evolve(upload, status="cancelled", parts={})
        return answer(openai_wire.upload(cancelled))

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create_job(self, call: Call) -> Response:
        job = self.state.add_job(openai_requests.job(call.json()))
        return answer(self._job(job) | {"status": "validating_files", "error": {}, "finished_at": None})

    def list_jobs(self, call: Call) -> Response:
        wanted = {name[9:-1]: value for name, value in call.query.items() if name.startswith("metadata[")}
        jobs = [job for job in self.state.jobs() if wanted.items() <= dict(job.body.metadata).items()]
        return _page(call, [self._job(job) for job in jobs])

    def get_job(self, call: Call) -> Response:
        return answer(self._job(self._stored(call)))

    def cancel_job(self, call: Call) -> Response:
        return self._changed(call, "cancel")

    def pause_job(self, call: Call) -> Response:
        return self._changed(call, "pause")

    def resume_job(self, call: Call) -> Response:
        return self._changed(call, "resume")

    def list_events(self, call: Call) -> Response:
        job = self._stored(call)
        return _page(call, openai_wire.events(job, self.state.snapshot(job), self._events(job)))

    def list_checkpoints(self, call: Call) -> Response:
        job = self._stored(call)
        found = [
            openai_wire.checkpoint(job, each, self.state.tuned_name(job, each.step))
            for each in reversed(self.state.checkpoints(job))
        ]
        return _page(call, found, default=10)

    # -- models --------------------------------------------------------------------------------------------------------

    def list_models(self, call: Call) -> Response:
        del call
        bases = [openai_wire.model(base.name, base=base) for base in self.state.catalog.models if base.methods]
        tuned = [
            self._model(job, self.state.tuned_name(job))
            for job in self.state.jobs()
            if not job.deleted and self.state.snapshot(job).status == SUCCEEDED
        ]
        return answer({"object": "list", "data": bases + tuned})

    def get_model(self, call: Call) -> Response:
        name = call.parameters["id"]
        if self.state.base(name) is not None:
            return answer(openai_wire.model(name, base=self.state.catalog.find(name)))
        return answer(self._model(self.state.tuned(name), name))

    def delete_model(self, call: Call) -> Response:
        name = call.parameters["id"]
        if self.state.base(name) is not None:
            raise RefusedError(403, "Only tuned models can be deleted", code="insufficient_permissions")
        self.state.keep(attrs.evolve(self.state.tuned(name), deleted=True))
        return answer({"id": name, "object": "model", "deleted": True})

    def complete(self, call: Call) -> Response:
        body = call.json()
        model, messages, options = openai_requests.chat(body)
        found = self.state.backend.completer.complete(self.state.answers(model), messages, options)
        identity, now = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        if not body.get("stream"):
            return answer(openai_wire.completion(identity, now, model, found))
        wishes: Json = body.get("stream_options")
        with_usage = is_object(wishes) and bool(wishes.get("include_usage"))
        pieces = openai_wire.chunks(identity, now, model, found, with_usage=with_usage)
        return StreamingResponse(pieces, media_type="text/event-stream")

    # -- within --------------------------------------------------------------------------------------------------------

    def _changed(self, call: Call, verb: str) -> Response:
        self.state.change(self._stored(call), verb)
        return answer(self._job(self._stored(call)))

    def _stored(self, call: Call) -> StoredJob:
        return self.state.job(call.parameters["id"])

    def _job(self, job: StoredJob) -> JsonObject:
        seen = self.state.snapshot(job)
        return openai_wire.job(
            job,
            seen,
            tuned_name=self.state.tuned_name(job),
            organization=self.state.backend.organization,
            pausing=self.state.paused_soon(job, seen),
        )

    def _events(self, job: StoredJob) -> tuple[JobEvent, ...]:
        return () if job.played_by is None else self.state.backend.trainer.events(job.played_by)

    def _model(self, job: StoredJob, name: str) -> JsonObject:
        base = self.state.catalog.find(name)
        return openai_wire.model(name, created=job.created_at, owner=self.state.backend.organization, base=base)

    def _results(self, identity: str) -> tuple[StoredFile, bytes] | None:
        prefix = "file-results-"
        if not identity.startswith(prefix):
            return None
        job = self.state.job(f"ftjob-{identity.removeprefix(prefix)}")
        content = openai_wire.result_csv(self._events(job))
        return StoredFile(id=identity, name="step_metrics.csv", bytes=len(content), created_at=job.created_at), content

    def _pending(self, call: Call) -> Upload:
        upload = self.state.uploads.get(call.parameters["id"])
        if upload is None:
            raise RefusedError(404, f"No such Upload object: {call.parameters['id']}", code="upload_not_found")
        if upload.status != "pending":
            raise RefusedError(400, f"Upload {upload.id} is {upload.status}", code="invalid_upload_state")
        return upload


def _page(call: Call, items: Sequence[JsonObject], *, default: int = 20, most: int = _MOST_ON_A_PAGE) -> Response:
    limit = call.number("limit", default, most)
    return answer(openai_wire.page(items, call.query.get("after"), limit))
