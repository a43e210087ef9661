"""Whether a process of this machine still runs, told apart from a later one that got its number."""

import os
from pathlib import Path
from typing import Final

_STAT: Final = "/proc/{pid}/stat"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_START_FIELD: Final = 19  # field 22 of proc(5) stat, counted from the one behind the name


def start_of(pid: int) -> str | None:
    """The machine's boot and the process's start in ticks since then.

    Returns:
        None when there is no such process or it is a zombie; `""` where the system doesn't tell.
    """
    if not _BOOT.exists():
        return ""
    try:
        fields = Path(_STAT.format(pid=pid)).read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else f"{_BOOT.read_text('ascii').strip()}/{fields[_START_FIELD]}"


def exists(pid: int) -> bool:
    """Whether any process has this number now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
