"""OpenAI's service, and its addresses for files, uploads, batches, models and completions."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from starlette.responses import FileResponse, Response, StreamingResponse

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator import openai_answers, openai_batches, openai_shapes, openai_wire
from finetuner.emulator.checking import refused, text
from finetuner.emulator.openai_files import made_id
from finetuner.emulator.openai_job_routes import job_routes, model_json
from finetuner.emulator.openai_state import State
from finetuner.emulator.paging import page
from finetuner.emulator.routing import Call, Family, RefusedError, Route, answer, bearer, same
from finetuner.providers.ports import SUCCEEDED

_BYTES: Final = "application/octet-stream"
_MOST_FILES: Final = 10_000
_EXPIRY: Final = ("expires_after[anchor]", "expires_after[seconds]")
_RESULTS: Final = "file-results-"


def openai_family(state: State) -> Family:
    """OpenAI's service."""
    routes = (*_routes(_OpenAI(state)), *job_routes(state))
    return Family(prefixes=("/v1",), routes=routes, refusal=refusal, authorize=authorize)


def refusal(refused: RefusedError) -> Response:
    """An error in OpenAI's envelope."""
    return answer({"error": openai_wire.error(refused)}, refused.status, refused.headers)


def authorize(headers: Mapping[str, str], token: str | None) -> None:
    """Nothing, for a caller with the key. Raises `RefusedError`."""
    given = bearer(headers)
    if given is None:
        raise RefusedError(401, "You didn't provide an API key", code="missing_api_key")
    if token is not None and not same(given, token):
        raise RefusedError(401, "Incorrect API key provided", code="invalid_api_key")


def _routes(api: "_OpenAI") -> tuple[Route, ...]:
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
        Route("POST", "/v1/batches", api.create_batch),
        Route("GET", "/v1/batches", api.list_batches),
        Route("GET", "/v1/batches/{id}", api.get_batch),
        Route("POST", "/v1/batches/{id}/cancel", api.cancel_batch),
        Route("GET", "/v1/models", api.list_models),
        Route("GET", "/v1/models/{id:path}", api.get_model),
        Route("DELETE", "/v1/models/{id:path}", api.delete_model),
        Route("POST", openai_shapes.CHAT, api.complete),
    )


@attrs.frozen
class _OpenAI:
    state: State

    # -- files and uploads ---------------------------------------------------------------------------------------------

    def create_file(self, call: Call) -> Response:
        unknown = sorted(set(call.form) - {"file", "purpose", *_EXPIRY})
        if unknown:
            raise refused(unknown[0], f"Unknown parameter: '{unknown[0]}'.", "unknown_parameter")
        for name in ("file", "purpose"):
            if name not in call.form:
                raise refused(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")
        purpose, sent = call.form["purpose"].text, call.form["file"]
        text(choices=openai_shapes.PURPOSES)(purpose, "purpose")
        if sent.filename is None:
            raise refused("file", "Expected file to have a name and content", "invalid_type")
        stored = self.state.files.add(sent.filename, sent.content, purpose, _keep_seconds(call))
        return answer(openai_wire.file(stored, "uploaded"))  # processed when it is next looked at

    def list_files(self, call: Call) -> Response:
        purpose, files = call.query.get("purpose"), self.state.files.all()
        shown = [openai_wire.file(file) for file in files if purpose in {None, file.purpose}]
        if call.query.get("order") == "asc":
            shown.reverse()
        return page(call, shown, default=_MOST_FILES, most=_MOST_FILES)

    def get_file(self, call: Call) -> Response:
        results = self._results(call.parameters["id"])
        return answer(openai_wire.file(self.state.files.get(call.parameters["id"])) if results is None else results[0])

    def get_content(self, call: Call) -> Response:
        identity = call.parameters["id"]
        results = self._results(identity)
        if results is not None:
            return Response(results[1], media_type=_BYTES)
        return FileResponse(self.state.files.path(self.state.files.get(identity).id), media_type=_BYTES)

    def delete_file(self, call: Call) -> Response:
        identity = call.parameters["id"]
        self.state.files.delete(identity)
        return answer({"id": identity, "object": "file", "deleted": True})

    def create_upload(self, call: Call) -> Response:
        body = call.json()
        openai_shapes.UPLOAD(body, "")
        expiry: JsonObject = body.get("expires_after") or {}
        upload = self.state.uploads.start(body["filename"], body["bytes"], body["purpose"], expiry.get("seconds"))
        return answer(openai_wire.upload(upload))

    def add_part(self, call: Call) -> Response:
        if "data" not in call.form:
            raise refused("data", "Missing required parameter: 'data'.", "missing_required_parameter")
        upload = call.parameters["id"]
        part = self.state.uploads.add_part(upload, call.form["data"].content)
        now = int(self.state.backend.clock.now())
        return answer({"id": part, "object": "upload.part", "created_at": now, "upload_id": upload})

    def complete_upload(self, call: Call) -> Response:
        body = call.json()
        openai_shapes.COMPLETE_UPLOAD(body, "")
        done = self.state.uploads.complete(call.parameters["id"], body["part_ids"], body.get("md5"))
        return answer(openai_wire.upload(*done))

    def cancel_upload(self, call: Call) -> Response:
        return answer(openai_wire.upload(self.state.uploads.cancel(call.parameters["id"])))

    # -- batches -------------------------------------------------------------------------------------------------------

    def create_batch(self, call: Call) -> Response:
        return answer(openai_batches.shown(self.state.batches.create(call.json())))

    def list_batches(self, call: Call) -> Response:
        return page(call, [openai_batches.shown(batch) for batch in self.state.batches.all()])

    def get_batch(self, call: Call) -> Response:
        return answer(openai_batches.shown(self.state.batches.get(call.parameters["id"])))

    def cancel_batch(self, call: Call) -> Response:
        return answer(openai_batches.shown(self.state.batches.cancel(call.parameters["id"])))

    # -- models and completions ----------------------------------------------------------------------------------------

    def list_models(self, call: Call) -> Response:
        del call
        jobs = self.state.jobs
        bases = [model_json(self.state, base.name) for base in jobs.catalog.models if base.methods]
        tuned = [
            model_json(self.state, jobs.tuned_name(job), job)
            for job in jobs.all()
            if not job.deleted and jobs.snapshot(job).status == SUCCEEDED
        ]
        data: Sequence[JsonObject] = bases + tuned
        return answer({"object": "list", "data": list(data)})

    def get_model(self, call: Call) -> Response:
        name = call.parameters["id"]
        job = None if self.state.jobs.base(name) is not None else self.state.jobs.tuned(name)
        return answer(model_json(self.state, name, job))

    def delete_model(self, call: Call) -> Response:
        name = call.parameters["id"]
        if self.state.jobs.base(name) is not None:
            raise RefusedError(403, "Only tuned models can be deleted", code="insufficient_permissions")
        self.state.jobs.keep(attrs.evolve(self.state.jobs.tuned(name), deleted=True))
        return answer({"id": name, "object": "model", "deleted": True})

    def complete(self, call: Call) -> Response:
        body = call.json()
        found = self.state.chat.answer(body)
        identity, now = made_id("chatcmpl-"), int(self.state.backend.clock.now())
        if not body.get("stream"):
            return answer(openai_answers.completion(identity, now, found))
        wishes: Json = body.get("stream_options")
        with_usage = is_object(wishes) and bool(wishes.get("include_usage"))
        pieces = openai_answers.chunks(identity, now, found, with_usage=with_usage)
        return StreamingResponse(pieces, media_type="text/event-stream")

    # -- within --------------------------------------------------------------------------------------------------------

    def _results(self, identity: str) -> tuple[JsonObject, bytes] | None:
        """A finished job's table of metrics, which is made when it is asked for."""
        if not identity.startswith(_RESULTS):
            return None
        job = self.state.jobs.get(f"ftjob-{identity.removeprefix(_RESULTS)}")
        events = () if job.played_by is None else self.state.backend.trainer.events(job.played_by)
        content = openai_wire.result_csv(events)
        return openai_wire.result_file(job, len(content)), content


def _keep_seconds(call: Call) -> int | None:
    given = {name: call.form[name].text for name in _EXPIRY if name in call.form}
    if not given:
        return None
    seconds: Json = given.get(_EXPIRY[1], "")
    value = {"anchor": given.get(_EXPIRY[0]), "seconds": int(seconds) if seconds.isdigit() else seconds}
    openai_shapes.EXPIRY(value, "expires_after")
    return int(seconds)
