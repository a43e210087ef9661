"""What isn't in a segment yet, in a file in memory: it survives a kill -9 of its process, and never waits for a disk.

A spool holds the bytes of its segment from an offset on, which its name tells: `<segment>.<offset>.spool`. Its writer
locks it; whoever gets the lock knows that the writer is gone, and appends to the segment what that lacks. Linux only:
elsewhere there is no folder in memory, and a killed process loses its last hundredth of a second.
"""

import hashlib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the point is that it lies in memory; the folder in it is private
_SUFFIX: Final = ".spool"


def spool_folder(folder: Path, memory: Path = MEMORY, *, make: bool = True) -> Path | None:
    """The private folder in memory that belongs to a folder of events; None where there is none, or can't be one."""
    if not sys.platform.startswith("linux") or not memory.is_dir():
        return None
    digest = hashlib.sha256(str(folder.absolute()).encode(errors="surrogatepass")).hexdigest()[:24]
    path = memory / f"finetuner-{os.getuid()}-{digest}"
    try:
        if make:
            path.mkdir(mode=0o700, exist_ok=True)
        seen = path.lstat()
    except OSError:
        return None
    private = seen.st_uid == os.getuid() and seen.st_mode & 0o077 == 0
    return path if private and path.is_dir() and not path.is_symlink() else None


class Spool:
    """The spool of one segment from one offset on. Not synchronized.

    Attributes:
        size: Bytes in it.
    """

    def __init__(self, folder: Path, segment: str, offset: int, lines: Iterable[bytes]) -> None:
        """Begin with lines that wait already.

        Raises:
            OSError: Memory is full.
        """
        self._path = folder / f"{segment}.{offset}{_SUFFIX}"
        temporary = self._path.with_suffix(".new")
        self._descriptor = os.open(temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self.size = 0
        try:
            _lock(self._descriptor)
            self.append(b"".join(lines))
            temporary.rename(self._path)
        except OSError:
            os.close(self._descriptor)
            temporary.unlink()
            raise

    def append(self, data: bytes) -> None:
        """Add whole lines.

        Raises:
            OSError: Memory is full; what was added in part is left out when it is recovered.
        """
        written = os.write(self._descriptor, data)
        self.size += written
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes fit into {self._path}")

    def remove(self) -> None:
        """Remove it: its segment has everything."""
        with suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()  # where it was the last one
        self.abandon()

    def abandon(self) -> None:
        """In a forked child: forget the parent's file."""
        os.close(self._descriptor)


def recover(folder: Path, memory: Path = MEMORY) -> int:
    """Complete the segments of processes that were killed, and tell how many that were.

    Args:
        folder: Of segments.
        memory: Where spools lie.

    Raises:
        OSError: The disk refused; trying again goes on where it stopped.
    """
    spools = spool_folder(folder, memory, make=False)
    if spools is None:
        return 0
    recovered = sum(_recover(path, folder) for path in sorted(spools.glob(f"*{_SUFFIX}")))
    with suppress(OSError):  # others still live there
        spools.rmdir()
    return recovered


def _recover(path: Path, folder: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Whoever recovered it before has removed it.
        if not _lock(descriptor) or os.fstat(descriptor).st_nlink == 0:
            return False
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read()
        segment, _, offset = path.name.removesuffix(_SUFFIX).rpartition(".")
        _complete(folder / segment, int(offset), data[: data.rfind(b"\n") + 1])
        path.unlink()
        return True
    finally:
        os.close(descriptor)


def _complete(segment: Path, offset: int, data: bytes) -> None:
    """Append to a segment what it lacks of the data that belongs at an offset."""
    segment.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(segment, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        there = os.fstat(descriptor).st_size - offset
        missing = data[there:] if there >= 0 else b""
        while missing:
            missing = missing[os.write(descriptor, missing) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock of an open file could be had; it is held until the file is closed, or its process dies."""
    import fcntl  # not on Windows, where there are no spools

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
