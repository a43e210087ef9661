"""Reading fields of a record, each failure with its path."""

from collections.abc import Iterable
from typing import Any

from finetuner._core.types import Json, JsonObject
from finetuner.errors import DataFormatError

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (dict, "an object"),
    (list, "a list"),
)


def kind(value: Json) -> str:
    """A JSON value's type, in words."""
    if value is None:
        return "null"
    return next((words for types, words in _KINDS if isinstance(value, types)), type(value).__name__)


def bad(field: str, message: str) -> DataFormatError:
    """An error at a field; whoever knows the file and line adds them."""
    return DataFormatError(message, field=field)


def obj(value: Json, field: str) -> JsonObject:
    """The value as an object."""
    if not isinstance(value, dict):
        raise bad(field, f"is {kind(value)}, where an object is expected")
    return value


def items(value: Json, field: str) -> list[Json]:
    """The value as a list."""
    if not isinstance(value, list):
        raise bad(field, f"is {kind(value)}, where a list is expected")
    return value


def text(value: Json, field: str) -> str:
    """The value as text."""
    if not isinstance(value, str):
        raise bad(field, f"is {kind(value)}, where text is expected")
    return value


def optional_text(value: Json, field: str) -> str | None:
    """The value as text, or None where it is null or absent."""
    return None if value is None else text(value, field)


def required(record: JsonObject, key: str, field: str) -> Json:
    """The value of a key that has to be there. `field` is the path of the object, empty at the top."""
    if key not in record:
        raise bad(f"{field}.{key}" if field else key, f"is missing; the keys here are {listed(record)}")
    return record[key]


def listed(keys: Iterable[Any]) -> str:
    """Keys for people: quoted, in their order, at most ten."""
    names = [f'"{key}"' for key in keys]
    shown = ", ".join(names[:10])
    return f"{shown}, …" if len(names) > 10 else shown or "none"  # noqa: PLR2004  # as the docstring says
