"""CSV, TSV and JSON files: read whole, since their rows have no fixed place in the file."""

import csv
import io
import json
from collections.abc import Iterator

from finetuner._core.types import Json, JsonObject
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object
from finetuner.data.sources.jsontext import MAX_LINE_BYTES, parse
from finetuner.data.sources.source import Table
from finetuner.errors import DataFormatError

_MAX_JSON_BYTES = 1024 * 1024 * 1024
_WRAPPERS = ("data", "examples", "records", "rows", "items")


def csv_table(data: bytes, *, name: str, delimiter: str, size: int | None) -> Table:
    """The rows of a CSV text with a header line (RFC 4180), each as an object of texts.

    Args:
        data: UTF-8, with or without a byte order mark.
        name: The file, for people.
        delimiter: Between the cells.
        size: Bytes of the file that they came from.

    Raises:
        DataFormatError: There is no header line, or a column occurs twice.
    """
    # utf-8-sig drops the mark; bytes that aren't UTF-8 become lone surrogates, which are reported row by row.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    # The limit holds for the process; it is raised to ours, never lowered under another's.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = _header(rows, name)
    records: list[Json | Problem] = []
    lines: list[int] = []
    blank = 0
    line = rows.line_num + 1
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            problem = Problem(
                code="invalid_csv", message=f"this isn't CSV: {error}", fix='Write quotes inside a cell as ""'
            )
            records.append(problem)
            lines.append(line)
            line = rows.line_num + 1
            continue
        if cells is None:
            break
        if any(cells):
            records.append(_row(header, cells))
            lines.append(line)
        else:
            blank += 1
        line = rows.line_num + 1
    return Table(name=name, records=tuple(records), lines=lines, blank_lines=blank, size=size)


def json_table(data: bytes, *, name: str, size: int | None) -> Table:
    """The records of a JSON file: a list of objects, an object that holds one such list, or a single record.

    Args:
        data: UTF-8, with or without a byte order mark.
        name: The file, for people.
        size: Bytes of the file that they came from.

    Raises:
        DataFormatError: The file isn't JSON.
    """
    value = parse(data.removeprefix(b"\xef\xbb\xbf"), limit=_MAX_JSON_BYTES)
    if isinstance(value, Problem):
        raise value.error(name, _line_of_error(data))
    records = _records(value)
    return Table(name=name, records=tuple(records), lines=_starts(data, len(records)), size=size)


def _header(rows: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = next((cells for cells in rows if any(cells)), None)
    except csv.Error as error:
        raise DataFormatError(f"this isn't CSV: {error}", file=name, line=1) from error
    if header is None:
        raise DataFormatError("the file has no header line that names its columns", file=name, line=1)
    if any("\udc80" <= character <= "\udcff" for column in header for character in column):
        raise DataFormatError("the header line isn't UTF-8; save the file as UTF-8", file=name, line=1)
    if len(set(header)) != len(header):
        twice = next(column for column in header if header.count(column) > 1)
        raise DataFormatError(f'two columns are named "{twice}"; rename one of them', file=name, line=1)
    return header


def _row(header: list[str], cells: list[str]) -> JsonObject | Problem:
    if len(cells) != len(header):
        return Problem(
            code="wrong_columns",
            message=f"the row has {len(cells)} cells, the header names {len(header)} columns",
            fix="Quote cells that contain the delimiter",
        )
    for column, cell in zip(header, cells, strict=True):
        try:
            size = len(cell.encode())
        except UnicodeEncodeError:
            return Problem(code="invalid_utf8", message="isn't UTF-8", fix="Save the file as UTF-8", field=column)
        if size > MAX_LINE_BYTES:
            return Problem(code="line_too_long", message=f"{size:,} bytes are too many for one cell", field=column)
    return dict(zip(header, cells, strict=True))


def _records(value: Json) -> list[Json]:
    if is_list(value):
        return value
    if is_object(value):
        lists = [inner for key in _WRAPPERS if is_list(inner := value.get(key))]
        if len(lists) == 1 and all(map(is_object, lists[0])):
            return lists[0]
    return [value]


def _starts(data: bytes, n: int) -> list[int]:
    """Lines where the `n` elements of the outermost list start; all 1 where they can't be told."""
    text = data.decode("utf-8-sig")
    decoder = json.JSONDecoder()
    position = text.find("[") + 1
    lines: list[int] = []
    line, seen = 1, 0
    try:
        while len(lines) < n:
            while text[position] in " \t\r\n,":
                position += 1
            line += text.count("\n", seen, position)
            seen = position
            lines.append(line)
            _, position = decoder.raw_decode(text, position)
    except (ValueError, IndexError):
        return [1] * n
    return lines


def _line_of_error(data: bytes) -> int:
    try:
        json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        return 1
    return 1
