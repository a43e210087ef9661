"""Where the lines of a file start and end: one pass over it, remembered for the next time.

The second time a large file is opened, its offsets come from a cache folder: `$FINETUNER_CACHE`, else
`$XDG_CACHE_HOME/finetuner`, else `~/.cache/finetuner`. An entry belongs to a path with its size and times of change; it
is a line of JSON with a checksum, then the bare numbers.
"""

import os
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from finetuner._core.codec import encode, write_atomically
from finetuner._core.hashing import sha256
from finetuner.data.sources.bytestore import Bytes

_BLOCK: Final = 1 << 20  # fits a processor's second cache, where the newlines are looked for
_DENSE: Final = 256  # bytes per line below which all bytes are compared at once instead of searching line by line
_BOM: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = ord("\n")
_BLANK_AT_MOST: Final = 1 << 20  # bytes; a longer line isn't called blank, whatever it holds
_WORD: Final = np.dtype(np.uint64).itemsize
_SPACE: Final = np.isin(np.arange(256), (9, 10, 11, 12, 13, 32))

_VERSION: Final = 1
_KEPT: Final = 100
_SETTLED_SECONDS: Final = 0.1  # a younger file may still change without a new time stamp
_NUMBER: Final = np.dtype("<i8")

Numbers = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class Offsets:
    """Places of the lines that hold more than white space.

    Attributes:
        starts: Offset of each line, shape `(rows,)`.
        ends: Offset after its last byte (newline left out), shape `(rows,)`.
        numbers: Its 1-based line number, shape `(rows,)`; None where no line is blank.
        blank_lines: Lines that were left out.
        torn: Whether the last of the lines ends without a newline.
        marked: Whether a byte order mark comes before the first line.
    """

    starts: Numbers = attrs.field(repr=False)
    ends: Numbers = attrs.field(repr=False)
    numbers: Numbers | None = attrs.field(repr=False)
    blank_lines: int
    torn: bool
    marked: bool

    def __len__(self) -> int:
        return len(self.starts)


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    key: str
    rows: int
    numbered: bool
    blank_lines: int
    torn: bool
    marked: bool
    crc32: int


def scan(data: Bytes, *, at_start: bool = True) -> Offsets:
    """The places of the lines, found by reading everything once.

    Args:
        data: UTF-8, with or without a byte order mark.
        at_start: Whether this is the start of the file, where a byte order mark isn't text.
    """
    first = len(_BOM) if at_start and data.read(0, len(_BOM)) == _BOM else 0
    newlines, doubtful = _newlines(data, first)
    torn = len(data) > first and (len(newlines) == 0 or int(newlines[-1]) != len(data) - 1)
    ends = np.append(newlines, len(data)) if torn else newlines
    starts = np.empty_like(ends)
    starts[:1] = first
    starts[1:] = ends[:-1] + 1
    keep = ends > starts
    for line in np.flatnonzero(np.isin(starts, doubtful) & keep & (ends - starts <= _BLANK_AT_MOST)):
        keep[line] = bool(data.read(int(starts[line]), int(ends[line])).strip())
    blank = len(ends) - int(keep.sum())
    return Offsets(
        starts=_fixed(starts[keep] if blank else starts),
        ends=_fixed(ends[keep] if blank else ends),
        numbers=_fixed(np.flatnonzero(keep) + 1) if blank else None,
        blank_lines=blank,
        torn=torn and bool(keep[-1]),
        marked=first > 0,
    )


def _newlines(data: Bytes, first: int) -> tuple[Numbers, Numbers]:
    """Offsets of the newlines, and of lines that begin with white space."""
    found, doubtful = [np.empty(0, dtype=np.int64)], [np.asarray([first], dtype=np.int64)]
    dense, at_start = False, False
    for base in range(0, len(data), _BLOCK):
        block = data.read(base, base + _BLOCK)
        array = np.frombuffer(block, dtype=np.uint8)
        places = _all_at_once(array) if dense else _one_by_one(block)
        dense = len(places) * _DENSE > len(block)
        if at_start and len(block) and _SPACE[block[0]]:
            doubtful.append(np.asarray([base], dtype=np.int64))
        at_start = bool(len(places)) and int(places[-1]) == len(block) - 1
        starts = places[:-1] + 1 if at_start else places + 1
        doubtful.append(starts[_SPACE[array[starts]]] + base)
        found.append(places + base)
    return np.concatenate(found), np.concatenate(doubtful)


def _one_by_one(block: bytes) -> Numbers:
    places: list[int] = []
    add, find = places.append, block.find
    place = find(b"\n")
    while place >= 0:
        add(place)
        place = find(b"\n", place + 1)
    return np.asarray(places, dtype=np.int64)


def _all_at_once(block: NDArray[np.uint8]) -> Numbers:
    is_newline = np.zeros(-(-len(block) // _WORD) * _WORD, dtype=np.bool_)
    np.equal(block, _NEWLINE, out=is_newline[: len(block)])
    # Eight bytes are tested at a time; only those with a newline are looked at one by one.
    words = np.flatnonzero(is_newline.view(np.uint64))
    which, byte = np.nonzero(is_newline.reshape(-1, _WORD)[words])
    return np.asarray(words[which] * _WORD + byte, dtype=np.int64)


# -- the next time ----------------------------------------------------------------------------------------------------


def file_key(path: Path) -> str:
    """What tells a file from another, and from itself after a change."""
    there = path.resolve()
    stat = there.stat()
    return f"{there}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"


def remembered(key: str) -> Offsets | None:
    """The offsets of the file with this key from the last time, None where there are none."""
    try:
        data = _entry(key).read_bytes()
    except OSError:
        return None
    head, newline, body = data.partition(b"\n")
    try:
        header = msgspec.json.decode(head, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    columns = 3 if header.numbered else 2
    fits = len(body) == header.rows * columns * _NUMBER.itemsize and newline
    if header.version != _VERSION or header.key != key or not fits or zlib.crc32(body) != header.crc32:
        return None
    numbers = np.frombuffer(body, dtype=_NUMBER).reshape(columns, header.rows).astype(np.int64, copy=False)
    return Offsets(
        starts=_fixed(numbers[0]),
        ends=_fixed(numbers[1]),
        numbers=_fixed(numbers[2]) if header.numbered else None,
        blank_lines=header.blank_lines,
        torn=header.torn,
        marked=header.marked,
    )


def remember(path: Path, key: str, offsets: Offsets) -> None:
    """Keep the offsets of a file for the next time, if there is a place to keep them."""
    if time.time() - path.stat().st_mtime < _SETTLED_SECONDS or file_key(path) != key:
        return
    columns = [offsets.starts, offsets.ends, *([] if offsets.numbers is None else [offsets.numbers])]
    body = b"".join(column.astype(_NUMBER, copy=False).tobytes() for column in columns)
    header = _Header(
        version=_VERSION,
        key=key,
        rows=len(offsets),
        numbered=offsets.numbers is not None,
        blank_lines=offsets.blank_lines,
        torn=offsets.torn,
        marked=offsets.marked,
        crc32=zlib.crc32(body),
    )
    entry = _entry(key)
    with suppress(OSError):  # a full or read-only disk costs a second scan, nothing else
        write_atomically(entry, encode(msgspec.to_builtins(header)) + b"\n" + body)
        entries = sorted(entry.parent.glob("*.offsets"), key=lambda file: file.stat().st_mtime)
        for old in entries[:-_KEPT]:
            old.unlink(missing_ok=True)


def _entry(key: str) -> Path:
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finetuner"
    return Path(os.environ.get("FINETUNER_CACHE") or shared) / "offsets" / f"{sha256(key.encode())[:32]}.offsets"


def _fixed(array: Numbers) -> Numbers:
    array.flags.writeable = False
    return array
