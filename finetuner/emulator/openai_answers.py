"""OpenAI's chat completions, as JSON and as server-sent events: pure.

Source: OpenAI's API reference and OpenAPI document (2026-08-21).
"""

from collections.abc import Iterator, Sequence

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.emulator.openai_chat import Answer, words
from finetuner.providers.ports import Completion, TokenLogprob


def completion(identity: str, created: int, answer: Answer) -> JsonObject:
    """A chat completion."""
    found = answer.completion
    message: JsonObject = {"role": "assistant", "content": found.text, "refusal": found.refusal}
    if found.tool_calls:
        message |= {"content": found.text or None, "tool_calls": _calls(found)}
    logprobs = {"content": _logprobs(found.logprobs), "refusal": None} if answer.logprobs else None
    return _head("chat.completion", identity, created, answer) | {
        "choices": [
            {"index": index, "message": message, "finish_reason": found.finish_reason, "logprobs": logprobs}
            for index in range(answer.choices)
        ],
        "usage": usage(answer),
    }


def chunks(identity: str, created: int, answer: Answer, *, with_usage: bool) -> Iterator[bytes]:
    """The same as server-sent events, a word at a time."""
    head = _head("chat.completion.chunk", identity, created, answer)
    unused: JsonObject = {"usage": None} if with_usage else {}
    found = answer.completion

    def event(delta: JsonObject, finish: str | None = None, logprobs: JsonObject | None = None) -> Iterator[bytes]:
        for index in range(answer.choices):
            choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
            yield _sent(head | {"choices": [choice]} | unused)

    yield from event({"role": "assistant", "content": None if found.tool_calls else "", "refusal": None})
    for position, word in enumerate(words(found.text)):
        said = {"content": _logprobs(found.logprobs[position : position + 1]), "refusal": None}
        yield from event({"content": word}, logprobs=said if answer.logprobs else None)
    for index, call in enumerate(_calls(found)):
        yield from event({"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]})
        arguments = {"index": index, "function": {"arguments": call["function"]["arguments"]}}
        yield from event({"tool_calls": [arguments]})
    yield from event({}, found.finish_reason)
    if with_usage:
        yield _sent(head | {"choices": [], "usage": usage(answer)})
    yield b"data: [DONE]\n\n"


def usage(answer: Answer) -> JsonObject:
    """Tokens of an answer: those of the prompt count once, those of each choice on their own."""
    used = answer.completion.usage
    completed = used.completion_tokens * answer.choices
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": completed,
        "total_tokens": used.prompt_tokens + completed,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _head(kind: str, identity: str, created: int, answer: Answer) -> JsonObject:
    return {
        "object": kind,
        "id": identity,
        "created": created,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": "fp_emulator",
    }


def _calls(found: Completion) -> list[JsonObject]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in found.tool_calls
    ]


def _logprobs(tokens: Sequence[TokenLogprob]) -> list[JsonObject]:
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            "bytes": list(each.token.encode()),
            "top_logprobs": [
                {"token": each.token, "logprob": each.logprob, "bytes": list(each.token.encode())},
            ],
        }
        for each in tokens
    ]


def _sent(value: Json) -> bytes:
    return b"data: " + codec.encode(value) + b"\n\n"
