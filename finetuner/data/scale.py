"""One pass over large files on several cores or machines: byte ranges go to workers, never rows.

A worker opens the file itself, finds the lines of its range, and sends back what it found, so that a range of 32 MiB
costs a message of a few hundred bytes. Results are taken in the order of the ranges: they are the same, to the row, as
those of a single pass.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import attrs
import msgspec
import numpy as np

from finetuner.data import formats
from finetuner.data.checks import quick
from finetuner.data.checks.report import Collector, Tally, ValidationReport
from finetuner.data.checks.rules import RuleSet, rules_for
from finetuner.data.checks.run import Kind, check_lines, conclude, kind_of, make_kind, stretches_for
from finetuner.data.checks.run import check as check_here
from finetuner.data.engines import ENGINES, choose, run
from finetuner.data.ports import Examples
from finetuner.data.rows import View
from finetuner.data.sources.bytestore import InMemory, OnDisk
from finetuner.data.sources.jsonl import Lines
from finetuner.data.sources.offsets import file_key, scan
from finetuner.data.tokens import Pieces, TokenCounts, chat_pieces, count_dataset, count_pairs, pieces, summed
from finetuner.errors import DataFormatError

__all__ = ["ENGINES", "check", "count_tokens", "perform"]

_RANGE: Final = 32 * 1024 * 1024
_CHATS: Final = ("openai", "finetuner")


class _Section(msgspec.Struct, frozen=True):
    """A range of a file's lines.

    Attributes:
        path: The file.
        key: Its identity when it was loaded.
        name: Its name for people.
        start: Offset of the first line.
        end: Offset after the last line.
        first_row: Row of the first line in the data set.
        first_line: Number of the first line in the file.
        torn: Whether the file ends in the last line, without a newline.
    """

    path: str
    key: str
    name: str
    start: int
    end: int
    first_row: int
    first_line: int
    torn: bool


class _Check(msgspec.Struct, frozen=True, tag="check"):
    section: _Section
    provider: str
    model: str | None
    on: date | None
    method: str
    own: bool


class _Count(msgspec.Struct, frozen=True, tag="count"):
    section: _Section
    format: str
    model: str | None


class _Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A `DataFormatError` on its way back."""

    message: str
    file: str | None
    line: int | None
    field: str | None


class _Found(msgspec.Struct, frozen=True, tag="found"):
    tally: Tally


class _Counted(msgspec.Struct, frozen=True, tag="counted"):
    pairs: list[tuple[int, int]]


_encode: Final = msgspec.json.encode
_task: Final[msgspec.json.Decoder[_Check | _Count]] = msgspec.json.Decoder(_Check | _Count)
_answer: Final[msgspec.json.Decoder[_Found | _Counted | _Failure]] = msgspec.json.Decoder(_Found | _Counted | _Failure)


def check(
    view: View, rules: RuleSet, *, source: str, method: str | None, on: date | None, engine: str | None
) -> ValidationReport:
    """All problems of a data set, found by as many workers as there are. See `Dataset.check`."""
    how = kind_of(view, rules, method)
    stretches = stretches_for(view, how) if how.rule is not None else ()
    chosen = _engine(engine, stretches)
    if chosen == "serial":
        return check_here(view, rules, source=source, method=method)
    tasks = [
        _encode(_Check(section, rules.provider, rules.model, on, how.method, how.own))
        for section in _sections(stretches)
    ]
    found = Collector()
    for answer in _answers(tasks, chosen):
        assert isinstance(answer, _Found)
        found.merge(answer.tally)
    return conclude(view, rules, how, found, source=source, written=0)


def count_tokens(data: Examples, view: View, model: str | None, *, engine: str | None) -> TokenCounts:
    """Tokens of a data set, counted by as many workers as there are. See `Dataset.tokens`."""
    stretches = view.stretches() if view.decodes_by_name else ()
    chosen = _engine(engine, stretches)
    if not stretches or view.format is None:
        return count_dataset(data, model)
    if chosen == "serial":
        wire = formats.get(view.format)
        return summed(count_pairs((one for lines in stretches for one in _pieces(lines, wire)), model), model)
    tasks = [_encode(_Count(section, view.format, model)) for section in _sections(stretches)]
    parts: list[list[tuple[int, int]]] = []
    for answer in _answers(tasks, chosen):
        assert isinstance(answer, _Counted)
        parts.append(answer.pairs)
    return summed(np.concatenate([np.asarray(part, dtype=np.int64).reshape(-1, 2) for part in parts]), model)


def perform(task: bytes) -> bytes:
    """Do a task, wherever this runs: the one function that workers call.

    Args:
        task: JSON, as this module writes it.

    Returns:
        JSON of what was found, or of the line that can't be read.
    """
    given = _task.decode(task)
    try:
        lines = _lines(given.section)
        if isinstance(given, _Count):
            return _encode(_Counted(_count(lines, given)))
        found = Collector()
        rules = rules_for(given.provider, given.model, given.on)
        how: Kind = make_kind(rules, given.method, own=given.own)
        check_lines(lines, how, found, first_row=given.section.first_row, first_line=given.section.first_line)
        return _encode(_Found(found.tally()))
    except DataFormatError as error:
        return _encode(_Failure(error.problem, error.file, error.line, error.field))


def _count(lines: Lines, given: _Count) -> list[tuple[int, int]]:
    try:
        pairs = count_pairs(_pieces(lines, formats.get(given.format)), given.model, threads=1)
    except DataFormatError as error:
        line = None if error.line is None else error.line - 1 + given.section.first_line
        raise DataFormatError(error.problem, file=error.file, line=line, field=error.field) from error
    return [(prompt, output) for prompt, output in pairs.tolist()]


def _pieces(lines: Lines, wire: formats.Format) -> Iterator[Pieces]:
    """What is counted of each line; plain chats aren't made into examples for it."""
    view, chats = View.of(lines, wire, wire.from_record), wire.NAME in _CHATS
    for row, raw in enumerate(lines.raws(0, len(lines))):
        said = quick.texts(raw) if chats else None
        yield pieces(view.example(row)) if said is None else chat_pieces(*said)


def _engine(engine: str | None, stretches: Sequence[Lines]) -> str:
    """The engine to use: a pass that can't be cut into ranges is done here, whatever was asked for."""
    whole = all(lines.path is not None and lines.key == file_key(lines.path) for lines in stretches)
    size = sum(lines.size or 0 for lines in stretches)
    chosen = choose(engine, size)
    return chosen if stretches and whole else "serial"


def _answers(tasks: Sequence[bytes], engine: str) -> Iterator[_Found | _Counted]:
    for raw in run(tasks, engine):
        answer = _answer.decode(raw)
        if isinstance(answer, _Failure):
            raise DataFormatError(answer.message, file=answer.file, line=answer.line, field=answer.field)
        yield answer


def _sections(stretches: Sequence[Lines]) -> Iterator[_Section]:
    """Ranges of about `_RANGE` bytes, cut between lines."""
    before = 0
    for lines in stretches:
        starts, ends = lines.offsets.starts, lines.offsets.ends
        first = 0
        while first < len(lines):
            last = max(first + 1, int(ends.searchsorted(int(starts[first]) + _RANGE, side="right")))
            yield _Section(
                path=str(lines.path),
                key=lines.key or "",
                name=lines.name,
                start=int(starts[first]),
                end=int(ends[last - 1]),
                first_row=before + first,
                first_line=lines.line(first),
                torn=lines.offsets.torn and last == len(lines),
            )
            first = last
        before += len(lines)


def _lines(section: _Section) -> Lines:
    """The lines of a range, read from the file."""
    path = Path(section.path).resolve()
    try:
        if file_key(path) != section.key:
            raise DataFormatError("has changed since it was loaded; load it again", file=section.name)
        data = InMemory(OnDisk.open(path).read(section.start, section.end))
    except OSError as error:
        raise DataFormatError(f"can't be read by a worker: {error.strerror or error}", file=section.name) from error
    offsets = attrs.evolve(scan(data, at_start=False), torn=section.torn)
    return Lines(name=section.name, size=len(data), offsets=offsets, bytes=data)
