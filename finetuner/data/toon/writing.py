"""JSON values to TOON documents."""

import math
import re
from collections.abc import Iterator
from typing import Final

from finetuner._core.types import Json
from finetuner.data.shapes import is_list, is_object
from finetuner.data.toon.columns import INDENT, MAX_DEPTH, columns_of, is_scalar, quoted, quoted_key
from finetuner.errors import DataFormatError

_LIKE_A_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_SPECIAL: Final = re.compile(r'[:"\\\[\]{},\x00-\x1f]')
_RESERVED: Final = frozenset({"true", "false", "null"})
_WHOLE_FLOATS: Final = 1e21
_EXPONENT: Final = re.compile(r"(?<=e[+-])0+")


def encode(value: Json) -> str:
    """The TOON document of a JSON value, without a newline at its end.

    Raises:
        DataFormatError: A number is NaN or infinite, or the value is nested deeper than 64.
    """
    return "\n".join(_lines("", value, 0))


def _lines(key: str, value: Json, depth: int) -> Iterator[str]:
    """The lines of `key: value`; of the value alone where the key is empty."""
    if depth > MAX_DEPTH:
        raise DataFormatError(f"is nested deeper than {MAX_DEPTH}")
    pad = INDENT * depth
    name = f"{pad}{key}"
    between = ": " if key else ""
    if is_object(value):
        if key:
            yield f"{name}:"
        for inner, item in value.items():
            yield from _lines(quoted_key(inner), item, depth + bool(key))
    elif is_list(value) and value:
        yield from _list(key, value, depth)
    else:
        yield f"{name}{between}{'[]' if is_list(value) else _scalar(value)}"


def _list(key: str, value: list[Json], depth: int) -> Iterator[str]:
    name, inner = f"{INDENT * depth}{key}", INDENT * (depth + 1)
    if all(map(is_scalar, value)):
        yield f"{name}[{len(value)}]: {','.join(map(_scalar, value))}"
    elif (columns := columns_of(value)) is not None:
        yield f"{name}[{len(value)}]{{{','.join(map(str, columns))}}}:"
        for row in value:
            yield f"{inner}{','.join(_scalar(cell) for column in columns for cell in column.take(row))}"
    else:
        yield f"{name}[{len(value)}]:"
        for item in value:
            yield from _item(item, depth + 1)


def _item(value: Json, depth: int) -> Iterator[str]:
    """The lines of a list's item: the first one after a hyphen."""
    if depth > MAX_DEPTH:
        raise DataFormatError(f"is nested deeper than {MAX_DEPTH}")
    pad = INDENT * depth
    if is_object(value):
        # Its fields stand one level below the hyphen, the first one beside it.
        lines = [line for key, item in value.items() for line in _lines(quoted_key(key), item, depth + 1)]
        yield f"{pad}- {lines[0][len(pad) + len(INDENT) :]}" if lines else f"{pad}-"
        yield from lines[1:]
    elif not is_list(value):
        yield f"{pad}- {_scalar(value)}"
    elif all(map(is_scalar, value)):
        yield f"{pad}- [{len(value)}]: {','.join(map(_scalar, value))}".rstrip(" ")
    else:
        yield f"{pad}- [{len(value)}]:"
        for inner in value:
            yield from _item(inner, depth + 1)


def _scalar(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataFormatError(f"holds {value}, which TOON can't write")
        whole = value.is_integer() and abs(value) < _WHOLE_FLOATS
        return str(int(value)) if whole else _EXPONENT.sub("", repr(value))
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = (
        text == text.strip(" ")
        and text not in _RESERVED
        and not _SPECIAL.search(text)
        and text[:1] not in ("", "-", "#")
    )
    return text if plain and not _LIKE_A_NUMBER.match(text) else quoted(text)
