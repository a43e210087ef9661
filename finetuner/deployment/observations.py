"""What was served and how it was liked: appended to one file per process, folded into the journal exactly once.

A line is the CRC-32 of the event in 8 hexadecimal digits, a space, the event as JSON, and a newline. A file has one
writer, so a line is cut short only by a crash, and only at the end.
"""

import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs
import msgspec

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.deployment.segments import SUFFIX, Segment
from finetuner.deployment.spool import recover
from finetuner.deployment.state import Arm
from finetuner.errors import JournalError, UsageError
from finetuner.records.journal import Journal
from finetuner.records.observations import EventRecord, ObservationRecords

Kind = Literal["exposure", "shadow", "feedback", "verdict", "dropped"]

_LONGEST_LINE = 1 << 24
_BATCH = 10_000


@attrs.frozen(kw_only=True)
class Observation:
    """One thing that happened.

    Attributes:
        kind: `exposure` (an answer was served), `shadow` (an answer nobody saw), `feedback` (how good an answer was),
            `verdict` (how good both answers to a shadowed request were) or `dropped` (events that never reached a
            file: the disk was full for longer than memory could hold them).
        request_id: Of the answer; exposure, shadow, feedback and verdict of a request share it.
        at: Seconds since the epoch.
        unit: Who was served; None where nobody was named.
        stage: The rollout's stage then.
        epoch: The rollout's epoch then.
        share: The share of tuned units then.
        assigned: The arm that the unit has.
        served: The arm that answered.
        reason: What decided the arm; `breaker` or `saturated` where tuned was assigned and not asked.
        analyzed: Whether the arm was decided by chance, and asked.
        latency: Seconds; of the assigned arm's answer, or until it failed.
        waited: Seconds that the caller waited in all.
        first_token: Seconds to the first piece of a streamed answer.
        prompt_tokens: Where the model tells.
        completion_tokens: Likewise.
        cached_tokens: Likewise.
        cost_usd: Where the prices are known.
        finish_reason: As the model gave it; `closed` where the caller left a stream before its end.
        error: The class of what the assigned arm raised; `Timeout` where it was late.
        lost: Why a sampled shadow has no answer, or why events were dropped.
        valid: Whether the answer is what it must be, where the router was told how to see that.
        quality: 0 to 1, of feedback; of base's answer, of a verdict.
        tuned_quality: 0 to 1, of tuned's answer, of a verdict.
        prompt: What was asked, where texts are kept.
        answer: What was answered, likewise.
        count: How many events were dropped.
    """

    kind: Kind
    request_id: str
    at: float
    unit: str | None = None
    stage: int = 0
    epoch: int = 0
    share: float = 0.0
    assigned: Arm = "base"
    served: Arm = "base"
    reason: str = "bucket"
    analyzed: bool = False
    latency: float = 0.0
    waited: float = 0.0
    first_token: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    finish_reason: str | None = None
    error: str | None = None
    lost: str | None = None
    valid: bool | None = None
    quality: float | None = None
    tuned_quality: float | None = None
    prompt: str | None = None
    answer: str | None = None
    count: int = 1


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Observation).decode


def line(event: Observation) -> bytes:
    """The line of a segment that holds an event; halves of surrogate pairs become question marks."""
    try:
        body = _encode(event)
    except UnicodeEncodeError:
        whole = {
            name: value.encode(errors="replace").decode() if isinstance(value, str) else value
            for name, value in attrs.asdict(event).items()
        }
        body = _encode(whole)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def feedback(request_id: str, quality: float, *, at: float) -> Observation:
    """How good an answer was.

    Args:
        request_id: Of the answer.
        quality: 0 (useless) to 1.
        at: Seconds since the epoch.

    Raises:
        UsageError: The quality is outside 0 to 1.
    """
    if not 0 <= quality <= 1:
        raise UsageError(f"quality is {quality}: give 0 (useless) to 1")
    return Observation(kind="feedback", request_id=request_id, at=at, quality=quality)


def record(folder: Path, *events: Observation) -> None:
    """Append events from any process and have them on disk when this returns: feedback that comes days later.

    Args:
        folder: `Rollout.events_folder`.
        events: In order.

    Raises:
        OSError: The disk refused.
    """
    with Segment(folder) as segment:
        segment.append(b"".join(map(line, events)))


def record_feedback(folder: Path, request_id: str, *, quality: float, clock: Clock = SYSTEM_CLOCK) -> None:
    """Tell from any process, with or without a router, how good an answer was.

    Args:
        folder: `Rollout.events_folder`.
        request_id: Of the answer.
        quality: 0 (useless) to 1.
        clock: Tells when.

    Raises:
        UsageError: The quality is outside 0 to 1.
        OSError: The disk refused.
    """
    record(folder, feedback(request_id, quality, at=clock.now()))


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Observation]]:
    """The whole events of a file from a byte on, each with the byte that it begins at.

    Reading ends before a line that isn't whole yet.

    Raises:
        JournalError: A line inside the file was changed.
    """
    for place, _, event in _lines(path, offset):
        yield place, event


def fold(folder: Path, journal: Journal, rollout: str) -> int:
    """Take every new event of a folder into the journal, and tell how many.

    An event is taken once, by its file and byte, however often and by however many this is called. What processes of
    this host had left in memory when they were killed is taken too.

    Raises:
        JournalError: A file was changed, or the journal can't be written.
    """
    recover(folder)
    return sum(_fold_file(path, journal, rollout) for path in sorted(folder.glob(f"*{SUFFIX}")))


def folded(journal: Journal, rollout: str) -> tuple[Observation, ...]:
    """Every event of a rollout in the journal, by the time that it happened."""
    return tuple(_decode(body) for body in ObservationRecords(journal).bodies(rollout))


def _fold_file(path: Path, journal: Journal, rollout: str) -> int:
    def fresh(offset: int) -> Iterator[EventRecord]:
        for place, body, event in _lines(path, offset):
            yield EventRecord(
                offset=place, kind=event.kind, request_id=event.request_id, body=body.decode(), at=event.at
            )

    records = ObservationRecords(journal)
    total = 0
    while taken := records.fold(rollout, path.name, lambda offset: itertools.islice(fresh(offset), _BATCH)):
        total += taken
    return total


def _lines(path: Path, offset: int) -> Iterator[tuple[int, bytes, Observation]]:
    with path.open("rb") as file:
        file.seek(offset)
        while raw := file.readline(_LONGEST_LINE):
            event = _parse(raw)
            if event is None:
                if file.read(1):
                    raise JournalError(f"{path}: the event at byte {offset} was damaged; move the file away to go on")
                return
            yield offset, raw[9:-1], event
            offset += len(raw)


def _parse(raw: bytes) -> Observation | None:
    body = raw[9:-1]
    if not raw.endswith(b"\n") or raw[:9] != b"%08x " % zlib.crc32(body):
        return None
    try:
        return _decode(body)
    except ValueError:
        return None
