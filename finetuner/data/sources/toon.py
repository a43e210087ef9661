"""TOON files: read whole, each item of the outermost list a row."""

from finetuner.data.shapes import is_list
from finetuner.data.sources.source import Table
from finetuner.data.toon.reading import decode_lines
from finetuner.errors import DataFormatError


def toon_table(data: bytes, *, name: str) -> Table:
    """The records of a TOON document (or of a pipe table): the items of its list, or the one value that it is.

    Args:
        data: UTF-8, with or without a byte order mark.
        name: The file, for people.

    Raises:
        DataFormatError: It is no TOON, or not UTF-8.
    """
    try:
        value, lines = decode_lines(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataFormatError("isn't UTF-8; save the file as UTF-8", file=name) from error
    except DataFormatError as error:
        raise DataFormatError(error.problem, file=name, line=error.line) from error
    records = value if is_list(value) else [value]
    starts = lines if len(lines) == len(records) else [1] * len(records)
    return Table(name=name, records=tuple(records), lines=starts, size=len(data))
