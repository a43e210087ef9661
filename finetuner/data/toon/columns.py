"""Tables inside TOON: which objects are uniform, and how their columns are named."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object

MAX_DEPTH: Final = 64
"""Deeper values are refused."""

INDENT: Final = "  "
"""Of each level."""

ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""How characters are written inside quotation marks."""

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


@attrs.frozen
class Column:
    """A column of a table: of scalars, or of objects that have columns themselves."""

    name: str
    inner: "tuple[Column, ...]" = ()

    def __str__(self) -> str:
        """As a header names it."""
        own = quoted_key(self.name)
        return f"{own}{{{','.join(map(str, self.inner))}}}" if self.inner else own

    def take(self, row: JsonObject) -> Iterator[Json]:
        """The cells of a row, from left to right."""
        if not self.inner:
            yield row[self.name]
        for column in self.inner:
            yield from column.take(row[self.name])

    def fill(self, cells: Iterator[Json]) -> Json:
        """The value of the next cells: the inverse of `take`."""
        return {column.name: column.fill(cells) for column in self.inner} if self.inner else next(cells)

    @property
    def width(self) -> int:
        """How many cells it has in a row."""
        return sum(column.width for column in self.inner) or 1


def columns_of(rows: Sequence[Json], depth: int = 0) -> tuple[Column, ...] | None:
    """The columns of uniform objects; None where they aren't uniform."""
    first = rows[0]
    if not is_object(first) or not first or depth > MAX_DEPTH:
        return None
    if not all(is_object(row) and row.keys() == first.keys() for row in rows):
        return None
    found: list[Column] = []
    for key in first:
        values = [row[key] for row in rows]
        inner = () if all(map(is_scalar, values)) else columns_of(values, depth + 1)
        if inner is None:
            return None
        found.append(Column(key, inner))
    return tuple(found)


def is_scalar(value: Json) -> bool:
    """Whether the value fits a cell."""
    return not isinstance(value, dict | list)


def quoted_key(key: str) -> str:
    """A key as it is written."""
    return key if _KEY.match(key) else quoted(key)


def quoted(text: str) -> str:
    """A text in quotation marks."""
    escaped = "".join(ESCAPES.get(c, f"\\u{ord(c):04x}" if c < " " else c) for c in text)
    return f'"{escaped}"'
