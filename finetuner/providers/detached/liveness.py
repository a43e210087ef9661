"""Whether the process that trains a job is still there, told apart from another one that got its number."""

import time
from socket import gethostname
from typing import Final

import attrs

from finetuner._core.processes import exists, start_of

_STALE: Final = 120.0


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
        return cls(pid=pid, host=gethostname(), started=start_of(pid) or "", launch=launch)

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
            return start_of(self.pid) == self.started
        return beating and exists(self.pid)
