"""TOON documents to JSON values."""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.toon.columns import ESCAPES, INDENT, MAX_DEPTH, Column
from finetuner.errors import DataFormatError

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_BLANK: Final = " \r"
_WORDS: Final = {"true": True, "false": False, "null": None}
_UNESCAPES: Final = {escape[1]: character for character, escape in ESCAPES.items()}


@attrs.frozen
class _Line:
    number: int
    depth: int
    text: str

    def bad(self, message: str) -> DataFormatError:
        return DataFormatError(f"this isn't TOON: {message}", line=self.number)


@attrs.frozen
class _Header:
    key: str | None
    size: int
    keyed: bool
    delimiter: str
    columns: tuple[Column, ...] | None
    rest: str


def decode(text: str) -> Json:
    """The value of a TOON document, or the rows of a pipe table.

    Raises:
        DataFormatError: It is neither; the error has the line.
    """
    value, _ = decode_lines(text)
    return value


def decode_lines(text: str) -> tuple[Json, tuple[int, ...]]:
    """As `decode`, and the 1-based lines where the items of an outermost list start (empty where there is no list).

    Raises:
        DataFormatError: It is no TOON; the error has the line.
    """
    lines = [_line(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(_BLANK)]
    if not lines:
        return {}, ()
    if len(lines) > 1 and "|" in lines[0].text and ":" not in lines[0].text:
        return _pipe_table(lines), tuple(line.number for line in lines[1:])
    reader = _Reader(lines)
    value = reader.document()
    return value, tuple(reader.items)


def _line(number: int, raw: str) -> _Line:
    text = raw.removesuffix("\r")
    bare = text.lstrip(" ")
    spaces = len(text) - len(bare)
    line = _Line(number, spaces // len(INDENT), bare.rstrip(" "))
    if spaces % len(INDENT) or bare.startswith("\t"):
        raise line.bad("lines are indented by two spaces for each level")
    if line.depth > MAX_DEPTH:
        raise line.bad(f"nested deeper than {MAX_DEPTH}")
    return line


def _pipe_table(lines: Sequence[_Line]) -> list[Json]:
    rows = [[cell.strip() for cell in line.text.strip("|").split("|")] for line in lines]
    columns = rows[0]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(columns):
            raise line.bad(f"the row has {len(row)} cells, the first line names {len(columns)} columns")
    return [dict(zip(columns, row, strict=True)) for row in rows[1:]]


class _Reader:
    """Reads lines from top to bottom."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._lines = lines
        self._at = 0
        self.items: list[int] = []

    def document(self) -> Json:
        first = self._lines[0]
        if first.depth:
            raise first.bad("the first line is indented")
        header = _header(first)
        if header is not None and header.key is None:
            self._at = 1
            value: Json = self._list(first, header, 0, self.items)
        elif header is None and len(self._lines) == 1 and _colon(first.text) is None:
            self._at = 1
            value = list[Json]() if first.text == "[]" else _value(first, first.text)
        else:
            value = self._object(0)
        if self._at < len(self._lines):
            raise self._lines[self._at].bad("the line belongs to nothing above it")
        return value

    def _next(self, depth: int) -> _Line | None:
        """The next line, if it stands at this depth; it is taken."""
        if self._at < len(self._lines) and self._lines[self._at].depth == depth:
            self._at += 1
            return self._lines[self._at - 1]
        return None

    def _object(self, depth: int, first: _Line | None = None) -> JsonObject:
        found: JsonObject = {}
        line = first or self._next(depth)
        while line is not None:
            if line.text == "-" or line.text.startswith("- "):
                raise line.bad("an item of a list where a key is expected")
            key, value = self._field(line, depth)
            if key in found:
                raise line.bad(f'the key "{key}" occurs twice')
            found[key] = value
            line = self._next(depth)
        return found

    def _field(self, line: _Line, depth: int) -> tuple[str, Json]:
        header = _header(line)
        if header is not None and header.key is not None:
            return header.key, self._list(line, header, depth, [])
        colon = _colon(line.text)
        if colon is None:
            raise line.bad("a key and a colon are expected")
        key, rest = _name(line, line.text[:colon]), line.text[colon + 1 :].strip(" ")
        if rest:
            return key, [] if rest == "[]" else _value(line, rest)
        return key, self._object(depth + 1)

    def _list(self, line: _Line, header: _Header, depth: int, starts: list[int]) -> Json:
        if header.keyed:
            return self._keyed(line, header, depth)
        if header.rest:
            if header.columns is not None:
                raise line.bad("the rows of a table start on the next line")
            found: list[Json] = [_value(line, cell) for cell in _cells(line, header.rest, header.delimiter)]
        else:
            found = []
            while (item := self._next(depth + 1)) is not None:
                starts.append(item.number)
                found.append(self._item(item, depth + 1) if header.columns is None else _row(item, header))
        if len(found) != header.size:
            raise line.bad(f"{header.size} items are announced, {len(found)} follow")
        return found

    def _keyed(self, line: _Line, header: _Header, depth: int) -> JsonObject:
        """An object of uniform objects, written as a table whose rows start with their key."""
        found: JsonObject = {}
        while (row := self._next(depth + 1)) is not None:
            colon = _colon(row.text)
            if colon is None or header.columns is None:
                raise row.bad("a key and a colon are expected")
            cells = attrs.evolve(row, text=row.text[colon + 1 :].strip(" "))
            found[_name(row, row.text[:colon])] = _row(cells, header)
        if len(found) != header.size:
            raise line.bad(f"{header.size} keys are announced, {len(found)} follow")
        return found

    def _item(self, line: _Line, depth: int) -> Json:
        if line.text == "-":
            return {}
        if not line.text.startswith("- "):
            raise line.bad("an item of this list starts with a hyphen")
        inner = _Line(line.number, depth + 1, line.text[2:].strip(" "))
        header = _header(inner)
        if header is not None and header.key is None:
            return self._list(inner, header, depth, [])
        if header is None and _colon(inner.text) is None:
            return [] if inner.text == "[]" else _value(inner, inner.text)
        return self._object(depth + 1, inner)


def _row(line: _Line, header: _Header) -> Json:
    columns = header.columns or ()
    cells = _cells(line, line.text, header.delimiter)
    width = sum(column.width for column in columns)
    if len(cells) != width:
        raise line.bad(f"the row has {len(cells)} cells, the table has {width} columns")
    values = (_value(line, cell) for cell in cells)
    return {column.name: column.fill(values) for column in columns}


_HEADER: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"|[^\s"\[\]{}:,]*)\[(?P<size>[0-9]{1,9})(?P<keyed>:)?(?P<delimiter>[|\t])?\](?P<rest>[:{].*)\Z',
    re.DOTALL,
)


def _header(line: _Line) -> _Header | None:
    """What `key[N]{columns}:` says; None where the line is something else."""
    found = _HEADER.match(line.text)
    if found is None:
        return None
    delimiter, key, rest = found["delimiter"] or ",", found["key"], found["rest"]
    columns = None
    if rest[0] == "{":
        columns, end = _column_names(line, rest, 1, delimiter)
        rest = rest[end:]
    if rest[:1] != ":":
        raise line.bad("a colon is expected behind the brackets")
    return _Header(
        key=_name(line, key) if key else None,
        size=int(found["size"]),
        keyed=found["keyed"] is not None,
        delimiter=delimiter,
        columns=columns,
        rest=rest[1:].strip(" "),
    )


def _column_names(line: _Line, text: str, at: int, delimiter: str) -> tuple[tuple[Column, ...], int]:
    """The columns from behind an opening brace, and where the text behind the closing one starts."""
    columns: list[Column] = []
    start = at
    name: str | None = None
    inner: tuple[Column, ...] = ()
    while at < len(text):
        character = text[at]
        if character == '"':
            at += max(0, _closing(text[at:]))
        elif character == "{":
            name = text[start:at]
            inner, at = _column_names(line, text, at + 1, delimiter)
            continue
        elif character in (delimiter, "}"):
            columns.append(Column(_name(line, text[start:at] if name is None else name), inner))
            start, name, inner = at + 1, None, ()
            if character == "}":
                return tuple(columns), at + 1
        at += 1
    raise line.bad("the columns' brace isn't closed")


def _cells(line: _Line, text: str, delimiter: str) -> list[str]:
    """The text cut at delimiters outside of quotes."""
    cells: list[str] = []
    start = at = 0
    quoted = False
    while at < len(text):
        character = text[at]
        if character == "\\" and quoted:
            at += 1
        elif character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            cells.append(text[start:at].strip(" "))
            start = at + 1
        at += 1
    if quoted:
        raise line.bad("a quotation mark isn't closed")
    return [*cells, text[start:].strip(" ")]


def _colon(text: str) -> int | None:
    """Where the colon behind a key stands; None where there is none."""
    at = _closing(text) + 1 if text[:1] == '"' else 0
    place = text.find(":", at)
    return None if place < 0 or (text[:1] == '"' and place != at) else place


def _closing(text: str) -> int:
    """Where the quotation that starts a text ends; -1 where it doesn't."""
    at = 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at if at < len(text) else -1


def _name(line: _Line, text: str) -> str:
    name = text.strip(" ")
    return str(_value(line, name)) if name[:1] == '"' else name


def _value(line: _Line, text: str) -> Json:
    if text[:1] == '"':
        if _closing(text) != len(text) - 1:
            raise line.bad("text stands behind a closing quotation mark, or none closes")
        return _unquoted(line, text[1:-1])
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.match(text):
        try:
            return float(text) if any(c in text for c in ".eE") else int(text)
        except ValueError as error:  # more digits than Python reads
            raise line.bad("the number has too many digits") from error
    return text


_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.?)", re.DOTALL)


def _unquoted(line: _Line, text: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code not in _UNESCAPES:
            raise line.bad(f"there is no escape \\{code}")
        return _UNESCAPES[code]

    return _ESCAPE.sub(character, text)
