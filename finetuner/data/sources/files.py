"""From a path to a source: by suffix, decompressed where needed; folders, patterns, standard input."""

import glob
import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import Final

from finetuner.data.sources.jsonl import lines_of, open_lines
from finetuner.data.sources.source import Chain, Source
from finetuner.data.sources.tables import csv_table, json_table
from finetuner.errors import DataFormatError

STANDARD_INPUT: Final = "-"
_SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_MAX_RATIO: Final = 200
_MAX_DECOMPRESSED: Final = 4 * 1024**3
_CHUNK: Final = 1 << 20
_UNREADABLE: Final = (
    (b"\xff\xfe", "the file is UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "the file is UTF-16; save it as UTF-8"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with Zstandard; decompress it, or use gzip"),
    (b"PAR1", "the file is Parquet; write it as JSON lines, for example with pandas: to_json(…, lines=True)"),
    (b"PK\x03\x04", "the file is a ZIP archive (or a spreadsheet); unpack it, or save it as CSV"),
)
"""How files start that hold no text."""


def open_source(path: str | Path) -> Source:
    """The records at a path.

    Args:
        path: A file, a folder (all known files under it, in the order of their names), a pattern such as
            `logs/*.jsonl`, or `-` for standard input (JSON lines).

    Raises:
        DataFormatError: There is nothing to read, or a file as a whole can't be read.
    """
    if str(path) == STANDARD_INPUT:
        return _filled(lines_of(sys.stdin.buffer.read(_MAX_DECOMPRESSED), name="standard input", size=None))
    paths = _expand(path)
    if len(paths) == 1:
        return _filled(_open(paths[0]))
    return _filled(Chain.of(str(path), [_open(one) for one in paths]))


def _expand(path: str | Path) -> list[Path]:
    """The files that a path means, sorted; at least one."""
    if "://" in str(path):
        raise DataFormatError(
            "lies on another machine; copy it here first, for example with gcloud storage cp", file=str(path)
        )
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if file.is_file() and _suffix(file) in _SUFFIXES)
        if not found:
            raise DataFormatError(f"the folder holds none of {', '.join(_SUFFIXES)} (or .gz of them)", file=str(path))
        return found
    if place.exists():
        return [place]
    if glob.has_magic(str(path)):
        matches = glob.glob(str(place), recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
        found = sorted(file for file in map(Path, matches) if file.is_file())
        if found:
            return found
        raise DataFormatError("no file matches the pattern", file=str(path))
    folder = place.parent
    near = sorted(file.name for file in folder.iterdir() if _suffix(file) in _SUFFIXES) if folder.is_dir() else []
    there = f"; {folder} holds {', '.join(near[:5])}" if near else ""
    raise DataFormatError(f"there is no such file{there}", file=str(path))


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _open(path: Path) -> Source:
    name, suffix = str(path), _suffix(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4)
        _refuse_binary(head, name)
        compressed = head[:2] == b"\x1f\x8b"
        if suffix not in (".json", ".csv", ".tsv"):
            return lines_of(_decompress(path), name=name, size=size) if compressed else open_lines(path)
        data = _decompress(path) if compressed else path.read_bytes()
    except OSError as error:
        raise DataFormatError(f"can't be read: {error.strerror or error}", file=name) from error
    if suffix == ".json":
        return _json(data, name=name, size=size)
    return csv_table(data, name=name, delimiter="\t" if suffix == ".tsv" else ",")


def _refuse_binary(head: bytes, name: str) -> None:
    for start, message in _UNREADABLE:
        if head.startswith(start):
            raise DataFormatError(message, file=name)


def _json(data: bytes, *, name: str, size: int) -> Source:
    """A JSON file; or JSON lines under the wrong name, which is common."""
    first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"{" and b"\n" in data.strip():
        lines = lines_of(data, name=name, size=size)
        if all(isinstance(lines.read(row), dict) for row in range(min(2, len(lines)))):
            return lines
    return json_table(data, name=name)


def _decompress(path: Path) -> bytes:
    limit = min(_MAX_DECOMPRESSED, max(_CHUNK, path.stat().st_size * _MAX_RATIO))
    result = io.BytesIO()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                result.write(chunk)
                if result.tell() > limit:
                    raise DataFormatError(
                        f"grows to more than {limit:,} bytes when decompressed; decompress it yourself if you trust it",
                        file=str(path),
                    )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFormatError(f"the gzip data is damaged: {error}", file=str(path)) from error
    return result.getvalue()


def _filled(source: Source) -> Source:
    if len(source) == 0:
        raise DataFormatError("the file is empty; write one JSON record per line", file=source.name)
    return source
