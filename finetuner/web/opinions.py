"""What people think of examples: one line an opinion, appended at once, so that a closed laptop loses nothing."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import attrs
from cattrs import BaseValidationError

from finetuner._core.codec import from_json, to_json
from finetuner.errors import DataFormatError
from finetuner.evaluation.statistics.agreement import cohen_kappa, contingency_table
from finetuner.evaluation.statistics.estimate import Estimate

Verdict = Literal["approve", "reject", "skip"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_LEAST_AGREEMENT = 0.8  # below, guidelines want refining
_FEWEST_SHARED = 2


@attrs.frozen(kw_only=True)
class Opinion:
    """One person's word on one example.

    Attributes:
        row: 0-based row of the reviewed file.
        content_hash: Of the example, 64 hexadecimal digits: an opinion isn't applied to a row that has changed.
        reviewer: Who.
        verdict: `approve`, `reject`, or `skip` (no opinion).
        correction: The answer as it should have been; empty where it is right.
        note: Why, in the reviewer's words.
        at: Seconds since the epoch.
    """

    row: int
    content_hash: str
    reviewer: str
    verdict: Verdict
    correction: str = ""
    note: str = ""
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Summary:
    """What reviewers found.

    Attributes:
        rows: Rows to review.
        reviewed: Rows on which somebody approves or rejects.
        approved: Rows that everybody with an opinion approves.
        rejected: Rows that somebody rejects.
        reviewers: Who gave opinions.
        shared: Rows on which the first two reviewers both approve or reject.
        agreement: Share of the shared rows on which they agree, 0..1; None where they share fewer than two.
        kappa: Their agreement beyond chance (Cohen); None where it isn't defined.
    """

    rows: int
    reviewed: int
    approved: int
    rejected: int
    reviewers: tuple[str, ...]
    shared: int = 0
    agreement: float | None = None
    kappa: Estimate | None = None

    @property
    def complete(self) -> bool:
        """Whether every row has an opinion."""
        return self.rows > 0 and self.reviewed == self.rows

    def __str__(self) -> str:
        """For people."""
        lines = [f"Reviewed: {self.reviewed:,} of {self.rows:,} ({self.approved:,} approved, {self.rejected:,} not)"]
        if self.agreement is not None:
            beyond = "" if self.kappa is None else f", kappa {self.kappa.value:.2f}"
            lines.append(f"Agreement of {' and '.join(self.reviewers[:2])}: {self.agreement:.0%}{beyond}")
            if self.agreement < _LEAST_AGREEMENT:
                lines.append("WARNING: below 80%: refine the guidelines and review the disagreements together")
        return "\n".join(lines)


@attrs.frozen
class OpinionLog:
    """A file of opinions. The newest of a reviewer on a row counts."""

    path: Path

    def add(self, opinion: Opinion) -> None:
        """Append an opinion; it is on the disk when the call returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = f"{to_json(opinion)}\n".encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, hashes: Mapping[int, str]) -> tuple[Opinion, ...]:
        """The opinions that count, by row and reviewer; those on rows that have changed since are left out.

        Args:
            hashes: Each row's content hash.

        Raises:
            DataFormatError: A line isn't an opinion. A torn last line, as a crash leaves it, is passed over.
        """
        newest: dict[tuple[int, str], Opinion] = {}
        for opinion in self._lines():
            if hashes.get(opinion.row) == opinion.content_hash:
                newest[opinion.row, opinion.reviewer] = opinion
        return tuple(newest[key] for key in sorted(newest))

    def _lines(self) -> Iterable[Opinion]:
        if not self.path.exists():
            return
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                yield from_json(line, Opinion)
            except (ValueError, BaseValidationError) as error:
                raise DataFormatError(f"{self.path}: line {number}: not an opinion of a review ({error})") from error


def summarize(rows: int, opinions: Iterable[Opinion]) -> Summary:
    """What reviewers found, and how far the first two agree.

    Args:
        rows: Rows to review.
        opinions: One for each row and reviewer, as `OpinionLog.read` gives them.
    """
    by_row: dict[int, dict[str, bool]] = {}
    reviewers: list[str] = []
    for opinion in opinions:
        if opinion.reviewer not in reviewers:
            reviewers.append(opinion.reviewer)
        if opinion.verdict != "skip":
            by_row.setdefault(opinion.row, {})[opinion.reviewer] = opinion.verdict == "approve"
    pairs = _shared(by_row.values(), reviewers[:2])
    enough = len(pairs) >= _FEWEST_SHARED
    table = contingency_table(pairs, (True, False))
    mixed = enough and len({verdict for pair in pairs for verdict in pair}) > 1
    return Summary(
        rows=rows,
        reviewed=len(by_row),
        approved=sum(all(said.values()) for said in by_row.values()),
        rejected=sum(not all(said.values()) for said in by_row.values()),
        reviewers=tuple(reviewers),
        shared=len(pairs),
        agreement=sum(first == second for first, second in pairs) / len(pairs) if enough else None,
        kappa=cohen_kappa(table) if mixed else None,
    )


def _shared(rows: Iterable[Mapping[str, bool]], reviewers: Sequence[str]) -> list[tuple[bool, bool]]:
    """The verdicts of two reviewers on the rows that both have an opinion on."""
    if len(reviewers) < _FEWEST_SHARED:
        return []
    first, second = reviewers
    return [(said[first], said[second]) for said in rows if first in said and second in said]
