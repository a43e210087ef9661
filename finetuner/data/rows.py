"""Rows of a source, chosen, decoded when asked for, and changed: what a data set is made of."""

from collections.abc import Callable
from functools import cached_property
from typing import Final, Self

import attrs
import numpy as np

from finetuner._core.types import Json, JsonObject
from finetuner.data import formats
from finetuner.data.checks import quick
from finetuner.data.examples import Example
from finetuner.data.formats import finetuner, openai, preference, vertex_preference
from finetuner.data.ports import Rows
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_object
from finetuner.data.sources.jsonl import Lines
from finetuner.data.sources.source import Chain, Source
from finetuner.errors import DataFormatError, UsageError

Change = Callable[[Example], Example]

_LOOKED_AT: Final = 20
_PAIRS: Final = (preference.NAME, vertex_preference.NAME)


@attrs.frozen(kw_only=True, eq=False, slots=False)  # no slots: cached_property
class View:
    """Rows of a source.

    Attributes:
        records: The source.
        wire: The format of its records; None where they are examples already.
        decode: From a record to an example.
        rows: Row numbers in the source, shape `(n,)`, read-only.
        changes: Pure functions that each example goes through, in order.
    """

    records: Source
    wire: formats.Format | None
    decode: Callable[[JsonObject], Example]
    rows: Rows
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, records: Source, wire: formats.Format | None, decode: Callable[[JsonObject], Example]) -> Self:
        """All rows of a source."""
        return cls(records=records, wire=wire, decode=decode, rows=fixed(np.arange(len(records), dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.rows)

    # -- one row -------------------------------------------------------------------------------------------------------

    def example(self, index: int) -> Example:
        """The example at a row, changed by all changes.

        Raises:
            DataFormatError: The line can't be read; the message names its file, line and field.
        """
        row = int(self.rows[index])
        example = self._plain(row) or self._read(row)
        for change in self.changes:
            example = change(example)
        return example

    def _plain(self, row: int) -> Example | None:
        """The example of a plain chat, without the detour of a record; None for whatever else a row holds."""
        if not self._is_chat:
            return None
        part, inner = self.records, row
        if isinstance(part, Chain):
            which, inner = part.part(row)
            part = part.parts[which]
        return quick.example(part.raw(inner)) if isinstance(part, Lines) else None

    def _read(self, row: int) -> Example:
        record = self.records.read(row)
        if isinstance(record, Problem):
            raise record.error(self.records.file(row), self.records.line(row))
        if self.wire is None:
            held: Example = record
            return held
        try:
            return self.decode(formats.as_object(record))
        except DataFormatError as error:
            raise DataFormatError(
                error.problem, file=self.records.file(row), line=self.records.line(row), field=error.field
            ) from error

    def record(self, index: int, wire: formats.Format, /) -> Json | Problem:
        """The row as a record of a format: the raw one where it is in that format already.

        Returns:
            The record, or why there is none.
        """
        raw = self.records.read(int(self.rows[index]))
        if isinstance(raw, Problem):
            return raw
        if not self.changes and self.wire is not None and self.wire.NAME == wire.NAME:
            return raw
        if not self.changes and self.wire is finetuner and wire is openai and is_object(raw):
            return {key: value for key, value in raw.items() if key != "metadata"}
        return self._converted(index, wire)

    def _converted(self, index: int, wire: formats.Format) -> JsonObject | Problem:
        try:
            example = self.example(index)
        except DataFormatError as error:
            return Problem(
                code="unreadable_record",
                field=error.field or "",
                message=error.problem,
                fix="Repair the line, or say which format it is in: format=…",
            )
        try:
            return wire.to_record(example)
        except DataFormatError as error:
            return Problem(
                code="cannot_convert",
                field=error.field or "",
                message=f"can't be written in the format {wire.NAME}: {error.problem}",
                fix="Change or drop the example",
            )

    def line(self, index: int, /) -> int:
        """The 1-based line of a row in its file."""
        return self.records.line(int(self.rows[index]))

    def file(self, index: int, /) -> str:
        """The file of a row."""
        return self.records.file(int(self.rows[index]))

    # -- all rows ------------------------------------------------------------------------------------------------------

    @property
    def format(self) -> str | None:
        """Name of the records' format; None where they are examples already."""
        return None if self.wire is None or self.changes else self.wire.NAME

    @property
    def size(self) -> int | None:
        """Bytes of the file, None where this isn't the file as it lies on the disk."""
        return None if self.changes or len(self) != len(self.records) else self.records.size

    @property
    def blank_lines(self) -> int:
        """Empty lines in the file; 0 where only some of its rows are chosen."""
        return self.records.blank_lines if len(self) == len(self.records) else 0

    @property
    def marked(self) -> bool:
        """Whether a file of lines begins with a byte order mark; no where rows are chosen or changed."""
        return any(lines.offsets.marked for lines in self.stretches())

    def stretches(self) -> tuple[Lines, ...]:
        """The files of lines, where the rows are all of theirs in order, unchanged; else none."""
        parts = self.records.parts if isinstance(self.records, Chain) else (self.records,)
        lines = tuple(part for part in parts if isinstance(part, Lines))
        whole = len(lines) == len(parts) and len(self) == len(self.records) and not self.changes
        return lines if whole and np.array_equal(self.rows, np.arange(len(self))) else ()

    @cached_property
    def _is_chat(self) -> bool:
        return (self.wire is openai or self.wire is finetuner) and self.decodes_by_name

    @property
    def decodes_by_name(self) -> bool:
        """Whether the format's name says all about how records become examples."""
        return self.wire is not None and self.decode == self.wire.from_record

    @property
    def pairs(self) -> bool:
        """Whether these are preference pairs, as far as the format or the first readable rows tell."""
        return self.format in _PAIRS or any(example.preferred is not None for example in self._readable())

    def _readable(self) -> list[Example]:
        found: list[Example] = []
        for index in range(min(len(self), _LOOKED_AT)):
            try:
                found.append(self.example(index))
            except DataFormatError:
                continue  # check() reports the line; here only the kind of data is asked
        return found

    # -- other views ---------------------------------------------------------------------------------------------------

    def select(self, rows: Rows) -> Self:
        """The rows of these numbers, in this order.

        Raises:
            UsageError: A number is out of range.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        if len(chosen) and (int(chosen.min()) < 0 or int(chosen.max()) >= len(self)):
            raise UsageError(f"rows must lie between 0 and {len(self) - 1}; got {chosen.min()} to {chosen.max()}")
        return attrs.evolve(self, rows=fixed(self.rows[chosen]))

    def changed(self, change: Change) -> Self:
        """Each example changed by a pure function."""
        return attrs.evolve(self, changes=(*self.changes, change))


def fixed(rows: Rows) -> Rows:
    """The array, made read-only."""
    rows.flags.writeable = False
    return rows
