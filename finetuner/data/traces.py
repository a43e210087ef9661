"""Calls of models inside traces: OpenTelemetry spans and Langfuse exports, brought to the plain shape of a log's line.

Sources: OpenTelemetry semantic conventions for generative AI 1.41 (`gen_ai.input.messages`, `gen_ai.output.messages`,
`gen_ai.system_instructions`), the older indexed attributes (`gen_ai.prompt.0.content`), OTLP's JSON encoding, and
Langfuse's export of traces and observations, 2026.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from finetuner._core.codec import decode, encode
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object

_GENERATION: Final = "GENERATION"
_PREFIX: Final = "gen_ai."
_INDEXED: Final = re.compile(r"gen_ai\.(prompt|completion)\.([0-9]{1,4})\.([a-z_]+)\Z")
_ERROR_STATUS: Final = frozenset({2, "ERROR", "STATUS_CODE_ERROR"})
_NANOSECONDS: Final = 1_000_000_000
_VALUES: Final = ("stringValue", "intValue", "doubleValue", "boolValue")
_METADATA: Final = {
    "gen_ai.conversation.id": "conversation",
    "session.id": "conversation",
    "user.id": "user",
    "enduser.id": "user",
    "gen_ai.response.model": "model",
    "gen_ai.request.model": "model",
}


def calls(record: Json) -> Iterator[Json]:
    """The calls that one line of a log holds: itself, unless it is a trace; spans that call no model are left out."""
    if not is_object(record):
        yield record
    elif is_list(record.get("resourceSpans")):
        yield from _exported_spans(record)
    elif is_list(record.get("observations")):
        yield from _observations(record)
    elif record.get("type") == _GENERATION:
        yield _generation(record, {})
    elif is_object(record.get("attributes")) or is_list(record.get("attributes")):
        yield from _span(record)
    else:
        yield record


# -- Langfuse ----------------------------------------------------------------------------------------------------------


def _observations(trace: JsonObject) -> Iterator[JsonObject]:
    for observation in trace["observations"]:
        if is_object(observation) and observation.get("type") == _GENERATION:
            yield _generation(observation, trace)


def _generation(observation: JsonObject, trace: JsonObject) -> JsonObject:
    """An observation as a line: what the trace knows is added, an error's level becomes its status."""
    shared = {key: trace[key] for key in ("userId", "sessionId", "scores") if trace.get(key) is not None}
    found = shared | {key: value for key, value in observation.items() if value is not None}
    if observation.get("level") == "ERROR":
        found["error"] = observation.get("statusMessage") or "error"
    return found


# -- OpenTelemetry -----------------------------------------------------------------------------------------------------


def _exported_spans(record: JsonObject) -> Iterator[JsonObject]:
    for resource in record["resourceSpans"]:
        for scope in resource.get("scopeSpans") or () if is_object(resource) else ():
            for span in scope.get("spans") or () if is_object(scope) else ():
                if is_object(span):
                    yield from _span(span)


def _span(span: JsonObject) -> Iterator[JsonObject]:
    attributes = _attributes(span.get("attributes"))
    for event in span.get("events") or ():
        if is_object(event) and str(event.get("name", "")).startswith(_PREFIX):
            attributes |= _attributes(event.get("attributes"))
    if not any(str(key).startswith(_PREFIX) for key in attributes):
        return
    prompt, answer = _indexed(attributes, "prompt"), _indexed(attributes, "completion")
    messages = _instructions(attributes) + (_messages(attributes.get("gen_ai.input.messages")) or prompt)
    outputs = _messages(attributes.get("gen_ai.output.messages")) or answer
    if not messages and not outputs:
        return  # a span without content, as it is by default, or one that embeds and calls tools
    found: JsonObject = {"messages": messages}
    if outputs:
        message = outputs[0]
        reason = message.pop("finish_reason", None) or _first(attributes.get("gen_ai.response.finish_reasons"))
        found["response"] = {"choices": [{"message": message, "finish_reason": reason}]}
    if _failed(span) or attributes.get("error.type"):
        found["error"] = str(attributes.get("error.type") or "error")
    yield found | _known(span, attributes)


def _known(span: JsonObject, attributes: JsonObject) -> JsonObject:
    found: JsonObject = {}
    for key, name in _METADATA.items():
        if attributes.get(key) is not None:
            found.setdefault(name, attributes[key])
    for names, name in ((("traceId", "trace_id"), "trace_id"), (("start_time", "startTime"), "time")):
        value = next((span[key] for key in names if span.get(key) is not None), None)
        if value is not None:
            found[name] = value
    nanoseconds = str(span.get("startTimeUnixNano") or "")
    if nanoseconds.isdecimal():
        found["time"] = int(nanoseconds) / _NANOSECONDS
    return found


def _failed(span: JsonObject) -> bool:
    status = span.get("status")
    code = status.get("code", status.get("status_code")) if is_object(status) else status
    return isinstance(code, str | int) and code in _ERROR_STATUS


def _attributes(value: Json) -> JsonObject:
    """Attributes as an object: OTLP writes a list of keys with typed values."""
    if is_object(value):
        return dict(value)
    found: JsonObject = {}
    for item in value if is_list(value) else ():
        if is_object(item) and isinstance(item.get("key"), str):
            found[item["key"]] = _typed(item.get("value"))
    return found


def _typed(value: Json) -> Json:
    if not is_object(value):
        return value
    inner = value.get("arrayValue")
    if is_object(inner):
        return [_typed(item) for item in inner.get("values") or ()]
    return next((value[kind] for kind in _VALUES if kind in value), None)


def _indexed(attributes: JsonObject, side: str) -> list[JsonObject]:
    """Messages of attributes such as `gen_ai.prompt.0.role`."""
    found: dict[int, JsonObject] = {}
    for key, value in attributes.items():
        match = _INDEXED.match(str(key))
        if match and match[1] == side and match[3] in ("role", "content", "finish_reason"):
            found.setdefault(int(match[2]), {})[match[3]] = value
    role = "user" if side == "prompt" else "assistant"
    return [{"role": role} | found[number] for number in sorted(found)]


def _instructions(attributes: JsonObject) -> list[JsonObject]:
    parts = _json(attributes.get("gen_ai.system_instructions"))
    text = parts if isinstance(parts, str) else _text(parts)
    return [{"role": "system", "content": text}] if text else []


def _messages(value: Json) -> list[JsonObject]:
    given = _json(value)
    return [_message(item) for item in given if is_object(item)] if is_list(given) else []


def _message(item: JsonObject) -> JsonObject:
    """A message of parts as OpenAI's chat has it."""
    if not is_list(item.get("parts")):
        return dict(item)
    parts = [part for part in item["parts"] if is_object(part)]
    message: JsonObject = {"role": item.get("role"), "content": _text(parts) or None}
    called = [part for part in parts if part.get("type") == "tool_call"]
    if called:
        message["tool_calls"] = [_call(part) for part in called]
    answered = next((part for part in parts if part.get("type") == "tool_call_response"), None)
    if answered is not None:
        response = answered.get("response", answered.get("result"))
        text = response if isinstance(response, str) else encode(response).decode()
        message |= {"role": "tool", "tool_call_id": str(answered.get("id")), "content": text}
    if item.get("finish_reason"):
        message["finish_reason"] = item["finish_reason"]
    return message


def _call(part: JsonObject) -> JsonObject:
    given = part.get("arguments")
    arguments = given if isinstance(given, str) else encode(given or {}).decode()
    function = {"name": part.get("name"), "arguments": arguments}
    return {"id": str(part.get("id")), "type": "function", "function": function}


def _text(parts: Json) -> str:
    texts = [part.get("content") for part in parts if is_object(part)] if is_list(parts) else []
    return "\n".join(text for text in texts if isinstance(text, str))


def _first(value: Json) -> Json:
    given = _json(value)
    return given[0] if is_list(given) and given else given


def _json(value: Json) -> Json:
    """The value that an attribute's text holds; attributes hold structures as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return decode(value)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return value
    return value
