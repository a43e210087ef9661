"""Telling JSON values apart, in a way that type checkers follow."""

from typing import Final, TypeGuard

from finetuner._core.types import Json, JsonObject

_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (str, "text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (dict, "an object"),
    (list, "a list"),
)


def is_object(value: Json) -> TypeGuard[JsonObject]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Json) -> TypeGuard[list[Json]]:
    """Whether the value is a JSON list."""
    return isinstance(value, list)


def kind(value: Json) -> str:
    """A JSON value's type, in words."""
    if value is None:
        return "null"
    return next((words for types, words in _KINDS if isinstance(value, types)), "something else")
