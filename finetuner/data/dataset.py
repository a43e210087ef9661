"""The data set: a view of examples, never a list of them in memory."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Self, overload

import attrs
import numpy as np

from finetuner._core.hashing import file_sha256
from finetuner._core.types import Json
from finetuner.data import formats
from finetuner.data.analysis import Analysis, analyze
from finetuner.data.asking import Asking
from finetuner.data.checks.report import Collector, ValidationReport
from finetuner.data.examples import Example
from finetuner.data.formats import finetuner as own
from finetuner.data.formats import plain
from finetuner.data.lineage import Entry, Lineage, Parent, describe, fingerprint, inherited, record_digest
from finetuner.data.logs import read_logs
from finetuner.data.mixing import mixed
from finetuner.data.ports import ExampleJudge, Rows
from finetuner.data.problems import Problem
from finetuner.data.quality import Review, review
from finetuner.data.rows import Change, View
from finetuner.data.shaping import Shaping
from finetuner.data.sources.files import open_source
from finetuner.data.sources.source import Table
from finetuner.data.writing import LAYOUTS, wire_of, write_examples
from finetuner.errors import DataFormatError, InvalidDataError

_SAMPLED = 100
_PROMPT_DIGITS = 16


@attrs.frozen(kw_only=True, eq=False)
class Dataset(Shaping, Asking):
    """Examples of a file, a folder, or memory, read when they are asked for.

    A data set never changes: verbs return a new view of the same source. Iterating twice gives the same examples.

    Attributes:
        source: The path, or another name for people.
        format: Name of the wire format in which it is written by default; None lets `write` choose.
        lineage: What was done to it since it was loaded, and under which license it stands.
    """

    source: str
    format: str | None = None
    lineage: Lineage = attrs.field(default=Lineage(), repr=False)
    _view: View = attrs.field(repr=False, alias="view")
    _parents: "tuple[Dataset, ...]" = attrs.field(default=(), repr=False, alias="parents")

    # -- touch: from files and back ------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls, path: str | Path, format: str = "auto", *, text: str | None = None, label: str | None = None
    ) -> "Dataset":
        """Load examples from a file, a folder, a pattern such as `logs/*.jsonl`, `gs://…`, or `-` (standard input).

        Lines that can't be read don't stop it: `check()` reports them all, and reading such a row raises.

        Args:
            path: `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet`, also with `.gz` or `.zst`.
            format: A name of `finetuner.data.formats`; `auto` looks at the first records.
            text: For rows of columns: the column of the text.
            label: For rows of columns: the column of the label or answer.

        Raises:
            DataFormatError: There is no such file, it is empty, or it can't be read as a whole.
            UnknownNameError: There is no such format.
        """
        records = open_source(path)
        head = [records.read(row) for row in range(min(_SAMPLED, len(records)))]
        if text is not None or label is not None:
            wire: formats.Format = plain
            plain.require_columns(head, text=text, label=label, file=str(path))
        elif format == "auto":
            # Unrecognized records are read as OpenAI's, so that check() can say line by line what is missing.
            wire = formats.detect(head) or formats.get("openai")
        else:
            wire = formats.get(format)
        decode = partial(plain.from_record, text=text, label=label) if wire is plain else wire.from_record
        kept = own.NAME if wire is own else None  # the only format that holds all, so that nothing is lost on the way
        return cls(source=str(path), format=kept, view=View.of(records, wire, decode))

    @classmethod
    def from_examples(
        cls,
        examples: Iterable[Example],
        name: str = "memory",
        *,
        lines: Iterable[int] | None = None,
        files: Iterable[str] | None = None,
    ) -> "Dataset":
        """A data set of examples in memory.

        Args:
            examples: The examples.
            name: For people.
            lines: Where each comes from; counted from 1 by default.
            files: Likewise, the file of each; `name` by default.
        """
        held = tuple(examples)
        records = Table(
            name=name,
            records=held,
            lines=range(1, len(held) + 1) if lines is None else tuple(lines),
            files=None if files is None else tuple(files),
        )
        return cls(source=name, view=View.of(records, None, plain.from_record))

    @classmethod
    def mix(
        cls, parts: "Mapping[Dataset, float]", size: int | None = None, seed: int = 0, name: str = "mix"
    ) -> "Dataset":
        """Several data sets as one, in the shares of their weights.

        Args:
            parts: The data sets with their weights, in any unit: `{own: 3, open_data: 1}`.
            size: How many examples; by default as many as there can be without repeating one.
            seed: Another seed gives another choice and order.
            name: For people.

        Raises:
            UsageError: A weight isn't above 0, or a data set is empty.
        """
        sets, weights = tuple(parts), tuple(parts.values())
        source = mixed(sets, weights, size, seed, name)
        lineage = inherited([one.lineage for one in sets])
        parameters: dict[str, Json] = {"weights": list(weights), "size": size, "seed": seed}
        return cls(
            source=name,
            lineage=lineage.then("mix", parameters, len(source)),
            view=View.of(source, None, plain.from_record),
            parents=sets,
        )

    @classmethod
    def from_logs(
        cls,
        path: str | Path,
        sample: int | None = None,
        seed: int = 0,
        *,
        stratify: str | None = None,
        redact: bool = False,
    ) -> "Dataset":
        """The good requests and answers of production logs; `extract` also tells what was left out, and why.

        Args:
            path: A file, a folder, or a pattern.
            sample: How many to keep; all where None. The choice hardly changes when the logs grow.
            seed: Another seed gives another sample.
            stratify: Keep the mix of `label`, or of a key of the metadata, in the sample.
            redact: Replace personal data and secrets on the way.

        Raises:
            DataFormatError: There are no logs, or no request with an answer is found in them.
        """
        return extract(path, sample=sample, seed=seed, stratify=stratify, redact=redact).dataset

    def write(self, path: str | Path, format: str | None = None, *, manifest: bool = True) -> Path:
        """Write all examples to a file, which is replaced only when all are written.

        Args:
            path: `.jsonl`, `.json`, `.toon`, `.csv` (format `plain` only), also with `.gz`.
            format: Wire format; by default the one of `convert()`, else OpenAI's. Metadata is written by `finetuner`
                and `plain` only: providers refuse keys that they don't know.
            manifest: Whether `manifest.json` beside it says what the data is and how it came to be.

        Returns:
            The path.

        Raises:
            DataFormatError: An example can't be held by the format; the message names its file, line and field.
        """
        written = write_examples(self, Path(path), format or self.format)
        if manifest:
            describe(written, self._entry(written, format or self.format))
        return written

    def _entry(self, path: Path, format: str | None) -> Entry:
        digests, _ = self._hashes
        return Entry(
            format=format if format in LAYOUTS else wire_of(self, format).NAME,
            examples=len(self),
            fingerprint=fingerprint(digests),
            unordered_fingerprint=fingerprint(sorted(digests)),
            sha256=file_sha256(path),
            bytes=path.stat().st_size,
            license=self.lineage.license,
            license_known=self.lineage.license_known,
            origin=self.lineage.origin,
            parents=tuple(parent._as_parent() for parent in self._parents or (self,)),  # noqa: SLF001  # its own kind
            steps=self.lineage.steps,
        )

    def _as_parent(self) -> Parent:
        try:
            own: str | None = self.fingerprint
        except DataFormatError:  # a line can't be read; what was made of the others is no less true
            own = None
        return Parent(source=self.source, fingerprint=own, examples=len(self), license=self.lineage.license)

    # -- a sequence ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._view)

    @overload
    def __getitem__(self, index: int, /) -> Example: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: int | slice, /) -> Example | Self:
        if isinstance(index, slice):
            return self.select(np.arange(len(self), dtype=np.int64)[index])
        return self._view.example(index)

    def __iter__(self) -> Iterator[Example]:
        return map(self._view.example, range(len(self)))

    def line(self, index: int, /) -> int:
        """The 1-based line of its file where an example stands."""
        return self._view.line(index)

    def file(self, index: int, /) -> str:
        """The file (or other name) that an example comes from."""
        return self._view.file(index)

    # -- ask: what it is -----------------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """What a model would learn from it, as 64 hexadecimal digits: the same content in the same order.

        SHA-256 over `finetuner-dataset-v1`, a newline, and for each example in order the 32 bytes of the SHA-256 of
        its canonical line (RFC 8785). Metadata is left out: providers never see it, so it doesn't change a training.

        Raises:
            DataFormatError: At the first line that can't be read.
        """
        return fingerprint(self._hashes[0])

    @property
    def unordered_fingerprint(self) -> str:
        """As `fingerprint`, and the same for any order of the examples.

        Raises:
            DataFormatError: At the first line that can't be read.
        """
        return fingerprint(sorted(self._hashes[0]))

    def prompt_hashes(self) -> tuple[str, ...]:
        """16 hexadecimal digits for the prompt of each example, in order: equal for the same request."""
        return self._hashes[1]

    @cached_property
    def _hashes(self) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
        pairs = [(record_digest(example), example.prompt_hash[:_PROMPT_DIGITS]) for example in self]
        return tuple(digest for digest, _ in pairs), tuple(prompt for _, prompt in pairs)

    def analyze(self, tokens: bool = True, model: str | None = None, limit: int | None = None) -> Analysis:
        """What is in the data: size, classes, tokens, duplicates, conflicts. See `finetuner.data.analysis`."""
        return analyze(self, tokens, model, limit)

    def review(self, judge: ExampleJudge | None = None) -> Review:
        """What a careful person would stop at, example by example. See `finetuner.data.quality`."""
        return review(self, judge)

    # -- shape: new views ----------------------------------------------------------------------------------------------

    def derived(
        self, verb: str, parameters: Mapping[str, Json], rows: Rows | None = None, change: Change | None = None
    ) -> Self:
        """A view with these rows (all by default) and this change; the step is kept in the lineage."""
        view = self._view if rows is None else self._view.select(rows)
        return self.with_view(verb, parameters, view if change is None else view.changed(change))

    @property
    def rows_view(self) -> View:
        """The rows behind it."""
        return self._view

    def with_view(self, verb: str, parameters: Mapping[str, Json], view: View) -> Self:
        """The same data set with other rows behind it; the step is kept in the lineage."""
        steps = self.lineage.then(verb, parameters, len(view))
        return attrs.evolve(self, view=view, lineage=steps, parents=self._parents or (self,))

    def with_license(self, license: str | None = None, origin: str | None = None) -> Self:
        """The same data, with what is known about its use.

        Args:
            license: An SPDX expression, such as `CC-BY-4.0` or `LicenseRef-Internal`.
            origin: Where the data comes from, in words or as an address.

        Raises:
            UsageError: The license is no SPDX expression.
        """
        return attrs.evolve(self, lineage=self.lineage.licensed(license, origin))

    def convert(self, format: str, *, skip: bool = False) -> Self:
        """The same examples, to be written in another format; each row is tried.

        Args:
            format: A name of `finetuner.data.formats`, or `json` or `toon` for a file of that kind.
            skip: Leave out the rows that the format can't hold.

        Raises:
            UnknownNameError: There is no such format.
            InvalidDataError: The format can't hold some rows; `.report` says which and why.
        """
        report = self.holds(format)
        return attrs.evolve(self.drop(report) if skip else self._unless_errors(report), format=format)

    def holds(self, format: str) -> ValidationReport:
        """Which rows a format can't hold, and why: what `convert` checks; never raises for bad data."""
        wire, found = wire_of(self, format), Collector()
        for index in range(len(self)):
            record = self._view.record(index, wire)
            if isinstance(record, Problem):
                found.add([record], file=self.file(index), line=self.line(index), row=index)
        return found.report(source=self.source, provider=format, model=None, format=format, examples=len(self))

    def _unless_errors(self, report: ValidationReport) -> Self:
        if not report.ok:
            raise InvalidDataError(str(report), report=report)
        return self


@attrs.frozen(kw_only=True)
class Extraction:
    """What was found in logs.

    Attributes:
        dataset: The good requests and answers, with user, conversation, time, and feedback as metadata.
        read: How many calls there were; a line is one, unless it is a trace of several.
        dropped: How many were left out, by reason: `error`, `truncated`, `filtered`, `no_answer`, `unreadable`.
        not_sampled: How many good ones the sample left out.
    """

    dataset: Dataset
    read: int
    dropped: dict[str, int]
    not_sampled: int

    @property
    def counts(self) -> dict[str, int]:
        """All counts by name: `read`, `kept`, `not_sampled`, and each reason for dropping."""
        return {"read": self.read, "kept": len(self.dataset), "not_sampled": self.not_sampled, **self.dropped}


def extract(
    path: str | Path, *, sample: int | None = None, seed: int = 0, stratify: str | None = None, redact: bool = False
) -> Extraction:
    """The good requests and answers of production logs, and counts of what was left out.

    Args:
        path: A file, a folder, or a pattern.
        sample: How many to keep; all where None. The choice depends on each line's own content and on the seed only, so
            that it hardly changes when the logs grow.
        seed: Another seed gives another sample.
        stratify: Keep the mix of `label`, or of a key of the metadata, in the sample.
        redact: Replace personal data and secrets on the way.

    Raises:
        DataFormatError: There are no logs, or no request with an answer is found in them.
    """
    source = open_source(path)
    logged = read_logs(source, sample=None if stratify else sample, seed=seed, redact=redact)
    if not logged.examples:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in logged.dropped.items())
        raise DataFormatError(
            f"none of {len(source):,} lines holds a request with a good answer ({reasons or 'sample is 0'}); "
            'a line looks like {"request": {"messages": […]}, "response": {"choices": […]}}',
            file=source.name,
        )
    dataset = Dataset.from_examples(
        logged.examples, source.name, lines=map(source.line, logged.rows), files=map(source.file, logged.rows)
    )
    chosen = dataset.sample(sample, stratify=stratify, seed=seed) if stratify and sample else dataset
    left = logged.not_sampled + len(dataset) - len(chosen)
    return Extraction(dataset=chosen, read=logged.read, dropped=dict(logged.dropped), not_sampled=left)
