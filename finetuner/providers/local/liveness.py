"""Whether the process that trains a job is still there, told apart from another one that got its number."""

import os
import time
from pathlib import Path
from socket import gethostname
from typing import Final

import attrs

_STALE: Final = 120.0
_STAT: Final = "/proc/{pid}/stat"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_START_FIELD: Final = 19  # field 22 of proc(5) stat, counted from the one behind the name


@attrs.frozen(kw_only=True)
class ProcessIdentity:
    """A process, for good: numbers come back, a number with its start doesn't.

    Attributes:
        pid: Its number.
        host: The machine's name.
        started: The machine's boot and the process's start in ticks since then; empty where the system doesn't tell.
        launch: Which start of the job it is.
    """

    pid: int
    host: str
    started: str
    launch: int

    @classmethod
    def of(cls, pid: int, launch: int) -> "ProcessIdentity":
        """A process of this machine, as it is now."""
        return cls(pid=pid, host=gethostname(), started=_started(pid) or "", launch=launch)

    def alive(self, heartbeat: float) -> bool:
        """Whether it still runs.

        Args:
            heartbeat: When it last gave a sign of life, in seconds since the epoch: all there is to go by on another
                machine, and what guards against a reused number where the system doesn't tell when processes started.
        """
        beating = time.time() - heartbeat < _STALE
        if self.host != gethostname():
            return beating
        if self.started:
            return _started(self.pid) == self.started
        return beating and _exists(self.pid)


def _started(pid: int) -> str | None:
    """Boot and start of a running process; None when there is none or it is a zombie; `""` where nobody tells."""
    if not _BOOT.exists():
        return ""
    try:
        fields = Path(_STAT.format(pid=pid)).read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else f"{_BOOT.read_text('ascii').strip()}/{fields[_START_FIELD]}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
