"""JSON lines: the file is mapped into memory, and only the offsets of its lines are kept."""

import mmap
from pathlib import Path
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner._core.types import Json
from finetuner.data.problems import Problem
from finetuner.data.sources.jsontext import parse

_BLOCK: Final = 16 * 1024 * 1024
_MAPPED_FROM: Final = 8 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = (9, 11, 12, 13, 32)

Buffer = bytes | mmap.mmap


@attrs.frozen(kw_only=True, eq=False)
class Lines:
    """The lines of a JSONL file that aren't empty.

    Attributes:
        name: The path, or another name for people.
        size: Bytes of the file as it lies on the disk.
        blank_lines: Empty lines that were skipped.
        torn: Whether the file ends without a newline.
        starts: Offset of each line in the buffer, shape `(rows,)`.
        ends: Offset after its last byte (newline left out), shape `(rows,)`.
        numbers: Its 1-based line number, shape `(rows,)`.
    """

    name: str
    size: int | None
    blank_lines: int
    torn: bool
    starts: NDArray[np.int64] = attrs.field(repr=False)
    ends: NDArray[np.int64] = attrs.field(repr=False)
    numbers: NDArray[np.int64] = attrs.field(repr=False)
    _buffer: Buffer = attrs.field(repr=False, alias="buffer")

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, row: int) -> bytes:
        """The line's bytes, without the newline."""
        return self._buffer[self.starts[row] : self.ends[row]]

    def read(self, row: int) -> Json | Problem:
        """The record of a line; or why it can't be read."""
        return parse(self.raw(row), torn=self.torn and row == len(self) - 1)

    def line(self, row: int) -> int:
        """The 1-based number of the line."""
        return int(self.numbers[row])

    def file(self, row: int) -> str:
        """The file."""
        del row
        return self.name


def open_lines(path: Path) -> Lines:
    """The lines of a JSONL file, found by one pass over it; large files are mapped, not read.

    Raises:
        OSError: The file can't be opened.
    """
    size = path.stat().st_size
    if size < _MAPPED_FROM:
        return lines_of(path.read_bytes(), name=str(path), size=size)
    with path.open("rb") as file:
        return lines_of(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), name=str(path), size=size)


def lines_of(buffer: Buffer, *, name: str, size: int | None) -> Lines:
    """The lines of a text in memory.

    Args:
        buffer: UTF-8, with or without a byte order mark.
        name: For people.
        size: Bytes of the file that it came from.
    """
    newlines = _newlines(buffer)
    torn = len(buffer) > 0 and (len(newlines) == 0 or int(newlines[-1]) != len(buffer) - 1)
    ends = np.append(newlines, len(buffer)) if torn else newlines
    starts = np.empty_like(ends)
    if len(ends):
        starts[0] = len(_BOM) if buffer[: len(_BOM)] == _BOM else 0
        starts[1:] = ends[:-1] + 1
    full = _not_blank(buffer, starts, ends)
    return Lines(
        name=name,
        size=size,
        blank_lines=len(ends) - len(full),
        torn=torn and len(full) > 0 and int(full[-1]) == len(ends) - 1,
        starts=_fixed(starts[full]),
        ends=_fixed(ends[full]),
        numbers=_fixed(full + 1),
        buffer=buffer,
    )


def _newlines(buffer: Buffer) -> NDArray[np.int64]:
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(buffer), _BLOCK):
        block = np.frombuffer(buffer[start : start + _BLOCK], dtype=np.uint8)
        found.append(np.flatnonzero(block == ord("\n")).astype(np.int64) + start)
    return np.concatenate(found)


def _not_blank(buffer: Buffer, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers (0-based) of lines that hold more than white space."""
    keep = ends > starts
    filled = np.flatnonzero(keep)
    spaced = filled[np.isin(np.frombuffer(buffer, dtype=np.uint8)[starts[filled]], _SPACE)]
    for line in spaced:
        if not buffer[int(starts[line]) : int(ends[line])].strip():
            keep[line] = False
    return np.flatnonzero(keep).astype(np.int64)


def _fixed(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.flags.writeable = False
    return array
