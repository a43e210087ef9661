"""What OpenAI's API takes: bodies checked, and translated to what crosses the ports."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Message
from finetuner.data.formats import openai as wire
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator.routing import RefusedError
from finetuner.errors import DataFormatError
from finetuner.providers.ports import CompletionOptions

_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})
_METHODS: Final = ("supervised", "dpo", "reinforcement")
_AUTO: Final = "auto"
_LARGEST_SEED: Final = 2**31 - 1
_MOST_TEMPERATURE: Final = 2.0
_RANGES: Final[Mapping[str, tuple[float, float, bool]]] = {
    "n_epochs": (1, 50, True),
    "batch_size": (1, 256, True),
    "learning_rate_multiplier": (1e-12, float("inf"), False),
    "beta": (1e-12, 2, False),
    "compute_multiplier": (1.0000001e-5, 10, False),
    "eval_interval": (1, float("inf"), True),
    "eval_samples": (1, float("inf"), True),
}
"""Lowest, highest, and whether it must be whole; any may be "auto"."""


@attrs.frozen(kw_only=True)
class JobBody:
    """A request for a job.

    Attributes:
        model: The base's name at OpenAI.
        training_file: File id.
        validation_file: File id, or None.
        method: `supervised`, `dpo` or `reinforcement`.
        hyperparameters: Under OpenAI's names.
        suffix: Part of the tuned model's name.
        seed: As given.
        metadata: Pairs of text.
    """

    model: str
    training_file: str
    validation_file: str | None = None
    method: str = "supervised"
    hyperparameters: Mapping[str, Json] = _NOTHING
    suffix: str | None = None
    seed: int | None = None
    metadata: Mapping[str, str] = MappingProxyType({})


def job(body: JsonObject) -> JobBody:
    """The job that a body asks for. Raises `RefusedError` with the parameter that is wrong."""
    method = _object(body, "method")
    kind = method.get("type", "supervised")
    if kind not in _METHODS:
        raise _bad("method.type", f"must be one of {', '.join(_METHODS)}")
    inner = _object(method, str(kind), prefix="method.")
    given = _object(inner, "hyperparameters", prefix=f"method.{kind}.") or _object(body, "hyperparameters")
    if kind == "reinforcement" and not body.get("validation_file"):
        raise _bad("validation_file", "is required for reinforcement")
    return JobBody(
        model=_text(body, "model", required=True) or "",
        training_file=_text(body, "training_file", required=True) or "",
        validation_file=_text(body, "validation_file"),
        method=str(kind),
        hyperparameters={name: _in_range(name, value) for name, value in given.items()},
        suffix=_text(body, "suffix", longest=64),
        seed=_seed(body.get("seed")),
        metadata=_metadata(_object(body, "metadata")),
    )


def upload(body: JsonObject) -> tuple[str, int]:
    """Name and size of a file to be sent in parts. Raises `RefusedError`."""
    size = body.get("bytes")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise _bad("bytes", "must be a whole number")
    purpose(_text(body, "purpose", required=True))
    _text(body, "mime_type", required=True)
    return _text(body, "filename", required=True) or "", size


def purpose(value: str | None) -> None:
    """Refuse files that are not for training. Raises `RefusedError`."""
    if value != "fine-tune":
        raise _bad("purpose", "must be 'fine-tune': the emulator holds training files only")


def part_ids(body: JsonObject) -> tuple[str, ...]:
    """The parts of an upload, in order. Raises `RefusedError`."""
    found: Json = body.get("part_ids")
    if not is_list(found):
        raise _bad("part_ids", "must be a list of ids")
    return tuple(str(identity) for identity in found)


def chat(body: JsonObject) -> tuple[str, tuple[Message, ...], CompletionOptions]:
    """Model, messages and options of a completion. Raises `RefusedError`."""
    try:
        messages = wire.messages_from(body.get("messages"), "messages")
        tools = wire.tools_from(body, "")
    except DataFormatError as error:
        raise RefusedError(400, str(error), code="invalid_value", param=error.field) from error
    if not messages:
        raise _bad("messages", "must hold at least one message")
    temperature = body.get("temperature")
    if temperature is not None and (not _is_number(temperature) or not 0 <= temperature <= _MOST_TEMPERATURE):
        raise _bad("temperature", "must be from 0 to 2")
    stop: Json = body.get("stop")
    options = CompletionOptions(
        temperature=temperature,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        seed=body.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        response_schema=_schema(_object(body, "response_format")),
        tools=tools,
    )
    return _text(body, "model", required=True) or "", messages, options


def _schema(response_format: JsonObject) -> JsonObject | None:
    return _object(_object(response_format, "json_schema"), "schema") or None


def _bad(param: str, problem: str) -> RefusedError:
    return RefusedError(400, f"'{param}' {problem}", code="invalid_value", param=param)


def _object(body: JsonObject, name: str, *, prefix: str = "") -> JsonObject:
    value: Json = body.get(name)
    if value is None:
        return {}
    if not is_object(value):
        raise _bad(prefix + name, "must be an object")
    return value


def _text(body: JsonObject, name: str, *, required: bool = False, longest: int = 10_000) -> str | None:
    value: Json = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise _bad(name, f"must be a text of 1 to {longest} characters")
    return value


def _seed(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_SEED:
        raise _bad("seed", f"must be from 0 to {_LARGEST_SEED}")
    return value


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_range(name: str, value: Json) -> Json:
    if value == _AUTO or name not in _RANGES:
        return value
    low, high, whole = _RANGES[name]
    if not _is_number(value) or not low <= value <= high or (whole and value != int(value)):
        raise _bad(name, f"must be 'auto' or {'a whole number ' if whole else ''}from {low:g} to {high:g}")
    return value


def _metadata(given: JsonObject) -> Mapping[str, str]:
    most, longest_key, longest_value = 16, 64, 512
    if len(given) > most:
        raise _bad("metadata", f"holds more than {most} pairs")
    for key, value in given.items():
        if not isinstance(value, str) or len(key) > longest_key or len(value) > longest_value:
            raise _bad("metadata", f"takes texts: keys to {longest_key}, values to {longest_value} characters")
    return given
