"""From a path to a source: decompressed and decoded where needed; folders, patterns, addresses, standard input."""

import glob
import io
import sys
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from finetuner.data.shapes import is_object
from finetuner.data.sources.bytestore import Bytes, InMemory
from finetuner.data.sources.decoding import MAX_BYTES, as_text, in_memory
from finetuner.data.sources.jsonl import Lines, lines_of, open_lines
from finetuner.data.sources.parquet import ParquetRows
from finetuner.data.sources.remote import fetch
from finetuner.data.sources.source import Chain, Source
from finetuner.data.sources.tables import csv_table, json_table
from finetuner.data.sources.toon import toon_table
from finetuner.errors import DataFormatError

STANDARD_INPUT: Final = "-"
_COMPRESSED: Final = (".gz", ".zst")
_LINES: Final = (".jsonl", ".ndjson")
_TOON: Final = ".toon"
_MANIFESTS: Final = ("manifest.json", "finetuner.manifest.json")  # say what other files are, and are no data
_SUFFIXES: Final = (*_LINES, ".json", ".csv", ".tsv", ".parquet", _TOON)
_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_PARQUET: Final = b"PAR1"
_HEAD: Final = 64 * 1024
_SPACE: Final = b"\xef\xbb\xbf \t\r\n"


def open_source(path: str | Path) -> Source:
    """The records at a path.

    Args:
        path: A file, a folder (all known files under it, in the order of their names), a pattern such as
            `logs/*.jsonl`, an address such as `gs://bucket/logs.jsonl`, or `-` for standard input.

    Raises:
        DataFormatError: There is nothing to read, or a file as a whole can't be read.
        MissingExtraError: The file's kind needs a package that isn't installed.
    """
    if str(path) == STANDARD_INPUT:
        return _filled(_streamed(sys.stdin.buffer, "standard input"))
    if "://" in str(path):
        return _fetched(str(path))
    paths = _expand(path)
    if len(paths) == 1:
        return _filled(_open(paths[0], str(paths[0])))
    return _filled(Chain.of(str(path), [_open(one, str(one)) for one in paths]))


def _streamed(stream: BinaryIO, name: str) -> Source:
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DataFormatError(f"gives more than {MAX_BYTES:,} bytes; write them to a file", file=name)
    text = as_text(io.BytesIO(data), len(data), name=name)
    return _recognized(InMemory(data) if text is None else text, name=name, size=None, suffix="")


def _fetched(address: str) -> Source:
    """What an address means: a local copy under the address's name."""
    local = fetch(address)
    if not local.is_dir():
        return _filled(_open(local, address))
    under = address.rstrip("/")
    parts = [_open(one, f"{under}/{one.relative_to(local).as_posix()}") for one in _expand(local)]
    return _filled(Chain.of(address, parts))


def _expand(path: str | Path) -> list[Path]:
    """The files that a path means, sorted; at least one."""
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if _is_data(file.relative_to(place)) and file.is_file())
        if not found:
            raise DataFormatError(
                f"the folder holds none of {', '.join(_SUFFIXES)} (or .gz and .zst of them)", file=str(path)
            )
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
    near = sorted(file.name for file in folder.iterdir() if _is_data(Path(file.name))) if folder.is_dir() else []
    there = f"; {folder} holds {', '.join(near[:5])}" if near else ""
    raise DataFormatError(f"there is no such file{there}", file=str(path))


def _is_data(path: Path) -> bool:
    """Whether a file of a folder is read: a known kind, and not hidden."""
    hidden = path.name in _MANIFESTS or any(part.startswith(".") for part in path.parts)
    return _suffix(path.name) in _SUFFIXES and not hidden


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _open(path: Path, name: str) -> Source:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if not path.is_file():  # a pipe can be read only once
                return _streamed(file, name)
            head = file.read(_HEAD)
            if head.startswith(_PARQUET):
                return ParquetRows(path, name)
            file.seek(0)
            text = as_text(file, size, name=name)
        suffix = _suffix(name)
        if text is not None:
            return _recognized(text, name=name, size=size, suffix=suffix)
        if _lines_for_sure(head, suffix):
            return open_lines(path, name=name)
        return _recognized(InMemory(path.read_bytes()), name=name, size=size, suffix=suffix)
    except OSError as error:
        raise DataFormatError(f"can't be read: {error.strerror or error}", file=name) from error


def _lines_for_sure(head: bytes, suffix: str) -> bool:
    """Whether a file need not be read whole to tell that it holds JSON lines."""
    return suffix not in (".json", _TOON, *_DELIMITERS) and head.lstrip(_SPACE)[:1] in (b"{", b"")


def _recognized(text: Bytes, *, name: str, size: int | None, suffix: str) -> Source:
    """The records of a text, by its name and its first characters."""
    head = text.read(0, _HEAD).lstrip(_SPACE)
    delimiter = _DELIMITERS.get(suffix) or _delimiter(head, suffix)
    if suffix == _TOON or delimiter is not None:
        data = in_memory(text)
        return csv_table(data, name=name, delimiter=delimiter, size=size) if delimiter else toon_table(data, name=name)
    if suffix != ".json" and not head.startswith(b"["):
        return lines_of(text, name=name, size=size)
    if suffix == ".json" and not (head.startswith(b"{") and b"\n" in head):
        return json_table(in_memory(text), name=name, size=size)
    # JSON lines are often called .json, and lists .jsonl: whichever can be read is meant.
    lines = lines_of(text, name=name, size=size)
    if _are_records(lines):
        return lines
    try:
        return json_table(in_memory(text), name=name, size=size)
    except DataFormatError:
        if suffix == ".json":
            raise
        return lines


def _are_records(lines: Lines) -> bool:
    return all(is_object(lines.read(row)) for row in range(min(2, len(lines))))


def _delimiter(head: bytes, suffix: str) -> str | None:
    """What separates the columns, where a file of unknown kind looks like a table."""
    first = head.partition(b"\n")[0].rstrip(b"\r")
    if suffix in _SUFFIXES or first[:1] in (b"{", b"["):
        return None
    for delimiter in "\t,":
        cells = first.split(delimiter.encode())
        if len(cells) > 1 and all(cell.strip() for cell in cells) and len(set(cells)) == len(cells):
            return delimiter
    return None


def _filled(source: Source) -> Source:
    if len(source) == 0:
        raise DataFormatError("the file is empty; write one JSON record per line", file=source.name)
    return source
