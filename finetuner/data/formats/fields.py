"""Reading fields of a record, each failure with its path; and refusing what a format can't hold."""

from collections.abc import Iterable
from typing import Any

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message
from finetuner.data.shapes import is_list, is_object, kind
from finetuner.errors import DataFormatError


def bad(field: str, message: str) -> DataFormatError:
    """An error at a field; whoever knows the file and line adds them."""
    return DataFormatError(message, field=field)


def obj(value: Json, field: str) -> JsonObject:
    """The value as an object."""
    if not is_object(value):
        raise bad(field, f"is {kind(value)}, where an object is expected")
    return value


def items(value: Json, field: str) -> list[Json]:
    """The value as a list."""
    if not is_list(value):
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


def columns_hint(record: JsonObject) -> str | None:
    """What to do about a row of plain cells, none of whose columns is known; None for other records."""
    if not record or any(isinstance(value, dict | list) for value in record.values()):
        return None
    return (
        "Name the columns of the text and of the answer: convert FILE --to openai --text COLUMN --label COLUMN; "
        "the first line of a CSV file names its columns"
    )


def listed(keys: Iterable[Any]) -> str:
    """Keys for people: quoted, in their order, at most ten."""
    names = [f'"{key}"' for key in keys]
    shown = ", ".join(names[:10])
    return f"{shown}, …" if len(names) > 10 else shown or "none"  # noqa: PLR2004  # as the docstring says


def text_only(example: Example, format: str) -> None:
    """Refuse whatever isn't plain turns of text by system, user and assistant.

    Raises:
        DataFormatError: With the field that the format can't hold.
    """
    if example.preferred is not None or example.rejected is not None:
        raise bad("preferred", f'"{format}" has no place for a preference pair')
    if example.tools:
        raise bad("tools", f'"{format}" has no place for tools')
    for n, message in enumerate(example.messages):
        field = f"messages[{n}]"
        if message.tool_calls or message.role == "tool":
            raise bad(field, f'"{format}" has no place for tool calls and their answers')
        if not isinstance(message.content, str):
            raise bad(f"{field}.content", f'"{format}" holds text only')
        if message.name is not None:
            raise bad(f"{field}.name", f'"{format}" has no place for a speaker\'s name')
        unweighted(message, field, format)


def unweighted(message: Message, field: str, format: str) -> None:
    """Refuse a weight of 0: without it, the message would be learned.

    Raises:
        DataFormatError: The weight is 0.
    """
    if message.weight == 0:
        raise bad(
            f"{field}.weight", f'is 0, and "{format}" can\'t leave a message out of training; drop or split the example'
        )
