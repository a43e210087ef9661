"""Answers that obey a JSON Schema, put together from a model's own words."""

import json
from collections.abc import Callable
from typing import Final

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object

Choose = Callable[[tuple[str, ...]], str]
"""The model's choice among some texts."""

_DEEPEST: Final = 16
_EMPTY: Final[JsonObject] = {"array": [], "boolean": False, "integer": 0, "null": None, "number": 0}


def as_object(text: str) -> JsonObject | None:
    """The JSON object that a model wrote, None where it wrote something else."""
    try:
        value: Json = codec.decode(text)
    except ValueError:
        return None
    return value if is_object(value) else None


def fill(schema: JsonObject, answer: str, choose: Choose) -> Json:
    """A value for the schema: texts are the model's answer, choices the model's choice, numbers and flags empty.

    Args:
        schema: JSON Schema of an answer; `$ref` into its own `$defs` is followed.
        answer: What the model says without a schema.
        choose: Asks the model to choose.
    """
    return _value(schema, schema, answer, choose, _DEEPEST)


def _value(schema: JsonObject, root: JsonObject, answer: str, choose: Choose, left: int) -> Json:
    resolved = _resolved(schema, root)
    options: Json = resolved.get("enum")
    if "const" in resolved:
        return resolved["const"]
    if is_list(options) and options:
        shown = {option if isinstance(option, str) else json.dumps(option): option for option in options}
        return shown[choose(tuple(shown))]
    kind = _kind(resolved)
    if kind == "object":
        properties: JsonObject = resolved.get("properties") or {}
        return (
            {name: _value(inner, root, answer, choose, left - 1) for name, inner in properties.items()} if left else {}
        )
    if kind == "array" and resolved.get("minItems") and left:
        count = int(resolved["minItems"])
        return [_value(resolved.get("items") or {}, root, answer, choose, left - 1) for _ in range(count)]
    if kind == "string":
        return answer
    return resolved.get("minimum", _EMPTY[kind]) if kind in {"integer", "number"} else _EMPTY[kind]


def _kind(schema: JsonObject) -> str:
    kind: Json = schema.get("type") or ("object" if "properties" in schema else "string")
    first: Json = kind[0] if is_list(kind) and kind else kind
    return first if first in {*_EMPTY, "object"} else "string"


def _resolved(schema: JsonObject, root: JsonObject) -> JsonObject:
    for _ in range(_DEEPEST):
        alternatives: Json = schema.get("anyOf") or schema.get("oneOf")
        reference: Json = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            found: Json = root
            for step in reference.split("/")[1:]:
                found = found.get(step, {}) if is_object(found) else {}
            schema = found if is_object(found) else {}
        elif is_list(alternatives) and alternatives and is_object(alternatives[0]):
            schema = alternatives[0]
        else:
            break
    return schema
