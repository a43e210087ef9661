"""The file that one process appends its events to."""

import os
import re
import secrets
import socket
import threading
from pathlib import Path
from typing import Final, Self

SUFFIX: Final = ".events"
_MOST_BYTES: Final = 64 * 1024 * 1024
_HOST: Final = re.compile(r"[^A-Za-z0-9-]")


class TornWriteError(OSError):
    """A write ended early.

    Attributes:
        written: Bytes that are in the file.
    """

    def __init__(self, written: int, size: int, folder: Path) -> None:
        super().__init__(f"only {written} of {size} bytes of events fit on the disk of {folder}")
        self.written = written


class Segment:
    """The file that this process appends to; a forked child opens one of its own. Thread-safe.

    A file that has grown to 64 MB is followed by another. Its name begins with the host's, so that hosts can share a
    journal.
    """

    def __init__(self, folder: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._descriptor = -1
        self._pid = 0
        self._size = 0

    def append(self, data: bytes) -> None:
        """Append whole lines with one write.

        Raises:
            OSError: The disk refused: nothing was written, or (`TornWriteError`) only a part. The next write begins
                another file, because a torn line ends what is readable of this one.
        """
        with self._lock:
            if self._pid != os.getpid() or self._size >= self._most_bytes:
                self._open()
            written = os.write(self._descriptor, data)
            self._size += written
            if written < len(data):
                self._shut()
                raise TornWriteError(written, len(data), self._folder)

    def sync(self) -> None:
        """Have what was appended survive a power cut."""
        with self._lock:
            # A copy, so that appending goes on while the disk works.
            descriptor = os.dup(self._descriptor) if self._pid == os.getpid() else -1
        if descriptor >= 0:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Flush to the disk and close; appending again begins another file."""
        self.sync()
        with self._lock:
            self._shut()

    def abandon(self) -> None:
        """In a forked child: forget the parent's file, and its lock, which a thread may have held."""
        self._lock = threading.Lock()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._pid = -1, 0

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> None:
        if self._pid == os.getpid():
            self._shut()
        self._folder.mkdir(parents=True, exist_ok=True)
        host = _HOST.sub("-", socket.gethostname())[:32]
        path = self._folder / f"{host}-{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._pid, self._size = os.getpid(), 0

    def _shut(self) -> None:
        if self._pid == os.getpid() and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._pid = -1, 0
