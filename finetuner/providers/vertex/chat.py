"""Between messages and Gemini's generateContent: pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from finetuner._core.codec import canonical
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message, ToolCall
from finetuner.data.formats import vertex as wire
from finetuner.errors import DataFormatError
from finetuner.providers.lenient import as_list, as_number, as_object, as_text, as_whole
from finetuner.providers.ports import Completion, CompletionChunk, CompletionOptions, TokenLogprob, Usage
from finetuner.providers.vertex.failures import VERTEX, rejected, unexpected

_REASONS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}
"""Gemini's words for the end of an answer, and OpenAI's, which the ports use."""


def request(messages: Sequence[Message], options: CompletionOptions, generation: Mapping[str, Json]) -> JsonObject:
    """The body of a request: `systemInstruction`, `contents`, `tools`, `toolConfig`, `generationConfig`.

    Args:
        messages: What to answer.
        options: How.
        generation: More of the `generationConfig`, such as a `thinkingConfig`.

    Raises:
        RequestRejectedError: A message holds what Gemini can't be sent.
    """
    optional: JsonObject = {
        "temperature": options.temperature,
        "maxOutputTokens": options.max_tokens,
        "seed": options.seed,
        "stopSequences": list(options.stop) or None,
        "responseLogprobs": options.logprobs or None,
        "responseMimeType": None if options.response_schema is None else "application/json",
        "responseJsonSchema": None if options.response_schema is None else dict(options.response_schema),
    }
    body = prompt(messages)
    if options.tools:
        body["tools"] = [{"functionDeclarations": [_declared(tool) for tool in options.tools]}]
    if options.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _choice(options.tool_choice)}
    config = {name: value for name, value in optional.items() if value is not None}
    return body | {"generationConfig": config | dict(generation)}


def prompt(messages: Sequence[Message]) -> JsonObject:
    """`systemInstruction` and `contents` of messages. Raises `RequestRejectedError`."""
    try:
        instruction, turns = wire.split_system(tuple(attrs.evolve(message, weight=None) for message in messages))
        body: JsonObject = {"contents": wire.contents_to(turns, start=len(instruction))}
        if instruction:
            body["systemInstruction"] = {"parts": wire.system_parts(instruction)}
    except DataFormatError as error:
        raise rejected(str(error), code="invalid_messages") from error
    return body


def completion(raw: JsonObject, *, model: str, latency: float) -> Completion:
    """The first candidate of an answer; one that was blocked is a refusal.

    Raises:
        UnexpectedAnswerError: There is none.
    """
    candidate = _first(raw)
    blocked = as_text(as_object(raw.get("promptFeedback")).get("blockReason"))
    if candidate is None and blocked is None:
        raise unexpected(VERTEX, "the answer has no candidates", retryable=True)
    calls = _calls(candidate or {})
    reason = _reason(candidate or {}) or ("content_filter" if blocked else "stop")
    return Completion(
        text=_text(candidate or {}),
        model=model,
        finish_reason="tool_calls" if calls and reason == "stop" else reason,
        usage=usage(as_object(raw.get("usageMetadata"))),
        latency=latency,
        request_id=as_text(raw.get("responseId")),
        tool_calls=calls,
        refusal=f"the prompt was blocked: {blocked}" if blocked else None,
        logprobs=_logprobs(candidate or {}),
    )


def usage(raw: JsonObject) -> Usage:
    """Tokens of a call; those of thinking count as the answer's, for they are billed so."""
    answer = as_whole(raw.get("candidatesTokenCount")) or 0
    return Usage(
        prompt_tokens=as_whole(raw.get("promptTokenCount")) or 0,
        completion_tokens=answer + (as_whole(raw.get("thoughtsTokenCount")) or 0),
        cached_tokens=as_whole(raw.get("cachedContentTokenCount")) or 0,
    )


@attrs.define
class StreamEnd:
    """What the pieces say about the end of the answer, gathered while its text passes by."""

    finish_reason: str | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    def take(self, raw: JsonObject) -> str:
        """The text of a piece, its finish reason and usage noted."""
        if raw.get("usageMetadata"):
            self.usage = usage(as_object(raw["usageMetadata"]))
        blocked = as_object(raw.get("promptFeedback")).get("blockReason")
        candidate = _first(raw) or {}
        self.finish_reason = _reason(candidate) or ("content_filter" if blocked else self.finish_reason)
        self.tool_calls += _calls(candidate, start=len(self.tool_calls))
        return _text(candidate)

    def last(self) -> CompletionChunk:
        """The last piece.

        Raises:
            UnexpectedAnswerError: The stream ended before the answer did.
        """
        if self.finish_reason is None:
            raise unexpected(VERTEX, "the stream ended before the answer did; ask again", retryable=True)
        reason = "tool_calls" if self.tool_calls and self.finish_reason == "stop" else self.finish_reason
        return CompletionChunk(finish_reason=reason, usage=self.usage, tool_calls=self.tool_calls)


def _first(raw: JsonObject) -> JsonObject | None:
    candidates = as_list(raw.get("candidates"))
    return as_object(candidates[0]) if candidates else None


def _parts(candidate: JsonObject) -> list[JsonObject]:
    parts = [as_object(part) for part in as_list(as_object(candidate.get("content")).get("parts"))]
    return [part for part in parts if not part.get("thought")]


def _text(candidate: JsonObject) -> str:
    return "".join(as_text(part.get("text")) or "" for part in _parts(candidate))


def _calls(candidate: JsonObject, start: int = 0) -> tuple[ToolCall, ...]:
    calls = [as_object(part["functionCall"]) for part in _parts(candidate) if part.get("functionCall")]
    return tuple(
        ToolCall(
            id=as_text(call.get("id")) or f"call_{number}",
            name=as_text(call.get("name")) or "",
            arguments=canonical(as_object(call.get("args"))).decode(),
        )
        for number, call in enumerate(calls, start)
    )


def _logprobs(candidate: JsonObject) -> tuple[TokenLogprob, ...]:
    chosen = map(as_object, as_list(as_object(candidate.get("logprobsResult")).get("chosenCandidates")))
    known = ((str(each.get("token", "")), as_number(each.get("logProbability"))) for each in chosen)
    return tuple(TokenLogprob(token, value) for token, value in known if value is not None)


def _choice(choice: str) -> JsonObject:
    """Which function must be called: Gemini's modes, or one allowed name."""
    mode = {"auto": "AUTO", "none": "NONE", "required": "ANY"}.get(choice)
    return {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}


def _reason(candidate: JsonObject) -> str | None:
    word = as_text(candidate.get("finishReason"))
    return None if word is None else _REASONS.get(word, word.lower())


def _declared(tool: Mapping[str, Json]) -> JsonObject:
    function = as_object(tool.get("function"))
    declared: JsonObject = {name: function[name] for name in ("name", "description") if function.get(name)}
    if function.get("parameters") is not None:
        declared["parametersJsonSchema"] = function["parameters"]
    return declared
