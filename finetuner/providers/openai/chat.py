"""Between messages and OpenAI's chat completions: pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message, ToolCall
from finetuner.data.formats import openai as wire
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import DataFormatError
from finetuner.providers.openai import failures
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions, TokenLogprob, Usage

_FREE_CHOICES: Final = frozenset({"auto", "none", "required"})
_SCHEMA_NAME: Final = "answer"


def request(
    model: str, messages: Sequence[Message], options: CompletionOptions, *, max_tokens_field: str
) -> JsonObject:
    """The body of a request, without what is only for streams.

    Raises:
        RequestRejectedError: A message holds what OpenAI can't be sent.
    """
    try:
        sent = wire.messages_to(tuple(map(_weightless, messages)), "messages")
    except DataFormatError as error:
        raise failures.rejected(str(error), code="invalid_messages") from error
    optional: JsonObject = {
        "temperature": options.temperature,
        max_tokens_field: options.max_tokens,
        "seed": options.seed,
        "stop": list(options.stop) or None,
        "tools": [dict(tool) for tool in options.tools] or None,
        "tool_choice": _choice(options.tool_choice),
        "logprobs": options.logprobs or None,
        "response_format": None if options.response_schema is None else _schema(options.response_schema),
    }
    return {"model": model, "messages": sent} | {name: value for name, value in optional.items() if value is not None}


def _weightless(message: Message) -> Message:
    return message if message.weight is None else attrs.evolve(message, weight=None)


def streamed(body: JsonObject) -> JsonObject:
    """The body of a request for a stream that ends with its usage."""
    return body | {"stream_options": {"include_usage": True}}


def completion(raw: JsonObject, *, latency: float, request_id: str | None) -> Completion:
    """The first choice of an answer.

    Raises:
        UnexpectedAnswerError: There is none.
    """
    choice = _first(raw)
    if choice is None:
        raise failures.unexpected("OpenAI", "the completion has no choices", retryable=True)
    message = _object(choice.get("message"))
    logprobs = _logprobs(choice)
    return Completion(
        text=_text(message.get("content")),
        model=_text(raw.get("model")),
        finish_reason=_text(choice.get("finish_reason")) or "stop",
        usage=usage(_object(raw.get("usage"))),
        latency=latency,
        request_id=request_id,
        tool_calls=_calls(message),
        refusal=_text(message.get("refusal")) or None,
        logprobs=logprobs,
        confidence=_confidence(logprobs),
    )


def usage(raw: JsonObject) -> Usage:
    """Tokens of a call."""
    details = _object(raw.get("prompt_tokens_details"))
    return Usage(
        prompt_tokens=_count(raw.get("prompt_tokens")),
        completion_tokens=_count(raw.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")),
    )


def _no_calls() -> dict[int, dict[str, str]]:
    return {}


@attrs.define
class StreamEnd:
    """What the chunks say about the end of the answer, gathered while its text passes by."""

    finish_reason: str | None = None
    usage: Usage | None = None
    _calls: dict[int, dict[str, str]] = attrs.field(factory=_no_calls, init=False)

    def take(self, raw: JsonObject) -> str:
        """The text of a chunk, its finish reason and usage noted."""
        if is_object(raw.get("usage")):
            self.usage = usage(raw["usage"])
        choice = _first(raw) or {}
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        delta = _object(choice.get("delta"))
        self._take_calls(delta.get("tool_calls"))
        return _text(delta.get("content")) or _text(delta.get("refusal"))

    def last(self) -> CompletionChunk:
        """The last chunk.

        Raises:
            UnexpectedAnswerError: The stream ended before the answer did.
        """
        if self.finish_reason is None:
            raise failures.unexpected("OpenAI", "the stream ended before the answer did; ask again", retryable=True)
        calls = tuple(ToolCall(**self._calls[index]) for index in sorted(self._calls))
        return CompletionChunk(finish_reason=self.finish_reason, usage=self.usage, tool_calls=calls)

    def _take_calls(self, pieces: Json) -> None:
        """Calls come in pieces too: the name first, then the arguments bit by bit."""
        for piece in pieces if is_list(pieces) else ():
            if not is_object(piece):
                continue
            call = self._calls.setdefault(_count(piece.get("index")), {"id": "", "name": "", "arguments": ""})
            function = _object(piece.get("function"))
            call["id"] = _text(piece.get("id")) or call["id"]
            call["name"] += _text(function.get("name"))
            call["arguments"] += _text(function.get("arguments"))


def strict(schema: Mapping[str, Json]) -> bool:
    """Whether a JSON Schema can be enforced word by word: every object is closed and requires all its properties.

    Source: OpenAI's guide to structured outputs (2026-06).
    """
    inner = [value for value in schema.values() if is_object(value)]
    inner += [item for value in schema.values() if is_list(value) for item in value if is_object(item)]
    if is_object(schema.get("properties")):
        properties: JsonObject = schema["properties"]
        inner += [value for value in properties.values() if is_object(value)]
        inner.remove(properties)
    if schema.get("type") == "object":
        names = set(_object(schema.get("properties")))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required") or ()):
            return False
    return all(strict(each) for each in inner)


def _choice(choice: str | None) -> Json:
    if choice is None or choice in _FREE_CHOICES:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _logprobs(choice: JsonObject) -> tuple[TokenLogprob, ...]:
    content: Json = _object(choice.get("logprobs")).get("content")
    found = [item for item in content if is_object(item)] if is_list(content) else []
    return tuple(
        TokenLogprob(token=_text(item.get("token")), logprob=float(item["logprob"]))
        for item in found
        if isinstance(item.get("logprob"), int | float)
    )


def _confidence(logprobs: tuple[TokenLogprob, ...]) -> float | None:
    """Probability of the whole answer, 0 to 1: the product of its tokens'."""
    return min(1.0, math.exp(sum(each.logprob for each in logprobs))) if logprobs else None


def _schema(schema: Mapping[str, Json]) -> JsonObject:
    definition = {"name": _SCHEMA_NAME, "schema": dict(schema), "strict": strict(schema)}
    return {"type": "json_schema", "json_schema": definition}


def _first(raw: JsonObject) -> JsonObject | None:
    choices: Json = raw.get("choices")
    return next((choice for choice in choices if is_object(choice)), None) if is_list(choices) else None


def _calls(message: JsonObject) -> tuple[ToolCall, ...]:
    calls: Json = message.get("tool_calls")
    if not is_list(calls):
        return ()
    functions = [(_text(call.get("id")), _object(call.get("function"))) for call in calls if is_object(call)]
    return tuple(
        ToolCall(id=identity, name=_text(function.get("name")), arguments=_text(function.get("arguments")))
        for identity, function in functions
    )


def _object(value: Json) -> JsonObject:
    return value if is_object(value) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Json) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
