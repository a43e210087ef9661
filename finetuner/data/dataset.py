"""The data set: a view of examples, never a list of them in memory."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Self, overload

import attrs
import numpy as np

from finetuner._core.types import Json, JsonObject
from finetuner.data import formats
from finetuner.data.examples import Example
from finetuner.data.formats import plain
from finetuner.data.ports import Rows
from finetuner.data.problems import Problem
from finetuner.data.sources.files import open_source
from finetuner.data.sources.source import Source, Table
from finetuner.data.writing import write_examples
from finetuner.errors import DataFormatError, UsageError

_FINGERPRINT = b"finetuner-dataset-v1\n"
_SAMPLED = 100
_PROMPT_DIGITS = 16

Change = Callable[[Example], Example]


@attrs.frozen(kw_only=True, eq=False)
class Dataset:
    """Examples of a file, a folder, or memory, read when they are asked for.

    A data set never changes: verbs return a new view of the same source. Iterating twice gives the same examples.

    Attributes:
        source: The path, or another name for people.
        format: Name of the wire format in which it is written by default; None lets `write` choose.
    """

    source: str
    format: str | None = None
    _records: Source = attrs.field(repr=False, alias="records")
    _wire: formats.Format | None = attrs.field(repr=False, alias="wire")
    _decode: Callable[[JsonObject], Example] | None = attrs.field(repr=False, alias="decode")
    _rows: Rows = attrs.field(repr=False, alias="rows")
    _changes: tuple[Change, ...] = attrs.field(default=(), repr=False, alias="changes")

    # -- touch: from files and back ------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls, path: str | Path, format: str = "auto", *, text: str | None = None, label: str | None = None
    ) -> "Dataset":
        """Load examples from a file, a folder, a pattern such as `logs/*.jsonl`, or `-` (standard input).

        Lines that can't be read don't stop it: `check()` reports them all, and reading such a row raises.

        Args:
            path: `.jsonl`, `.json`, `.csv` or `.tsv`, also with `.gz`.
            format: A name of `finetuner.data.formats`; `auto` looks at the first records.
            text: For rows of columns: the column of the text.
            label: For rows of columns: the column of the label or answer.

        Raises:
            DataFormatError: There is no such file, it is empty, or it can't be read as a whole.
            UnknownNameError: There is no such format.
        """
        records = open_source(path)
        if text is not None or label is not None:
            wire: formats.Format = plain
        elif format == "auto":
            # Unrecognized records are read as OpenAI's, so that check() can say line by line what is missing.
            head = [records.read(row) for row in range(min(_SAMPLED, len(records)))]
            wire = formats.detect(head) or formats.get("openai")
        else:
            wire = formats.get(format)
        decode = partial(plain.from_record, text=text, label=label) if wire is plain else wire.from_record
        return cls(source=str(path), records=records, wire=wire, decode=decode, rows=_all(len(records)))

    @classmethod
    def from_examples(cls, examples: Iterable[Example], name: str = "memory") -> "Dataset":
        """A data set of examples in memory."""
        held = tuple(examples)
        records = Table(name=name, records=held, lines=range(1, len(held) + 1))
        return cls(source=name, records=records, wire=None, decode=None, rows=_all(len(held)))

    def write(self, path: str | Path, format: str | None = None) -> Path:
        """Write all examples to a file, which is replaced only when all are written.

        Args:
            path: `.jsonl`, `.json`, `.csv` (format `plain` only), also with `.gz`.
            format: Wire format; by default the one of `convert()`, else OpenAI's. Metadata is written by `finetuner`
                and `plain` only: providers refuse keys that they don't know.

        Returns:
            The path.

        Raises:
            DataFormatError: An example can't be held by the format; the message names its file, line and field.
        """
        return write_examples(self, Path(path), format or self.format)

    # -- a sequence ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int, /) -> Example: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: int | slice, /) -> Example | Self:
        if isinstance(index, slice):
            return self.select(np.arange(len(self), dtype=np.int64)[index])
        return self._example(int(self._rows[index]))

    def __iter__(self) -> Iterator[Example]:
        return map(self._example, self._rows.tolist())

    def line(self, index: int, /) -> int:
        """The 1-based line of its file where an example stands."""
        return self._records.line(int(self._rows[index]))

    def file(self, index: int, /) -> str:
        """The file (or other name) that an example comes from."""
        return self._records.file(int(self._rows[index]))

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """What a model would learn from it, as 64 hexadecimal digits: the same content in the same order.

        SHA-256 over `finetuner-dataset-v1`, a newline, and the 32 bytes of each example's `content_hash` in order.
        Metadata is left out: providers never see it, so it doesn't change a training.

        Raises:
            DataFormatError: At the first line that can't be read.
        """
        return self._hashes[0]

    def prompt_hashes(self) -> tuple[str, ...]:
        """16 hexadecimal digits for the prompt of each example, in order: equal for the same request."""
        return self._hashes[1]

    @cached_property
    def _hashes(self) -> tuple[str, tuple[str, ...]]:
        digest = hashlib.sha256(_FINGERPRINT)
        prompts: list[str] = []
        for example in self:
            digest.update(bytes.fromhex(example.content_hash))
            prompts.append(example.prompt_hash[:_PROMPT_DIGITS])
        return digest.hexdigest(), tuple(prompts)

    # -- shape: new views ----------------------------------------------------------------------------------------------

    def select(self, rows: Rows, /) -> Self:
        """The rows of these numbers, in this order.

        Args:
            rows: 0-based, shape `(n,)`; a number may occur more than once.

        Raises:
            UsageError: A number is out of range.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        if len(chosen) and (int(chosen.min()) < 0 or int(chosen.max()) >= len(self)):
            raise UsageError(f"rows must lie between 0 and {len(self) - 1}; got {chosen.min()} to {chosen.max()}")
        return attrs.evolve(self, rows=_fixed(self._rows[chosen]))

    def filter(self, keep: Callable[[Example], bool]) -> Self:
        """Only the examples for which `keep` is true."""
        return self.select(np.flatnonzero([bool(keep(example)) for example in self]).astype(np.int64))

    def map(self, change: Change) -> Self:
        """Each example changed by a pure function, which is called whenever the example is read."""
        return attrs.evolve(self, changes=(*self._changes, change))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _example(self, row: int) -> Example:
        record: Json | Problem = self._records.read(row)
        if isinstance(record, Problem):
            raise record.error(self._records.file(row), self._records.line(row))
        try:
            example: Example = record if self._decode is None else self._decode(formats.as_object(record))
        except DataFormatError as error:
            raise DataFormatError(
                error.problem, file=self._records.file(row), line=self._records.line(row), field=error.field
            ) from error
        for change in self._changes:
            example = change(example)
        return example


def _all(n: int) -> Rows:
    return _fixed(np.arange(n, dtype=np.int64))


def _fixed(rows: Rows) -> Rows:
    rows.flags.writeable = False
    return rows
