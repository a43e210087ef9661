"""Examples to files: all or nothing."""

import csv
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from finetuner._core.codec import encode
from finetuner._core.types import JsonObject
from finetuner.data import formats
from finetuner.data.ports import Examples
from finetuner.data.toon.writing import encode as toon
from finetuner.errors import DataFormatError, UsageError

LAYOUTS: Final = ("json", "toon")
"""What can be asked for like a format, but is a layout of a whole file: a JSON list, a TOON table."""


def record_of(data: Examples, index: int, wire: formats.Format) -> JsonObject:
    """The record of one example.

    Raises:
        DataFormatError: The format can't hold it; the message names its file, line and field.
    """
    try:
        return wire.to_record(data[index])
    except DataFormatError as error:
        if error.line is not None:
            raise
        raise DataFormatError(error.problem, file=data.file(index), line=data.line(index), field=error.field) from error


def write_examples(data: Examples, path: Path, format: str | None) -> Path:
    """Write examples to a file, which is replaced only when all are written.

    Args:
        data: The examples.
        path: `.jsonl`, `.json`, `.csv`, `.tsv` or `.toon`, also with `.gz`.
        format: Wire format, or a layout of `LAYOUTS`; by default OpenAI's, the one for preference pairs where the first
            example is one.

    Raises:
        DataFormatError: An example can't be held by the format.
        UsageError: The file's kind can't hold the format.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name the file to write, such as {path / 'data.jsonl'}")
    suffix = next((s for s in reversed(path.suffixes) if s != ".gz"), "")
    named = "toon" if format is None and suffix == ".toon" else format
    suffix = f".{named}" if named in LAYOUTS else suffix
    wire = wire_of(data, named)
    if suffix in (".csv", ".tsv") and wire.NAME != "plain":
        raise UsageError(f'a {suffix} file holds rows of the format "plain" only; write .jsonl')
    records = (record_of(data, index, wire) for index in range(len(data)))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _open(temporary, compressed=path.suffix == ".gz") as file:
            for piece in _pieces(records, suffix):
                file.write(piece)
        temporary.replace(path)
    except UnicodeEncodeError as error:
        text = "a text holds half of a surrogate pair, which is no character; check() finds the line"
        raise DataFormatError(text, file=str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def text_of(data: Examples, format: str | None) -> str:
    """What `write_examples` would write, as text without a newline at its end.

    Raises:
        DataFormatError: An example can't be held by the format.
    """
    wire = wire_of(data, format)
    records = (record_of(data, index, wire) for index in range(len(data)))
    return b"".join(_pieces(records, f".{format}" if format in LAYOUTS else ".jsonl")).decode().removesuffix("\n")


def wire_of(data: Examples, format: str | None) -> formats.Format:
    """The wire format of the records in a file of this format or layout.

    A JSON file holds OpenAI's records; a TOON file a table of texts and labels where all examples fit into one, else
    OpenAI's records too.

    Raises:
        UnknownNameError: There is no such format.
    """
    if format == "toon" and _fits(data, formats.get("plain")):
        return formats.get("plain")
    return formats.get(default_format(data) if format is None or format in LAYOUTS else format)


def _fits(data: Examples, wire: formats.Format) -> bool:
    try:
        for example in data:
            wire.to_record(example)
    except DataFormatError:
        return False
    return True


def default_format(data: Examples) -> str:
    """OpenAI's format that suits the first example."""
    return "openai-preference" if len(data) and data[0].preferred is not None else "openai"


def _open(path: Path, *, compressed: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "wb")) if compressed else path.open("wb")


def _pieces(records: Iterator[JsonObject], suffix: str) -> Iterator[bytes]:
    if suffix == ".toon":
        yield toon(list(records)).encode() + b"\n"
    elif suffix in (".csv", ".tsv"):
        yield from _csv(records, "\t" if suffix == ".tsv" else ",")
    elif suffix == ".json":
        yield b"["
        for n, record in enumerate(records):
            yield (b",\n" if n else b"\n") + encode(record)
        yield b"\n]\n"
    else:
        for record in records:
            yield encode(record) + b"\n"


def _csv(records: Iterator[JsonObject], delimiter: str) -> Iterator[bytes]:
    held = list(records)
    columns = list(dict.fromkeys(key for record in held for key in record))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(held)
    yield text.getvalue().encode()
