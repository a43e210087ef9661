"""Request/response pairs in production logs, as proxies and tracers write them, to examples.

Known are lines of OpenAI-style proxies (`request` and `response`, with or without a `body`), of the batch interface, of
LiteLLM and Langfuse (`messages` or `input`, and `response` or `output`), of Gemini (`contents`, `candidates`), plain
`prompt` and `response`, and traces (`finetuner.data.traces`), of which one line can hold many calls. Failed calls and
answers that were cut off are left out and counted.
"""

from collections import Counter
from collections.abc import Mapping
from heapq import heappush, heapreplace
from typing import Final

import attrs
import msgspec

from finetuner._core.codec import decode
from finetuner._core.hashing import unit_interval
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message, assistant, user
from finetuner.data.formats import fields, openai, vertex
from finetuner.data.privacy import redact_example
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object
from finetuner.data.sources.source import Source
from finetuner.data.traces import calls
from finetuner.errors import DataFormatError

_METADATA: Final = {
    "request_id": ("request_id", "requestId", "id", "custom_id", "trace_id", "traceId"),
    "user": ("user", "user_id", "userId", "end_user"),
    "conversation": ("conversation", "conversation_id", "conversationId", "session_id", "sessionId", "thread_id"),
    "time": ("time", "timestamp", "created_at", "createdAt", "start_time", "startTime", "created"),
    "feedback": ("feedback", "score", "scores", "rating"),
    "model": ("model",),
}
"""What is kept as metadata, under one name each, and the names that logs have for it."""

_TRUNCATED: Final = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_FILTERED: Final = frozenset({"content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT"})
_FAILED: Final = frozenset({"error", "failed", "failure"})
_HTTP_ERRORS: Final = 400


@attrs.frozen
class Dropped:
    """Why a line gives no example: `error`, `truncated`, `filtered`, `no_answer` or `unreadable`."""

    reason: str


@attrs.frozen(kw_only=True)
class Logged:
    """Examples from logs.

    Attributes:
        examples: In the order of the files and lines.
        rows: The row of each in the source.
        read: How many calls there were; a line is one, unless it is a trace.
        dropped: How many calls were left out, by reason.
        not_sampled: How many good ones the sample left out.
    """

    examples: tuple[Example, ...]
    rows: tuple[int, ...]
    read: int
    dropped: Mapping[str, int]
    not_sampled: int


def read_logs(source: Source, *, sample: int | None = None, seed: int = 0, redact: bool = False) -> Logged:
    """The examples in a log.

    Args:
        source: The log's lines.
        sample: How many to keep; all where None. The choice depends on each line's own content and on the seed only,
            so that it hardly changes when the log grows.
        seed: Another seed gives another sample.
        redact: Replace personal data and secrets before anything else is done with an example.
    """
    dropped: Counter[str] = Counter()
    good = read = 0
    lowest: list[tuple[float, int, int, Example]] = []  # a heap: the highest of the kept priorities comes first
    for row in range(len(source)):
        record = source.read(row)
        for found in [Dropped("unreadable")] if isinstance(record, Problem) else map(example_of, calls(record)):
            read += 1
            if isinstance(found, Dropped):
                dropped[found.reason] += 1
                continue
            good += 1
            example = redact_example(found) if redact else found
            if sample is None:
                lowest.append((0.0, -good, row, example))
                continue
            item = (-unit_interval(str(seed), example.content_hash), -good, row, example)
            if len(lowest) < sample:
                heappush(lowest, item)
            elif lowest and item[:2] > lowest[0][:2]:
                heapreplace(lowest, item)
    chosen = sorted(lowest, key=lambda item: -item[1])
    return Logged(
        examples=tuple(example for *_, example in chosen),
        rows=tuple(row for *_, row, _ in chosen),
        read=read,
        dropped=dict(dropped),
        not_sampled=good - len(chosen),
    )


def example_of(record: Json) -> Example | Dropped:
    """The example of one line of a log; or why there is none."""
    if not is_object(record):
        return Dropped("unreadable")
    request = _body(record.get("request", record))
    response = _body(next((record[key] for key in _RESPONSES if record.get(key) is not None), None))
    if _failed(record) or (is_object(response) and _failed(response)):
        return Dropped("error")
    try:
        messages = _request(request if is_object(request) else {"input": request})
        answer = _response(response)
        if answer is None and response is None and messages and messages[-1].role == "assistant":
            messages, answer = messages[:-1], messages[-1]  # the log holds whole conversations
        if isinstance(answer, Dropped):
            return answer
        if answer is None or not messages:
            return Dropped("no_answer" if messages else "unreadable")
        return Example(
            messages=(*messages, answer),
            tools=openai.tools_from(request, "") if is_object(request) and "contents" not in request else (),
            metadata=_metadata(record, request, response),
        )
    except DataFormatError:
        return Dropped("unreadable")


_RESPONSES: Final = ("response", "output", "completion", "answer")


def _body(value: Json) -> Json:
    """What a wrapper of HTTP holds: the decoded `body`, where there is one."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value  # text that only looks like JSON is an answer like any other
    if is_object(value) and is_object(value.get("body")):
        return value["body"] | {key: value[key] for key in ("status_code", "error") if key in value}
    if is_object(value) and isinstance(value.get("body"), str):
        return _body(value["body"])
    return value


def _failed(record: JsonObject) -> bool:
    status = record.get("status_code", record.get("status"))
    if isinstance(status, int) and not isinstance(status, bool):
        return status >= _HTTP_ERRORS
    return bool(record.get("error")) or (isinstance(status, str) and status.lower() in _FAILED)


def _request(request: JsonObject) -> tuple[Message, ...]:
    if is_list(request.get("contents")):
        return vertex.system_from(request) + vertex.contents_from(request["contents"], "contents")
    for key in ("messages", "input", "prompt", "query", "question"):
        given = request.get(key)
        if is_object(given) and "messages" in given:
            given = given["messages"]
        if is_list(given):
            return openai.messages_from([_clean(message) for message in given], key)
        if isinstance(given, str):
            return (user(given),)
    raise fields.bad("messages", "no request is found")


def _response(response: Json) -> Message | Dropped | None:
    if is_list(response):
        return _response(response[-1]) if response else None
    if not is_object(response):
        return assistant(response) if isinstance(response, str) else None
    for key, finish, message in (("choices", "finish_reason", "message"), ("candidates", "finishReason", "content")):
        if is_list(response.get(key)):
            return _choice(response[key], finish, message)
    inner = response.get("message", response)
    if is_object(inner) and (inner is not response or "role" in response):
        return _message(inner)
    text = next((response[key] for key in ("content", "text", "output") if isinstance(response.get(key), str)), None)
    return None if text is None else assistant(text)


def _choice(choices: list[Json], finish: str, message: str) -> Message | Dropped | None:
    choice = choices[0] if choices else None
    if not is_object(choice):
        return None
    if choice.get(finish) in _TRUNCATED:
        return Dropped("truncated")
    if choice.get(finish) in _FILTERED:
        return Dropped("filtered")
    given = choice.get(message, choice.get("text"))
    if isinstance(given, str):
        return assistant(given)
    if is_object(given) and "parts" in given:
        return vertex.turns_from([(message, {"role": "model"} | given)])[-1]
    return _message(given) if is_object(given) else None


def _message(value: JsonObject) -> Message | None:
    message = openai.message_from({"role": "assistant"} | _clean(value), "message")
    if message.role != "assistant":
        raise fields.bad("message.role", "isn't an assistant's")
    return message if message.content is not None or message.tool_calls else None


def _clean(message: Json) -> Json:
    """The message without the nulls that logs add."""
    if not is_object(message):
        return message
    return {key: value for key, value in message.items() if value is not None}


def _metadata(record: JsonObject, request: Json, response: Json) -> JsonObject:
    own = record.get("metadata")
    given: JsonObject = dict(own) if is_object(own) else {}
    places = [record, given, *(part for part in (request, response) if is_object(part) and part is not record)]
    for name, names in _METADATA.items():
        value = next((place[key] for place in places for key in names if place.get(key) is not None), None)
        if value is not None:
            given[name] = value
    return given
