"""Vertex AI's addresses: tuning jobs (v1 and v1beta1), answers of models, whole and streamed, and counted tokens."""

import secrets
from typing import Final

import attrs
from starlette.responses import Response, StreamingResponse

from finetuner._core.types import JsonObject
from finetuner.emulator import vertex_lists, vertex_requests, vertex_wire
from finetuner.emulator.google_access import authorize
from finetuner.emulator.routing import Call, Family, Route, answer
from finetuner.emulator.vertex_answers import answered
from finetuner.emulator.vertex_state import StoredTuning, Tunings
from finetuner.providers.ports import Completion

_VERSIONS: Final = ("v1", "v1beta1")
_PARENT: Final = "/projects/{project}/locations/{location}"


def vertex_family(tunings: Tunings, more: tuple[Route, ...] = ()) -> Family:
    """The addresses of Vertex AI, in both versions, and more of the same service."""
    api = _VertexAI(tunings)
    routes: list[Route] = []
    for version in _VERSIONS:
        place = f"/{version}{_PARENT}"
        endpoint, publisher = f"{place}/endpoints/{{endpoint}}", f"{place}/publishers/google/models/{{model}}"
        routes += [
            Route("POST", f"{place}/tuningJobs", api.create),
            Route("GET", f"{place}/tuningJobs", api.list),
            Route("POST", f"{place}/tuningJobs/{{number}}:cancel", api.cancel),
            Route("GET", f"{place}/tuningJobs/{{number}}", api.get),
        ]
        for model in (endpoint, publisher):
            routes += [
                Route("POST", f"{model}:generateContent", api.generate),
                Route("POST", f"{model}:streamGenerateContent", api.stream),
                Route("POST", f"{model}:countTokens", api.count_tokens),
            ]
    prefixes = tuple(f"/{version}/projects/" for version in _VERSIONS)
    return Family(prefixes=prefixes, routes=(*routes, *more), refusal=vertex_wire.refusal, authorize=authorize)


@attrs.frozen
class _VertexAI:
    tunings: Tunings

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        body = vertex_requests.tuning_job(call.json(), beta=_beta(call))
        return answer(self._job(self.tunings.add(_parent(call), body), call) | {"state": "JOB_STATE_PENDING"})

    def list(self, call: Call) -> Response:
        return vertex_lists.page(call, "tuningJobs", [self._job(job, call) for job in self.tunings.jobs(_parent(call))])

    def get(self, call: Call) -> Response:
        return answer(self._job(self._stored(call), call))

    def cancel(self, call: Call) -> Response:
        self.tunings.cancel(self._stored(call))
        return answer({})

    def _stored(self, call: Call) -> StoredTuning:
        return self.tunings.job(_parent(call), call.parameters["number"])

    def _job(self, job: StoredTuning, call: Call) -> JsonObject:
        return vertex_wire.job(job, self.tunings.snapshot(job), self.tunings.checkpoints(job), beta=_beta(call))

    # -- answers -------------------------------------------------------------------------------------------------------

    def generate(self, call: Call) -> Response:
        found, model = self._answered(call)
        return answer(vertex_wire.generated(found, model, secrets.token_urlsafe(16)))

    def stream(self, call: Call) -> Response:
        found, model = self._answered(call)
        items = vertex_wire.pieces(found, model, secrets.token_urlsafe(16))
        if call.query.get("alt") == "sse":
            return StreamingResponse(vertex_wire.events(items), media_type="text/event-stream")
        return StreamingResponse(vertex_wire.array(items), media_type="application/json")

    def count_tokens(self, call: Call) -> Response:
        found, _ = self._answered(call)
        return answer({"totalTokens": found.usage.prompt_tokens})

    def _answered(self, call: Call) -> tuple[Completion, str]:
        body = vertex_requests.generation(call.json())
        endpoint, model = call.parameters.get("endpoint"), call.parameters.get("model", "")
        plays = self.tunings.answers(model) if endpoint is None else self.tunings.tuned(endpoint)
        return answered(self.tunings.backend.completer, plays, body), model or f"endpoints/{endpoint}"


def _beta(call: Call) -> bool:
    return call.path.startswith("/v1beta1/")


def _parent(call: Call) -> str:
    return f"projects/{call.parameters['project']}/locations/{call.parameters['location']}"
