"""What a source is: rows of raw records that can be read again, each with its file and line."""

from collections.abc import Sequence
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner._core.types import Json
from finetuner.data.problems import Problem


class Source(Protocol):
    """Raw records by row."""

    @property
    def name(self) -> str:
        """The path, or another name for people."""
        ...

    @property
    def blank_lines(self) -> int:
        """Empty lines that were skipped."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies on the disk, None where there is none."""
        ...

    def __len__(self) -> int:
        """How many rows."""
        ...

    def read(self, row: int) -> Json | Problem:
        """The record at a row, decoded; or why it can't be. Never raises for bad data."""
        ...

    def line(self, row: int) -> int:
        """The 1-based line where the row starts."""
        ...

    def file(self, row: int) -> str:
        """The file of the row."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class Table:
    """Records held in memory, as CSV and JSON files give them.

    Attributes:
        name: The path, or another name for people.
        records: One for each row; a `Problem` where a row can't be read.
        lines: The 1-based line of each row.
        blank_lines: Empty lines that were skipped.
        size: Bytes of the file, None where there is none.
        files: The file of each row; None where all are `name`.
    """

    name: str
    records: tuple[Json | Problem, ...] = attrs.field(repr=False)
    lines: Sequence[int] = attrs.field(repr=False)
    blank_lines: int = 0
    size: int | None = None
    files: Sequence[str] | None = attrs.field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.records)

    def read(self, row: int) -> Json | Problem:
        """The record at a row; or why it can't be read."""
        return self.records[row]

    def line(self, row: int) -> int:
        """The 1-based line where the row starts."""
        return self.lines[row]

    def file(self, row: int) -> str:
        """The file of the row."""
        return self.name if self.files is None else self.files[row]


@attrs.frozen(kw_only=True, eq=False)
class Chain:
    """Several sources, one after the other."""

    name: str
    parts: tuple[Source, ...]
    starts: NDArray[np.int64] = attrs.field(repr=False)

    @classmethod
    def of(cls, name: str, parts: Sequence[Source]) -> "Chain":
        """The sources in their order."""
        starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
        return cls(name=name, parts=tuple(parts), starts=starts)

    @property
    def blank_lines(self) -> int:
        """Empty lines that were skipped, in all files."""
        return sum(part.blank_lines for part in self.parts)

    @property
    def size(self) -> int | None:
        """Bytes of all files together, None where one has no size."""
        sizes = [part.size for part in self.parts]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def part(self, row: int) -> tuple[int, int]:
        """Which source holds a row, and the row's number in it."""
        which = int(np.searchsorted(self.starts, row, side="right")) - 1
        return which, row - int(self.starts[which])

    def read(self, row: int) -> Json | Problem:
        """The record at a row; or why it can't be read."""
        which, inner = self.part(row)
        return self.parts[which].read(inner)

    def line(self, row: int) -> int:
        """The 1-based line where the row starts, in its own file."""
        which, inner = self.part(row)
        return self.parts[which].line(inner)

    def file(self, row: int) -> str:
        """The file of the row."""
        which, inner = self.part(row)
        return self.parts[which].file(inner)
