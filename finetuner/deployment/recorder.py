"""Hands events from request threads to the disk, and never lets the disk hold up a request.

A request puts its event into a spool in memory (see `spool`), so that it survives a kill -9 of the process, and into a
bounded queue. A thread writes what waits every hundredth of a second, and another flushes four times a second, so that
a power cut loses no more than that. What doesn't fit into memory while the disk refuses is dropped, and the next write
that the disk takes is followed by how much that was.
"""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from finetuner.deployment.observations import Observation, line
from finetuner.deployment.segments import Segment
from finetuner.deployment.spool import MEMORY, Spool, recover, spool_folder

_GATHER_SECONDS: Final = 0.01
_SYNC_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 0.5
_IDLE_LOOKS: Final = 50
_BATCH: Final = 2000
_MOST_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_MOST_SPOOL_BYTES: Final = 16 * 1024 * 1024
_SPOOL_BYTES: Final = 1024 * 1024


@attrs.frozen(kw_only=True)
class RecorderOptions:
    """Bounds of what waits for the disk.

    Attributes:
        capacity: Events in memory while the disk is slow or full; later ones are lost, and counted.
        most_bytes: Bytes of them.
        memory: A folder in memory (`tmpfs`) for spools; None for no spools.
    """

    capacity: int = 50_000
    most_bytes: int = 64 * 1024 * 1024
    memory: Path | None = MEMORY


class Recorder:
    """Appends events to this process's segment, in a thread of its own.

    A forked child needs `reset`: threads don't cross a fork, and what waits is written by the parent.
    """

    def __init__(self, folder: Path, options: RecorderOptions | None = None) -> None:
        self._options = options or RecorderOptions()
        self._folder = folder
        self._segment = Segment(folder)
        self._spool: Spool | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._torn = False
        self._lost: Counter[str] = Counter()
        self._untold = 0
        self._last_dropped: Observation | None = None
        self._wake = threading.Event()
        self._asleep = False
        self._stop = threading.Event()
        self._dirty = threading.Event()
        self._thread: threading.Thread | None = None

    def reset(self) -> None:
        """Begin anew in a forked child."""
        if self._spool is not None:
            self._spool.abandon()
        self._spool = None
        self._segment.abandon()
        self._segment = Segment(self._folder)
        self._begin()

    @property
    def lost(self) -> Mapping[str, int]:
        """Events that are in no file, by reason."""
        with self._lock:
            return dict(self._lost)

    @property
    def waiting(self) -> int:
        """Events that are in no segment yet."""
        return len(self._waiting)

    def append(self, event: Observation) -> bool:
        """Record an event; True when it survives a kill -9 from now on. Never raises, never waits for a disk."""
        data = line(event)
        if self._thread is None:
            self._start()
        with self._lock:
            if len(self._waiting) >= self._options.capacity or self._bytes + len(data) > self._options.most_bytes:
                self._drop(event)
                return False
            spooled = self._queue(data)
        if self._asleep:
            self._wake.set()
        return spooled

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, flush, and stop; what the disk doesn't take in so many seconds is lost, and counted."""
        thread = self._thread
        if thread is None:
            return
        self._stop.set()
        self._wake.set()
        thread.join(timeout)
        with self._lock:
            self._lost["closing"] += len(self._waiting)
            self._lost += Counter()  # leaves zeros out
            self._waiting.clear()
            self._bytes = 0

    def _queue(self, data: bytes) -> bool:
        """Have a line wait for the disk; whether the spool has it too. The lock is held."""
        self._waiting.append(data)
        self._bytes += len(data)
        return self._spooled(data)

    def _drop(self, event: Observation) -> None:
        """Count an event that is dropped. The lock is held."""
        self._lost["disk"] += 1
        self._untold += 1
        if self._last_dropped is None or event.stage >= self._last_dropped.stage:  # feedback knows no stage
            self._last_dropped = event

    def _confess(self) -> None:
        """Have the number of dropped events follow what the disk took. The lock is held."""
        last = self._last_dropped
        if last is None:
            return
        told = Observation(
            kind="dropped",
            request_id=last.request_id,
            at=last.at,
            stage=last.stage,
            epoch=last.epoch,
            lost="disk",
            count=self._untold,
        )
        self._untold, self._last_dropped = 0, None
        self._queue(line(told))

    def _spooled(self, data: bytes) -> bool:
        """Whether the event is in the spool. The lock is held."""
        if self._spool is None:
            return False
        try:
            if self._spool.size + len(data) <= _MOST_SPOOL_BYTES:
                self._spool.append(data)
                return True
        except OSError:  # memory is full
            pass
        # A gap would tell a recovery the wrong bytes: the next spool begins when the disk has caught up.
        self._spool.remove()
        self._spool = None
        return False

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._stop.clear()
            if self._spool is None:
                self._spool_on()
            self._thread = threading.Thread(target=self._write_on, name="finetuner-recorder", daemon=True)
            self._thread.start()
            threading.Thread(target=self._sync_on, name="finetuner-sync", daemon=True).start()

    def _write_on(self) -> None:
        with suppress(OSError):  # tried again by whoever folds
            recover(self._folder, self._options.memory or MEMORY)
        idle = 0
        while not self._stop.is_set():
            idle = 0 if self._waiting else idle + 1
            if idle > _IDLE_LOOKS:
                self._sleep()
            # Looking a hundred times a second costs requests less than waking this thread for each of them.
            self._stop.wait(_GATHER_SECONDS if self._write() else _RETRY_SECONDS)
        self._write()
        self._finish()

    def _sleep(self) -> None:
        """Wait until somebody appends."""
        self._wake.clear()
        self._asleep = True
        if not (self._waiting or self._stop.is_set()):
            self._wake.wait()
        self._asleep = False

    def _write(self) -> bool:
        """Write what waits; whether the disk took it."""
        while True:
            with self._lock:
                batch = list(islice(self._waiting, _BATCH))
            if not batch:
                return True
            try:
                written = self._segment.write(b"".join(batch))
            except OSError:  # a full or dead disk: tried again later, and counted where memory gets too small
                return False
            self._dirty.set()
            with self._lock:
                self._forget(written)
                self._confess()
                self._turn_over()

    def _forget(self, written: int) -> None:
        """Drop the bytes that the disk took; a line that it took in part goes on where it was cut."""
        self._bytes -= written
        self._torn = False
        while written:
            first = self._waiting.popleft()
            if len(first) > written:
                self._waiting.appendleft(first[written:])
                self._torn = True
            written -= min(written, len(first))

    def _turn_over(self) -> None:
        """Begin another segment or spool where one is large enough. The lock is held."""
        if self._segment.size >= _MOST_SEGMENT_BYTES and not self._torn:
            with suppress(OSError):  # the end of a file: what is in it is with the operating system
                self._segment.close()
            self._segment = Segment(self._folder)
            self._spool_on()
        elif self._spool is None or self._spool.size >= _SPOOL_BYTES:
            self._spool_on()

    def _spool_on(self) -> None:
        """Begin a spool with what waits, where the segment ends. The lock is held."""
        memory = self._options.memory
        spools = None if memory is None else spool_folder(self._folder, memory)
        if spools is None:
            return
        previous, self._spool = self._spool, None
        with suppress(OSError):  # memory is full: until there is room, events survive the process only once written
            self._spool = Spool(spools, self._segment.name, self._segment.size, self._waiting)
        if previous is not None:
            previous.remove()

    def _finish(self) -> None:
        with suppress(OSError):  # what was written is with the operating system nevertheless
            self._segment.close()
        with self._lock:
            self._segment = Segment(self._folder)
            if self._spool is not None:
                self._spool.remove()
                self._spool = None
            self._thread = None

    def _sync_on(self) -> None:
        while not self._stop.wait(_SYNC_SECONDS):
            if self._dirty.is_set():
                self._dirty.clear()
                try:
                    self._segment.sync()
                except OSError:
                    self._dirty.set()
