"""The file that one process appends its events to."""

import os
import re
import secrets
import socket
import threading
from pathlib import Path
from typing import Final, Self

SUFFIX: Final = ".events"
_HOST: Final = re.compile(r"[^A-Za-z0-9-]")
_LONGEST_HOST: Final = 32


def segment_name() -> str:
    """A name that no other process uses, on this host or another that shares the journal."""
    host = _HOST.sub("-", socket.gethostname())[:_LONGEST_HOST]
    return f"{host}-{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"


class Segment:
    """A file of lines with one writer; made at the first write. Thread-safe.

    Attributes:
        name: The file's.
        size: Bytes written so far.
    """

    def __init__(self, folder: Path) -> None:
        self.name = segment_name()
        self.size = 0
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor = -1

    def write(self, data: bytes) -> int:
        """Append with one write, and tell how many bytes the disk took.

        Raises:
            OSError: It took none.
        """
        with self._lock:
            if self._descriptor < 0:
                self._folder.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._descriptor = os.open(self._folder / self.name, flags, 0o600)
            written = os.write(self._descriptor, data)
            self.size += written
            return written

    def append(self, data: bytes) -> None:
        """Append all of it.

        Raises:
            OSError: The disk refused. What it took is a torn end, which readers leave out.
        """
        while data:
            data = data[self.write(data) :]

    def sync(self) -> None:
        """Have what was written survive a power cut."""
        with self._lock:
            # A copy, so that writing goes on while the disk works.
            descriptor = os.dup(self._descriptor) if self._descriptor >= 0 else -1
        if descriptor >= 0:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Flush to the disk and close."""
        try:
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without flushing; in a forked child, the parent's file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
