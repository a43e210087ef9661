"""Questions to Gemini, answered by a model of the provider behind the emulator."""

from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.formats import vertex as formats
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator import playing, structured
from finetuner.emulator.vertex_requests import bad
from finetuner.errors import DataFormatError, RequestRejectedError
from finetuner.providers.ports import Completer, Completion, CompletionOptions

_HOTTEST: Final = 2.0


def answered(completer: Completer, model: str, body: JsonObject) -> Completion:
    """The answer to a checked body. Raises `RefusedError`.

    Args:
        completer: Asks the model.
        model: The provider's name of it.
        body: As `vertex_requests.generation` gives it.
    """
    try:
        messages = formats.system_from(body) + formats.contents_from(body["contents"], "contents")
    except DataFormatError as error:
        raise bad(str(error)) from error
    config: JsonObject = body.get("generationConfig") or {}
    try:
        found = playing.spoken(completer.complete(model, messages, _options(config)))
    except RequestRejectedError as error:
        raise bad(str(error)) from error
    return _structured(found, config.get("responseJsonSchema") or config.get("responseSchema"))


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
