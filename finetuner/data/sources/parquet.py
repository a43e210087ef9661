"""Parquet files, a few rows at a time."""

import base64
import math
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner._core.extras import require
from finetuner._core.types import Json
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object
from finetuner.data.sources.jsontext import MAX_DEPTH
from finetuner.errors import DataFormatError

_BATCH: Final = 64  # rows that are decoded at once, whatever a row group holds
_WRITTEN: Final[tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...]] = (
    ((bytes,), lambda value: base64.b64encode(value).decode()),
    ((date, time), lambda value: value.isoformat()),  # a datetime is a date too
    ((Decimal,), str),
)


class ParquetRows:
    """The rows of a Parquet file, each as an object of its columns; columns that are null are left out.

    Reading rows in order decodes each once; jumping back starts the row group again.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._pyarrow: Any = require("pyarrow", extra="parquet", feature="reading Parquet files")
        parquet = require("pyarrow.parquet", extra="parquet", feature="reading Parquet files")
        try:
            self._file: Any = parquet.ParquetFile(path, memory_map=False)
            columns: list[str] = list(self._file.schema_arrow.names)
            metadata = self._file.metadata
            sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        except (self._pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataFormatError(f"the Parquet file is damaged: {_first_line(error)}", file=name) from error
        if len(set(columns)) != len(columns):
            twice = next(column for column in columns if columns.count(column) > 1)
            raise DataFormatError(f'two columns are named "{twice}"; rename one of them', file=name)
        self._name = name
        self._size = path.stat().st_size
        self._starts: NDArray[np.int64] = np.cumsum([0, *sizes], dtype=np.int64)
        self._reading: _Reading | None = None

    @property
    def name(self) -> str:
        """The path, or another name for people."""
        return self._name

    @property
    def blank_lines(self) -> int:
        """Parquet has no lines."""
        return 0

    @property
    def size(self) -> int | None:
        """Bytes of the file."""
        return self._size

    def __len__(self) -> int:
        return int(self._starts[-1])

    def line(self, row: int) -> int:
        """The 1-based number of the row."""
        return row + 1

    def file(self, row: int) -> str:
        """The file."""
        del row
        return self._name

    def read(self, row: int) -> Json | Problem:
        """The record at a row; or why it can't be read."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        inner = row - int(self._starts[group])
        try:
            reading = self._reading
            if reading is None or reading.group != group or inner < reading.first:
                batches = self._file.iter_batches(batch_size=_BATCH, row_groups=[group])
                reading = _Reading(group=group, first=0, records=[], batches=batches)
            while inner >= reading.first + len(reading.records):
                first = reading.first + len(reading.records)
                reading = attrs.evolve(reading, first=first, records=next(reading.batches).to_pylist())
            self._reading = reading
            return _json(reading.records[inner - reading.first])
        except (self._pyarrow.ArrowException, OSError, UnicodeDecodeError, StopIteration, _NotJsonError) as error:
            self._reading = None
            return Problem(
                code="unreadable_row",
                message=f"the row can't be read: {_first_line(error)}",
                fix="Write the file again, or write it as JSON lines",
            )


@attrs.frozen(kw_only=True)
class _Reading:
    group: int
    first: int
    records: list[Any]
    batches: Iterator[Any]


class _NotJsonError(ValueError):
    """A value that JSON has no word for."""


def _json(value: Any, depth: int = 0) -> Json:
    """The value as JSON holds it: times in ISO 8601, bytes in Base64, exact decimals as text."""
    if depth > MAX_DEPTH:
        raise _NotJsonError(f"values are nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJsonError(f"{value} is no JSON number")
        return value
    if is_object(value):
        return {str(key): _json(inner, depth + 1) for key, inner in value.items() if inner is not None}
    if is_list(value):
        return [_json(inner, depth + 1) for inner in value]
    write = next((write for types, write in _WRITTEN if isinstance(value, types)), None)
    if write is None:
        raise _NotJsonError(f"a value of the type {type(value).__name__} has no place in JSON")
    return write(value)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
