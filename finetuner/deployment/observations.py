"""What was served and how it was liked: appended to one file per process, folded into the journal exactly once.

A line is the CRC-32 of the event in 8 hexadecimal digits, a space, the event as JSON, and a newline. A file has one
writer, so a line is cut short only by a crash, and only at the end.
"""

import os
import secrets
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import attrs
import cattrs

from finetuner._core import codec
from finetuner.deployment.state import Arm
from finetuner.errors import JournalError
from finetuner.records.journal import Journal
from finetuner.records.observations import EventRecord, ObservationRecords

Kind = Literal["exposure", "shadow", "feedback"]

_SUFFIX = ".events"
_LONGEST_LINE = 1 << 20


@attrs.frozen(kw_only=True)
class Observation:
    """One thing that happened.

    Attributes:
        kind: `exposure` (an answer was served), `shadow` (an answer nobody saw) or `feedback`.
        request_id: Of the answer.
        at: Seconds since the epoch.
        unit: Who was served; None where nobody was named.
        stage: The rollout's stage then.
        share: The share of tuned units then.
        assigned: The arm that the unit has.
        served: The arm that answered.
        analyzed: Whether the arm was decided by chance.
        latency: Seconds; of the assigned arm's answer, or until it failed.
        cost_usd: Where the prices are known.
        error: The class of what the assigned arm raised.
        quality: 0 to 1, of feedback.
    """

    kind: Kind
    request_id: str
    at: float
    unit: str | None = None
    stage: int = 0
    share: float = 0.0
    assigned: Arm = "base"
    served: Arm = "base"
    analyzed: bool = False
    latency: float = 0.0
    cost_usd: float | None = None
    error: str | None = None
    quality: float | None = None


class Segment:
    """The file that this process appends to; a forked child opens one of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor = -1
        self._pid = 0

    def append(self, *events: Observation) -> None:
        """Append events with one write.

        Raises:
            OSError: The disk refused; what was written in part is cut off when it is read.
        """
        data = b"".join(_line(event) for event in events)
        with self._lock:
            if self._pid != os.getpid():
                self._open()
            written = os.write(self._descriptor, data)
            if written < len(data):
                # A torn line ends what is readable of a file: the next event begins another.
                os.close(self._descriptor)
                self._pid = 0
                raise OSError(f"only {written} of {len(data)} bytes of events fit on the disk of {self._folder}")

    def close(self) -> None:
        """Flush to the disk and close; appending again begins another file."""
        with self._lock:
            if self._pid == os.getpid():
                os.fsync(self._descriptor)
                os.close(self._descriptor)
            self._pid = 0

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._pid = os.getpid()


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Observation]]:
    """The whole events of a file from a byte on, each with the byte that it begins at.

    Reading ends before a line that isn't whole yet.

    Raises:
        JournalError: A line inside the file was changed.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while line := file.readline(_LONGEST_LINE):
            event = _parse(line)
            if event is None:
                if file.read(1):
                    raise JournalError(f"{path}: the event at byte {offset} was damaged; move the file away to go on")
                return
            yield offset, event
            offset += len(line)


def fold(folder: Path, journal: Journal, rollout: str) -> int:
    """Take every new event of a folder into the journal, and tell how many.

    An event is taken once, by its file and byte, however often and by however many this is called.

    Raises:
        JournalError: A file was changed, or the journal can't be written.
    """
    return sum(_fold_file(path, journal, rollout) for path in sorted(folder.glob(f"*{_SUFFIX}")))


def folded(journal: Journal, rollout: str) -> tuple[Observation, ...]:
    """Every event of a rollout in the journal, by the time that it happened."""
    return tuple(codec.from_json(body, Observation) for body in ObservationRecords(journal).bodies(rollout))


def _fold_file(path: Path, journal: Journal, rollout: str) -> int:
    def fresh(offset: int) -> Iterator[EventRecord]:
        for place, event in read(path, offset):
            yield EventRecord(
                offset=place, kind=event.kind, request_id=event.request_id, body=codec.to_json(event), at=event.at
            )

    return ObservationRecords(journal).fold(rollout, path.name, fresh)


def _line(event: Observation) -> bytes:
    body = codec.to_json(event).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> Observation | None:
    body = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(body):
        return None
    try:
        return codec.from_json(body, Observation)
    except (ValueError, cattrs.BaseValidationError):
        return None
