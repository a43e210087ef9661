"""A rollout's state in memory: a thread looks at the file, requests look at what it saw last.

Requests do no I/O. What was seen is trusted for one second: a process that was stopped, or whose disk hangs, serves
base until it has seen the file again. So nobody gets the tuned model later than one second after a rollback.
"""

import os
import threading
from pathlib import Path
from typing import Final

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.deployment.rollout import read_state
from finetuner.deployment.snapshot import Snapshot

EXPIRES_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.25

_Stamp = tuple[int, int, int] | None


def kill_switch(state_path: Path) -> Path:
    """The file whose mere presence sends everybody to base: `touch` it from any shell, remove it to go on."""
    return state_path.with_suffix(".kill")


class StatePoller:
    """What a rollout's file says, at most a second old.

    A forked child needs `reset`: threads don't cross a fork.
    """

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._kill = kill_switch(path)
        self._clock = clock
        self._epoch = -1
        self._stamp: _Stamp = None
        self._snapshot = Snapshot(None)
        self.reset()
        self.poll()

    def reset(self) -> None:
        """Begin anew in a forked child, without the parent's thread and locks."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> Snapshot | None:
        """What was seen last; None where that is too long ago to be trusted. No I/O."""
        snapshot = self._snapshot
        return snapshot if self._clock.monotonic() - snapshot.read_at < EXPIRES_SECONDS else None

    def poll(self) -> Snapshot:
        """Look at the files now."""
        with self._lock:
            now = self._clock.monotonic()
            killed = os.path.exists(self._kill)  # noqa: PTH110  # Path.exists raises where the folder can't be read
            stamp = _stamp(self._path)
            if stamp is not None and (stamp, killed) == (self._stamp, self._snapshot.killed):
                self._snapshot = self._snapshot.read_again(now)
            else:
                self._snapshot = self._read(now, killed=killed)
                self._stamp = stamp
            return self._snapshot

    def start(self) -> None:
        """Keep looking, in a daemon thread, until `stop`."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._stopped.clear()
                    self._thread = threading.Thread(target=self._run, name="finetuner-poller", daemon=True)
                    self._thread.start()

    def stop(self) -> None:
        """Stop looking; after a second nobody gets the tuned model any more."""
        self._stopped.set()
        self._thread = None

    def _run(self) -> None:
        stopped = self._stopped
        while not stopped.wait(_POLL_SECONDS):
            self.poll()

    def _read(self, now: float, *, killed: bool) -> Snapshot:
        try:
            state = read_state(self._path)
        except Exception:  # noqa: BLE001  # whatever is in the file: base only, and the thread goes on looking
            state = None
        # A state from before one that was seen, such as a database restored too late, must not undo a rollback.
        if state is not None and state.epoch < self._epoch:
            state = None
        if state is not None:
            self._epoch = state.epoch
        return Snapshot(state, killed=killed, read_at=now)


def _stamp(path: Path) -> _Stamp:
    try:
        seen = os.stat(path)  # noqa: PTH116  # a third of the time of Path.stat, four times a second in every worker
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
