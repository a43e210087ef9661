"""JSON lines: only the offsets of the lines are kept; a line is read when it is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.data.problems import Problem
from finetuner.data.sources.bytestore import Bytes, InMemory, OnDisk
from finetuner.data.sources.jsontext import MAX_LINE_BYTES, parse
from finetuner.data.sources.offsets import Offsets, file_key, remember, remembered, scan

_LARGE: Final = 8 * 1024 * 1024
_BLOCK: Final = 1 << 17  # fits a processor's second cache


@attrs.frozen(kw_only=True, eq=False)
class Lines:
    """The lines of a JSONL file that aren't empty.

    Attributes:
        name: The path, or another name for people.
        size: Bytes of the file as it lies on the disk.
        offsets: Where the lines are.
        path: The file in which they lie as they are; None where they were decompressed or came from elsewhere.
        key: The file's identity when it was opened, as `offsets.file_key` gives it.
    """

    name: str
    size: int | None
    offsets: Offsets = attrs.field(repr=False)
    path: Path | None = None
    key: str | None = attrs.field(default=None, repr=False)
    _bytes: Bytes = attrs.field(repr=False, alias="bytes")

    @property
    def blank_lines(self) -> int:
        """Empty lines that were skipped."""
        return self.offsets.blank_lines

    def __len__(self) -> int:
        return len(self.offsets)

    def raw(self, row: int) -> bytes:
        """The line's bytes, without the newline; of a line that is too long, no more than tells so."""
        start, end = int(self.offsets.starts[row]), int(self.offsets.ends[row])
        return self._bytes.read(start, min(end, start + MAX_LINE_BYTES + 1))

    def raws(self, first: int, last: int) -> Iterator[bytes]:
        """What `raw` gives for the rows from `first` to before `last`, read from the disk in blocks."""
        while first < last:
            base = int(self.offsets.starts[first])
            stop = min(last, int(self.offsets.ends.searchsorted(base + _BLOCK, side="right")))
            if stop <= first:
                yield self.raw(first)
                first += 1
                continue
            starts, ends = self.offsets.starts[first:stop], self.offsets.ends[first:stop]
            block = self._bytes.read(base, int(ends[-1]))
            for start, end in zip((starts - base).tolist(), (ends - base).tolist(), strict=True):
                yield block[start:end]
            first = stop

    def read(self, row: int) -> Json | Problem:
        """The record of a line; or why it can't be read."""
        return self.parsed(self.raw(row), row)

    def parsed(self, raw: bytes, row: int) -> Json | Problem:
        """The record that the bytes of a line hold; or why they hold none."""
        return parse(raw, torn=self.offsets.torn and row == len(self) - 1)

    def line(self, row: int) -> int:
        """The 1-based number of the line."""
        numbers = self.offsets.numbers
        return row + 1 if numbers is None else int(numbers[row])

    def file(self, row: int) -> str:
        """The file."""
        del row
        return self.name


def open_lines(path: Path, *, name: str | None = None) -> Lines:
    """The lines of a JSONL file, found by one pass over it; large files stay on the disk.

    Args:
        path: UTF-8, with or without a byte order mark.
        name: For people; the path by default.

    Raises:
        OSError: The file can't be opened.
    """
    size, key = path.stat().st_size, file_key(path)
    name = str(path) if name is None else name
    if size < _LARGE:
        data: Bytes = InMemory(path.read_bytes())
        return Lines(name=name, size=size, offsets=scan(data), path=path, key=key, bytes=data)
    data = OnDisk.open(path)
    offsets = remembered(key)
    if offsets is None:
        offsets = scan(data)
        remember(path, key, offsets)
    return Lines(name=name, size=size, offsets=offsets, path=path, key=key, bytes=data)


def lines_of(data: Bytes, *, name: str, size: int | None) -> Lines:
    """The lines of a text that doesn't lie in a file as it is.

    Args:
        data: UTF-8, with or without a byte order mark.
        name: For people.
        size: Bytes of the file that it came from.
    """
    return Lines(name=name, size=size, offsets=scan(data), bytes=data)
