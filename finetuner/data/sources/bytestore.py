"""Bytes that can be read from any place: in memory, or in a file that is held open."""

import os
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, Protocol

_IN_MEMORY: Final = 8 * 1024 * 1024


class Bytes(Protocol):
    """Bytes that never change."""

    def __len__(self) -> int:
        """How many."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """Those from `start` to before `end`; fewer where there are fewer by now."""
        ...


class InMemory:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def read(self, start: int, end: int) -> bytes:
        """Those from `start` to before `end`."""
        return self._data[start:end]


class OnDisk:
    """Bytes of a file, held open so that they stay what they were when the path gets another file.

    The file isn't mapped into memory: a file that someone cuts off gives fewer bytes then, where a map would end the
    process. May be read from several threads.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._turn = threading.Lock()
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, path: Path) -> "OnDisk":
        """The bytes of a file.

        Raises:
            OSError: It can't be opened.
        """
        return cls(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, end: int) -> bytes:
        """Those from `start` to before `end`; fewer where the file was cut off."""
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, end - start, start)
        with self._turn:  # Windows has no pread
            os.lseek(self._descriptor, start, os.SEEK_SET)
            return os.read(self._descriptor, end - start)


def held(pieces: Iterable[bytes]) -> Bytes:
    """The pieces as one: in memory where they are few, else in a temporary file that nobody else sees."""
    start: list[bytes] = []
    size = 0
    rest = iter(pieces)
    for piece in rest:
        start.append(piece)
        size += len(piece)
        if size > _IN_MEMORY:
            break
    else:
        return InMemory(b"".join(start))
    with TemporaryFile(buffering=0) as file:
        file.writelines(start)
        start.clear()
        file.writelines(rest)
        return OnDisk(os.dup(file.fileno()))
