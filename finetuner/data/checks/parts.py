"""Small checks that several formats share."""

import re
from collections.abc import Iterator
from typing import Final, Literal

from finetuner._core.types import Json, JsonObject
from finetuner.data.formats.fields import listed
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object, kind

MAX_FUNCTIONS: Final = 128
"""Most functions of a request (OpenAI's API description, 2026-08)."""

_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # the same source


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
    yield from many([tool.get("function") for tool in value if is_object(tool)], field)


def functions(value: Json, field: str) -> Iterator[Problem]:
    """Definitions of functions, as OpenAI took them before tools."""
    if not is_list(value):
        yield wrong_type(value, field, "a list of functions")
        return
    for n, defined in enumerate(value):
        yield from function(defined, f"{field}[{n}]")
    yield from many(value, field)


def many(defined: list[Json], field: str) -> Iterator[Problem]:
    """What is wrong with definitions together: too many, or two of one name."""
    if len(defined) > MAX_FUNCTIONS:
        yield Problem(
            code="too_many_tools",
            field=field,
            message=f"{len(defined)} functions are more than {MAX_FUNCTIONS}",
            fix="Leave out those that the conversation doesn't need",
        )
    names = [function["name"] for function in defined if is_object(function) and isinstance(function.get("name"), str)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(
            code="repeated_tool",
            field=field,
            message=f"two functions are named {name!r}, so a call doesn't say which one is meant",
            fix="Rename or drop one of them",
        )


def function(value: Json, field: str) -> Iterator[Problem]:
    """A function's definition: a name, and a JSON Schema of its parameters."""
    if not is_object(value):
        yield wrong_type(value, field, "an object")
        return
    name = value.get("name")
    if not isinstance(name, str) or not name:
        yield Problem(code="bad_tool", field=f"{field}.name", message="is missing or no text", fix="Name the function")
    elif not _FUNCTION_NAME.fullmatch(name):
        yield Problem(
            code="bad_tool_name",
            field=f"{field}.name",
            message=f"{name[:80]!r} isn't made of at most 64 letters, digits, _ and -",
            fix="Rename it, here and in the calls",
        )
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
