"""`serve`: a rollout or a model behind OpenAI's chat completions, so that any OpenAI client is a client of it."""

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message, ToolCall
from finetuner.data.formats import openai as wire
from finetuner.data.shapes import is_list, is_object
from finetuner.deployment.router import Router
from finetuner.errors import (
    AuthenticationError,
    DataFormatError,
    FinetunerError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    RequestRejectedError,
    UsageError,
)
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionOptions, Usage

_ARM: Final = "x-finetuner-arm"
_REQUEST: Final = "x-request-id"
_STATUS: Final[tuple[tuple[type[FinetunerError], int], ...]] = (
    (RequestRejectedError, 400),
    (NotFoundError, 404),
    (RateLimitError, 429),
    (AuthenticationError, 502),  # our key is wrong, not the caller's
    (ProviderError, 502),
    (DataFormatError, 400),
    (UsageError, 400),
)


@attrs.frozen(kw_only=True)
class Reply:
    """A whole answer.

    Attributes:
        completion: What the model said.
        arm: Who answered; None where there is only one model.
        request_id: For feedback.
    """

    completion: Completion
    arm: str | None
    request_id: str


@attrs.frozen(kw_only=True)
class Pieces:
    """An answer in pieces.

    Attributes:
        stream: `CompletionChunk`s.
        arm: Who answers; None where there is only one model.
        request_id: For feedback.
    """

    stream: AsyncIterator[Any]
    arm: str | None
    request_id: str


class Service(Protocol):
    """What stands behind the gateway."""

    @property
    def name(self) -> str:
        """What `GET /v1/models` lists."""
        ...

    async def reply(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Reply:
        """The whole answer."""
        ...

    async def pieces(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Pieces:
        """The answer in pieces."""
        ...

    def feedback(self, request_id: str, quality: float) -> None:
        """How good an answer was, 0 to 1."""
        ...

    def close(self) -> None:
        """Let what waits finish."""
        ...


@attrs.frozen
class RolloutService:
    """Base or tuned, as a rollout says.

    Attributes:
        name: The rollout's.
        router: Routes.
    """

    name: str
    router: Router

    async def reply(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Reply:
        """The whole answer."""
        answer = await self.router.complete_async(messages, unit=unit, options=options)
        return Reply(completion=answer.completion, arm=answer.arm, request_id=answer.request_id)

    async def pieces(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Pieces:
        """The answer in pieces."""
        stream = await self.router.stream_async(messages, unit=unit, options=options)
        return Pieces(stream=stream, arm=stream.arm, request_id=stream.request_id)

    def feedback(self, request_id: str, quality: float) -> None:
        """How good an answer was, 0 to 1."""
        self.router.feedback(request_id, quality=quality)

    def close(self) -> None:
        """Let shadows and events finish."""
        self.router.close()


@attrs.frozen
class ModelService:
    """One model, for everyone.

    Attributes:
        model: It.
    """

    model: Model

    @property
    def name(self) -> str:
        """`provider:model`."""
        return str(self.model)

    async def reply(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Reply:
        """The whole answer."""
        del unit
        completion = await self.model.complete_async(messages, options)
        return Reply(completion=completion, arm=None, request_id=uuid.uuid4().hex)

    async def pieces(self, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions) -> Pieces:
        """The answer in pieces."""
        del unit
        return Pieces(stream=self.model.stream_async(messages, options), arm=None, request_id=uuid.uuid4().hex)

    def feedback(self, request_id: str, quality: float) -> None:
        """There is nothing to compare."""
        del request_id, quality
        raise UsageError("feedback needs a rollout: serve the rollout's name instead of a model's")

    def close(self) -> None:
        """Nothing waits."""


def routes(service: Service) -> list[Route]:
    """OpenAI's addresses, and `POST /v1/feedback` with `request_id` and `quality` (0 to 1)."""

    async def completions(request: Request) -> Response:
        body = _object(await request.body())
        messages, unit, options = asked(body)
        if body.get("stream") is True:
            return await _streamed(service, messages, unit, options)
        reply = await service.reply(messages, unit, options)
        headers = _headers(reply.arm, reply.request_id)
        return JSONResponse(_completion(service.name, reply), headers=headers)

    async def models(_request: Request) -> Response:
        entry = {"id": service.name, "object": "model", "created": 0, "owned_by": "finetuner"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def feedback(request: Request) -> Response:
        body = _object(await request.body())
        request_id, quality = body.get("request_id"), body.get("quality")
        if not isinstance(request_id, str) or not isinstance(quality, int | float) or isinstance(quality, bool):
            raise UsageError("give request_id (text) and quality (0 to 1)")
        service.feedback(request_id, float(quality))
        return JSONResponse({"status": "kept"})

    return [
        Route("/v1/chat/completions", completions, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/feedback", feedback, methods=["POST"]),
    ]


async def refused(_request: Request, error: Exception) -> Response:
    """An error in OpenAI's envelope, with the status that its class means."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004  # HTTP's own number
    body = {"error": {"message": str(error), "type": kind, "param": None, "code": None}}
    return JSONResponse(body, status)


def asked(body: Mapping[str, Json]) -> tuple[tuple[Message, ...], str | None, CompletionOptions]:
    """Messages, unit and options of a request's body; `user` (or `safety_identifier`) is the unit.

    Raises:
        DataFormatError: The messages aren't OpenAI's.
        UsageError: A parameter has the wrong type.
    """
    messages = wire.messages_from(body.get("messages"), "messages")
    if not messages:
        raise UsageError("messages: give at least one message")
    unit = body.get("safety_identifier", body.get("user"))
    if unit is not None and not isinstance(unit, str):
        raise UsageError("user: give text")
    return messages, unit, _options(body)


def _options(body: Mapping[str, Json]) -> CompletionOptions:
    return CompletionOptions(
        temperature=_number(body, "temperature"),
        max_tokens=_whole(body, "max_completion_tokens", "max_tokens"),
        seed=_whole(body, "seed"),
        stop=_stop(body.get("stop")),
        response_schema=_schema(body.get("response_format")),
        tools=_tools(body.get("tools")),
    )


def _stop(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    texts = value if is_list(value) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise UsageError("stop: give text, or a list of texts")
    return tuple(map(str, texts))


def _tools(value: Json) -> tuple[JsonObject, ...]:
    tools = [] if value is None else _list(value)
    found = tuple(tool for tool in tools if is_object(tool))
    if len(found) < len(tools):
        raise UsageError("tools: give a list of objects")
    return found


def _list(value: Json) -> list[Json]:
    if not is_list(value):
        raise UsageError("stop, tools: give a list")
    return value


def _schema(wanted: Json) -> JsonObject | None:
    definition: Json = wanted.get("json_schema") if is_object(wanted) else None
    schema: Json = definition.get("schema") if is_object(definition) else None
    return schema if is_object(schema) else None


def _number(body: Mapping[str, Json], name: str) -> float | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError(f"{name}: give a number")
    return value


def _whole(body: Mapping[str, Json], *names: str) -> int | None:
    name = next((name for name in names if body.get(name) is not None), names[0])
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise UsageError(f"{name}: give a whole number")
    return value


def _object(content: bytes) -> JsonObject:
    try:
        body = codec.decode(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body isn't JSON: {error}") from error
    if not is_object(body):
        raise UsageError("the body isn't a JSON object")
    return body


async def _streamed(
    service: Service, messages: tuple[Message, ...], unit: str | None, options: CompletionOptions
) -> Response:
    pieces = await service.pieces(messages, unit, options)
    head: JsonObject = {
        "id": f"chatcmpl-{pieces.request_id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": service.name,
    }

    async def events() -> AsyncIterator[bytes]:
        first: JsonObject = {"role": "assistant", "content": ""}
        yield _event(head, first, None)
        try:
            async for chunk in pieces.stream:
                delta: JsonObject = {"content": chunk.text} if chunk.text else {}
                if chunk.tool_calls:
                    delta["tool_calls"] = [{"index": n, **_call(call)} for n, call in enumerate(chunk.tool_calls)]
                if delta or chunk.finish_reason:
                    yield _event(head, delta, chunk.finish_reason)
        except FinetunerError as error:  # too late for a status: the stream says what happened, as OpenAI's does
            yield b"data: " + codec.encode({"error": {"message": str(error), "type": "server_error"}}) + b"\n\n"
            return
        yield b"data: [DONE]\n\n"

    headers = _headers(pieces.arm, pieces.request_id)
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def _event(head: JsonObject, delta: JsonObject, finish_reason: str | None) -> bytes:
    choice: JsonObject = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + codec.encode({**head, "choices": [choice]}) + b"\n\n"


def _completion(name: str, reply: Reply) -> JsonObject:
    found = reply.completion
    message: JsonObject = {"role": "assistant", "content": found.text or None, "refusal": found.refusal}
    if found.tool_calls:
        message["tool_calls"] = [_call(call) for call in found.tool_calls]
    return {
        "id": f"chatcmpl-{reply.request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [{"index": 0, "message": message, "finish_reason": found.finish_reason, "logprobs": None}],
        "usage": _usage(found.usage),
    }


def _usage(usage: Usage) -> JsonObject:
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }


def _call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _headers(arm: str | None, request_id: str) -> dict[str, str]:
    return {_REQUEST: request_id} | ({_ARM: arm} if arm is not None else {})
