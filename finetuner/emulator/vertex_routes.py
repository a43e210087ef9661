"""Vertex AI's addresses: tuning jobs (v1 and v1beta1), answers of models, whole and streamed, and counted tokens."""

import re
import secrets
from typing import Final

import attrs
from starlette.responses import Response, StreamingResponse

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.formats import vertex as formats
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator import playing, structured, vertex_requests, vertex_wire
from finetuner.emulator.google_access import authorize
from finetuner.emulator.routing import Call, Family, Route, answer
from finetuner.emulator.vertex_requests import bad
from finetuner.emulator.vertex_state import StoredTuning, Tunings
from finetuner.errors import DataFormatError, RequestRejectedError
from finetuner.providers.ports import Completion, CompletionOptions

_VERSIONS: Final = ("v1", "v1beta1")
_PARENT: Final = "/projects/{project}/locations/{location}"
_MOST_ON_A_PAGE: Final = 100
_HOTTEST: Final = 2.0
_FILTER: Final = re.compile(r'labels\.([\w-]+)\s*[=:]\s*"?([\w*-]*)"?|state\s*=\s*"?(\w+)"?')
_AND: Final = re.compile(r"\s+AND\s+")


def vertex_family(tunings: Tunings) -> Family:
    """The addresses of Vertex AI, in both versions."""
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
    return Family(prefixes=prefixes, routes=tuple(routes), refusal=vertex_wire.refusal, authorize=authorize)


@attrs.frozen
class _VertexAI:
    tunings: Tunings

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        body = vertex_requests.tuning_job(call.json(), beta=_beta(call))
        return answer(self._job(self.tunings.add(_parent(call), body), call) | {"state": "JOB_STATE_PENDING"})

    def list(self, call: Call) -> Response:
        wanted = _filter(call.query.get("filter", ""))
        found = [
            raw for raw in (self._job(job, call) for job in self.tunings.jobs(_parent(call))) if _fits(raw, wanted)
        ]
        limit = min(int(call.query.get("pageSize") or 0) or _MOST_ON_A_PAGE, _MOST_ON_A_PAGE)
        start = _page_start(call.query.get("pageToken", ""))
        page: JsonObject = {"tuningJobs": found[start : start + limit]}
        if start + limit < len(found):
            page["nextPageToken"] = str(start + limit)
        return answer(page)

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
        try:
            messages = formats.system_from(body) + formats.contents_from(body["contents"], "contents")
        except DataFormatError as error:
            raise bad(str(error)) from error
        config: JsonObject = body.get("generationConfig") or {}
        options = _options(config)
        completer = self.tunings.backend.completer
        try:
            found = playing.spoken(completer.complete(plays, messages, options))
        except RequestRejectedError as error:
            raise bad(str(error)) from error
        schema: Json = config.get("responseJsonSchema") or config.get("responseSchema")
        return _structured(found, schema), model or f"endpoints/{endpoint}"


def _structured(found: Completion, schema: Json) -> Completion:
    """An answer that obeys a schema: as it is where it is an object already, else put together from its words."""
    if schema is None or structured.as_object(found.text) is not None:
        return found
    lowered: Json = _lower_types(schema)

    def choose(choices: tuple[str, ...]) -> str:
        return found.text if found.text in choices else choices[0]

    filled: Json = structured.fill(lowered, found.text, choose)
    return attrs.evolve(found, text=codec.encode(filled).decode())


def _lower_types(schema: Json) -> Json:
    """A schema with the types in JSON Schema's words: Gemini's own schemas write them in capitals."""
    if is_list(schema):
        return [_lower_types(each) for each in schema]
    if not is_object(schema):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _lower_types(value)
        for name, value in schema.items()
    }


def _options(config: JsonObject) -> CompletionOptions:
    temperature: Json = config.get("temperature")
    seed: Json = config.get("seed")
    if temperature is not None and not _within(temperature, _HOTTEST):
        raise bad(f"generation_config.temperature must be in the range [0.0, {_HOTTEST}].")
    return CompletionOptions(
        temperature=temperature,
        max_tokens=config.get("maxOutputTokens"),
        seed=int(seed) if seed is not None else None,
        stop=tuple(config.get("stopSequences") or ()),
    )


def _within(value: Json, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _beta(call: Call) -> bool:
    return call.path.startswith("/v1beta1/")


def _parent(call: Call) -> str:
    return f"projects/{call.parameters['project']}/locations/{call.parameters['location']}"


def _page_start(token: str) -> int:
    if token and not token.isdigit():
        raise bad(f"Invalid page token: {token}")
    return int(token or 0)


def _filter(text: str) -> list[re.Match[str]]:
    """The conditions of a list filter (AIP-160, as far as tuning jobs have fields for it)."""
    found: list[re.Match[str]] = []
    for term in _AND.split(text.strip()) if text.strip() else ():
        condition = _FILTER.fullmatch(term)
        if condition is None:
            raise bad(f"Invalid filter: {term}")
        found.append(condition)
    return found


def _fits(raw: JsonObject, wanted: list[re.Match[str]]) -> bool:
    labels: JsonObject = raw.get("labels") or {}
    return all(
        raw["state"] == term[3] if term[3] else labels.get(term[1]) == term[2] or (term[2] == "*" and term[1] in labels)
        for term in wanted
    )
