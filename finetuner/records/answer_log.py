"""Answers as they come in: one append-only file for each process, written before an answer counts.

An answer is one `write` to a file that no other process writes: when the call returns, the answer survives the death of
its process. The disk is told to hold it (`fdatasync`) about once a second and at the end, so a power cut costs the
answers of a second. Files are folded into the journal when their process is done or dead.
"""

import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from finetuner.errors import JournalError

if sys.platform == "win32":

    def _claim(file: int, *, wait: bool) -> bool:
        """Whether a file is ours alone; on Windows, logs of others are read and left where they are."""
        del file
        return wait

else:
    import fcntl

    def _claim(file: int, *, wait: bool) -> bool:
        """Whether a file is ours alone from now on, until it is closed."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


_SYNC_SECONDS: Final = 1.0
_SUFFIX: Final = ".jsonl"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a log.

    Attributes:
        row: Row number.
        answer: The answer as JSON, not decoded.
        key: Of the request, where its answer may serve other evaluations.
        at: Seconds since the epoch.
    """

    row: int
    answer: msgspec.Raw
    key: str | None = None
    at: float = 0.0


class AnswerLog:
    """The answers of one process to one evaluation. Safe in several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalError(f"answers can't be kept at {path}: {error.strerror}") from error
        _claim(self._file, wait=True)

    @classmethod
    def create(cls, folder: Path) -> "AnswerLog":
        """A new log in a folder."""
        return cls(folder / f"{os.getpid()}-{secrets.token_hex(6)}{_SUFFIX}")

    def append(self, row: int, answer: Any, key: str | None = None) -> None:
        """Keep one answer (an attrs object or plain JSON value); it survives this process when the call returns.

        Raises:
            JournalError: The disk refused.
        """
        line = msgspec.json.encode(Entry(row, msgspec.Raw(msgspec.json.encode(answer)), key, time.time())) + b"\n"
        with self._lock:  # a line that was cut short by a full disk must not be glued to the next one
            try:
                written = os.write(self._file, line)
                if written < len(line):
                    os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                    self._refuse("the disk is full")
                if time.monotonic() - self._synced > _SYNC_SECONDS:
                    self._sync()
            except OSError as error:
                self._refuse(error.strerror or str(error))

    def close(self) -> None:
        """Have the disk hold everything, and let others fold the file."""
        try:
            self._sync()
        finally:
            os.close(self._file)

    def _sync(self) -> None:
        getattr(os, "fdatasync", os.fsync)(self._file)
        self._synced = time.monotonic()

    def _refuse(self, reason: str) -> None:
        raise JournalError(f"an answer can't be kept at {self.path}: {reason}")

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def entries(path: Path) -> Iterator[Entry]:
    """The whole lines of a log, in order; a last line that was cut off by a crash is left out.

    Raises:
        JournalError: A whole line isn't an entry.
    """
    decoder = msgspec.json.Decoder(Entry)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise JournalError(f"{path}, line {number} isn't an answer: {error}; remove the line") from error


def logs(folder: Path) -> tuple[Path, ...]:
    """The logs in a folder, oldest first."""
    found: list[tuple[float, Path]] = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # folded by somebody else meanwhile
            found.append((path.stat().st_mtime, path))
    return tuple(path for _, path in sorted(found))


class Abandoned:
    """A log whose process is done or dead, held so that nobody else folds it meanwhile."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file

    @classmethod
    def take(cls, path: Path) -> "Abandoned | None":
        """The log, or None where its process still writes, or somebody else is folding it."""
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        if not _claim(file, wait=False):
            os.close(file)
            return None
        return cls(path, file)

    def remove(self) -> None:
        """Delete it: its answers are elsewhere by now."""
        self.path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let it go."""
        os.close(self._file)
