"""Hands events from request threads to the disk, and never lets the disk hold up a request.

A request waits until its event is with the operating system (it then survives a kill -9 of the process), but no longer
than two milliseconds, and not at all while the disk is known to be slow or full. Every quarter of a second the file is
flushed, so that a power cut loses no more than that.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

import attrs

from finetuner.deployment.observations import Observation, line
from finetuner.deployment.segments import Segment, TornWriteError

_BATCH: Final = 1000
_SYNC_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 0.5


@attrs.frozen(kw_only=True)
class RecorderOptions:
    """Bounds of what waits for the disk.

    Attributes:
        acknowledge: Seconds that a request waits for its event to be written; 0 never waits.
        capacity: Events in memory while the disk is slow or full; later ones are lost, and counted.
        most_bytes: Bytes of them.
    """

    acknowledge: float = 0.002
    capacity: int = 50_000
    most_bytes: int = 64 * 1024 * 1024


_Item = tuple[Observation, "threading.Lock | None"]


class Recorder:
    """Appends events to this process's segment, in a thread of its own.

    A forked child needs `reset`: threads don't cross a fork, and what waits is written by the parent.
    """

    def __init__(self, folder: Path, options: RecorderOptions | None = None) -> None:
        self._options = options or RecorderOptions()
        self._segment = Segment(folder)
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self._segment.abandon()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._lost: Counter[str] = Counter()
        self._bytes = 0
        self._left: deque[bytes] = deque()
        self._left_bytes = 0
        self._retry_at = 0.0
        self._healthy = True
        self._dirty = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def lost(self) -> Mapping[str, int]:
        """Events that are in no file, by reason."""
        return dict(self._lost)

    @property
    def waiting(self) -> int:
        """Events that are in no file yet."""
        return self._queue.qsize() + len(self._left)

    def append(self, event: Observation, *, wait: bool = True) -> bool:
        """Record an event; True when it is with the operating system already. Never raises, never waits for long."""
        options = self._options
        texts = len(event.prompt or "") + len(event.answer or "")
        if self._queue.qsize() >= options.capacity or (texts and self._bytes + texts > options.most_bytes):
            self._lose("disk", 1)
            return False
        if texts:
            with self._lock:
                self._bytes += texts
        if self._thread is None:
            self._start()
        if not (wait and self._healthy and options.acknowledge):
            self._queue.put((event, None))
            return False
        written = threading.Lock()
        written.acquire()
        self._queue.put((event, written))
        if written.acquire(timeout=options.acknowledge):
            return True
        # Whoever comes next doesn't wait for a disk that is slow now.
        self._healthy = False
        return False

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, flush, and stop; what the disk doesn't take in so many seconds is lost, and counted."""
        thread = self._thread
        if thread is None:
            return
        self._stopping.set()
        self._queue.put(None)
        thread.join(timeout)
        if thread.is_alive():
            self._lose("closing", self.waiting)
            return
        self._lose("closing", len(self._left))
        self._left.clear()
        self._left_bytes = 0

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._write_on, name="finetuner-recorder", daemon=True)
                self._thread.start()
                threading.Thread(target=self._sync_on, name="finetuner-sync", daemon=True).start()

    def _write_on(self) -> None:
        stop = False
        while not stop:
            items, stop = self._take()
            self._write(items)
        self._finish()

    def _take(self) -> tuple[list[_Item], bool]:
        """What waits, at most a batch; blocks until there is something, or until it is time to try again."""
        items: list[_Item] = []
        try:
            item = self._queue.get(timeout=_RETRY_SECONDS if self._left else None)
            while item is not None:
                items.append(item)
                if len(items) == _BATCH:
                    return items, False
                item = self._queue.get_nowait()
        except Empty:
            return items, False
        return items, True

    def _write(self, items: Sequence[_Item]) -> None:
        self._keep(event for event, _ in items)
        if self._left and time.monotonic() >= self._retry_at:
            self._flush()
        self._healthy = not self._left
        if self._healthy:
            for _, written in items:
                if written is not None:
                    written.release()

    def _keep(self, events: Iterable[Observation]) -> None:
        """Put events behind what is left; the newest are lost where memory has no room for them."""
        for event in events:
            texts = len(event.prompt or "") + len(event.answer or "")
            if texts:
                with self._lock:
                    self._bytes -= texts
            data = line(event)
            full = self._left_bytes + len(data) > self._options.most_bytes
            if full or len(self._left) >= self._options.capacity:
                self._lose("disk", 1)
            else:
                self._left.append(data)
                self._left_bytes += len(data)

    def _flush(self) -> None:
        """Write what is left, a batch at a time, as far as the disk takes it."""
        while self._left:
            batch = list(islice(self._left, _BATCH))
            taken = self._append(batch)
            if taken:
                self._dirty.set()
            for _ in range(taken):
                self._left_bytes -= len(self._left.popleft())
            if taken < len(batch):
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                return

    def _append(self, batch: Sequence[bytes]) -> int:
        """How many of the lines the disk took."""
        try:
            self._segment.append(b"".join(batch))
        except TornWriteError as torn:
            return _whole(batch, torn.written)
        except OSError:  # a full or dead disk: tried again later, and counted where memory gets too small
            return 0
        return len(batch)

    def _lose(self, reason: str, events: int) -> None:
        if events:
            with self._lock:
                self._lost[reason] += events

    def _finish(self) -> None:
        self._retry_at = 0.0
        self._flush()
        try:
            self._segment.close()
        except OSError:  # what was written is with the operating system nevertheless
            self._lose("unsynced", 1)
        with self._lock:
            self._thread = None

    def _sync_on(self) -> None:
        stopping = self._stopping
        while not stopping.wait(_SYNC_SECONDS):
            if self._dirty.is_set():
                self._dirty.clear()
                try:
                    self._segment.sync()
                except OSError:
                    self._dirty.set()


def _whole(lines: Iterable[bytes], written: int) -> int:
    """How many of the lines are in the first bytes."""
    whole = 0
    for text in lines:
        written -= len(text)
        if written < 0:
            break
        whole += 1
    return whole
