"""Small checks that several formats share."""

from collections.abc import Iterator
from typing import Literal

from finetuner._core.types import Json, JsonObject
from finetuner.data.formats.fields import listed
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object, kind


def wrong_type(value: Json, field: str, wanted: str) -> Problem:
    """A value of the wrong type."""
    return Problem(code="wrong_type", field=field, message=f"is {kind(value)}, where {wanted} is expected")


def missing(record: JsonObject, field: str, code: str, fix: str) -> Problem:
    """A key that isn't there."""
    return Problem(code=code, field=field, message=f"is missing; the keys here are {listed(record)}", fix=fix)


def unknown_keys(
    record: JsonObject, known: frozenset[str], field: str, severity: Literal["error", "warning"]
) -> Iterator[Problem]:
    """Keys that the provider doesn't know, unless they are null."""
    for key in record:
        if key not in known and record[key] is not None:
            yield Problem(
                code="unknown_key",
                severity=severity,
                field=f"{field}.{key}" if field else key,
                message=f"isn't a key of this format; known are {listed(sorted(known))}",
                fix="Leave it out, or write the file with Dataset.write, which does",
            )


def tools(value: Json, field: str) -> Iterator[Problem]:
    """Tool definitions in OpenAI's shape."""
    if not is_list(value):
        yield wrong_type(value, field, "a list of tools")
        return
    for n, tool in enumerate(value):
        place = f"{field}[{n}]"
        if not is_object(tool) or tool.get("type") != "function" or not is_object(tool.get("function")):
            yield Problem(
                code="bad_tool",
                field=place,
                message='isn\'t {"type": "function", "function": {…}}',
                fix="Wrap the definition so",
            )
        else:
            yield from function(tool["function"], f"{place}.function")


def function(value: Json, field: str) -> Iterator[Problem]:
    """A function's definition: a name, and a JSON Schema of its parameters."""
    if not is_object(value):
        yield wrong_type(value, field, "an object")
        return
    if not isinstance(value.get("name"), str) or not value["name"]:
        yield Problem(code="bad_tool", field=f"{field}.name", message="is missing or no text", fix="Name the function")
    if not is_object(value.get("parameters", {})):
        yield Problem(
            code="bad_tool",
            field=f"{field}.parameters",
            message="isn't an object",
            fix='Give a JSON Schema, such as {"type": "object", "properties": {}}',
        )


def tool_names(value: Json) -> set[str] | None:
    """Names of the functions that are defined; None where no tools are given."""
    if not is_list(value) or not value:
        return None
    functions = [tool.get("function") for tool in value if is_object(tool)]
    return {str(function.get("name")) for function in functions if is_object(function)}
