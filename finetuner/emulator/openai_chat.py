"""Chat completions of the emulated OpenAI: a checked body, the model behind it, and the answer's many shapes."""

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message, ToolCall, system
from finetuner.data.formats import openai as wire
from finetuner.data.shapes import is_object
from finetuner.emulator import openai_shapes, playing, structured
from finetuner.emulator.checking import refused
from finetuner.emulator.openai_jobs import Jobs
from finetuner.emulator.routing import RefusedError
from finetuner.errors import DataFormatError, RequestRejectedError
from finetuner.providers.openai.chat import strict
from finetuner.providers.ports import Completion, CompletionOptions, TokenLogprob

_WORDS: Final = re.compile(r"\s*\S+|\s+$")


@attrs.frozen(kw_only=True)
class Answer:
    """What is sent back.

    Attributes:
        model: As asked for.
        completion: The model's answer.
        choices: How often it is given: the model is deterministic.
        logprobs: Whether log probabilities are sent.
    """

    model: str
    completion: Completion
    choices: int = 1
    logprobs: bool = False


def checked(body: JsonObject) -> None:
    """Nothing, for a body that OpenAI takes. Raises `RefusedError`."""
    openai_shapes.COMPLETION(body, "")
    tools: list[JsonObject] = body.get("tools") or []
    names = {tool["function"]["name"] for tool in tools}
    choice: Json = body.get("tool_choice")
    if choice is not None and not tools:
        raise refused("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.", "invalid_value")
    if is_object(choice) and choice["function"]["name"] not in names:
        message = f"Tool choice '{choice['function']['name']}' not found in 'tools' parameter."
        raise refused("tool_choice", message, "invalid_value")
    if body.get("parallel_tool_calls") is not None and not tools:
        message = "'parallel_tool_calls' is only allowed when 'tools' are specified."
        raise refused("parallel_tool_calls", message, "invalid_value")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise refused("top_logprobs", "'logprobs' must be true when 'top_logprobs' is given.", "invalid_value")
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "'stream_options' is only allowed when 'stream' is enabled."
        raise refused("stream_options", message, "invalid_value")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "'max_tokens' and 'max_completion_tokens' can't be given together."
        raise refused("max_tokens", message, "invalid_value")
    _check_format(body)


def _check_format(body: JsonObject) -> None:
    wanted: JsonObject = body.get("response_format") or {}
    if wanted.get("type") == "json_object" and "json" not in codec.encode(body["messages"]).decode().lower():
        message = "'messages' must contain the word 'json' in some form, to use 'response_format' 'json_object'."
        raise refused("messages", message, "invalid_value")
    definition: JsonObject = wanted.get("json_schema") or {}
    schema: JsonObject = definition.get("schema") or {}
    if definition.get("strict") and not strict(schema):
        message = (
            f"Invalid schema for response_format '{definition['name']}': every object must have "
            "'additionalProperties' false and require all its properties."
        )
        raise refused("response_format", message, "invalid_json_schema")


@attrs.frozen
class Chat:
    """Answers completions with the models of the jobs."""

    jobs: Jobs

    def answer(self, body: JsonObject) -> Answer:
        """The answer to a body. Raises `RefusedError`."""
        checked(body)
        try:
            messages = wire.messages_from(body["messages"], "messages")
        except DataFormatError as error:
            raise RefusedError(400, str(error), code="invalid_value", param=error.field) from error
        model = self.jobs.answers(body["model"])
        forced = _forced(body)
        schema = _schema(body)
        try:
            found = self._complete(model, messages, _options(body, free=forced is None and schema is None))
            choose = partial(self._choose, model, messages)
            if forced is not None and not found.tool_calls:
                arguments = structured.fill(forced.get("parameters") or {}, found.text, choose)
                text = codec.encode(arguments if is_object(arguments) else {}).decode()
                call = ToolCall(id=playing.call_id(), name=forced["name"], arguments=text)
                found = attrs.evolve(found, text="", tool_calls=(call,), finish_reason="tool_calls")
            elif schema is not None and not found.tool_calls and structured.as_object(found.text) is None:
                filled = structured.fill(schema, found.text, choose)
                found = attrs.evolve(found, text=codec.encode(filled).decode(), finish_reason="stop")
        except RequestRejectedError as error:
            raise RefusedError(400, str(error), code="invalid_value", param="messages") from error
        found = attrs.evolve(found, logprobs=_logprobs(found) if body.get("logprobs") else ())
        count: int = body.get("n") or 1
        return Answer(model=body["model"], completion=found, choices=count, logprobs=bool(body.get("logprobs")))

    def _complete(self, model: str, messages: tuple[Message, ...], options: CompletionOptions) -> Completion:
        return playing.spoken(self.jobs.backend.completer.complete(model, messages, options))

    def _choose(self, model: str, messages: tuple[Message, ...], choices: tuple[str, ...]) -> str:
        """What the model says where it is among the choices, else what the untuned base says to them."""
        asked = (system(f"Answer with one of: {', '.join(choices)}."), *messages)
        for name in (model, self.jobs.backend.bases()[0]):
            said = self._complete(name, asked, CompletionOptions()).text
            if said in choices:
                return said
        return choices[0]


def _options(body: JsonObject, *, free: bool) -> CompletionOptions:
    stop: Json = body.get("stop")
    return CompletionOptions(
        temperature=body.get("temperature"),
        max_tokens=(body.get("max_completion_tokens") or body.get("max_tokens")) if free else None,
        seed=body.get("seed"),
        stop=((stop,) if isinstance(stop, str) else tuple(stop or ())) if free else (),
    )


def _forced(body: JsonObject) -> JsonObject | None:
    """The function that must be called, None where the model is free."""
    choice: Json = body.get("tool_choice")
    tools: list[JsonObject] = body.get("tools") or []
    functions: list[JsonObject] = [tool["function"] for tool in tools]
    if is_object(choice):
        return next(function for function in functions if function["name"] == choice["function"]["name"])
    return functions[0] if choice == "required" else None


def _schema(body: JsonObject) -> JsonObject | None:
    wanted: JsonObject = body.get("response_format") or {}
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    definition: Mapping[str, Json] = wanted.get("json_schema") or {}
    return definition.get("schema") or ({"type": "object"} if definition else None)


def _logprobs(found: Completion) -> tuple[TokenLogprob, ...]:
    """The model gives a probability to whole answers: the first word carries it, the others follow with certainty."""
    first = math.log(max(found.confidence if found.confidence is not None else 1.0, 1e-12))
    return tuple(
        TokenLogprob(token=word, logprob=first if position == 0 else 0.0)
        for position, word in enumerate(words(found.text))
    )


def words(text: str) -> list[str]:
    """A text cut into the pieces in which it is streamed, blanks before their word."""
    return _WORDS.findall(text)
