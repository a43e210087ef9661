"""Resumable uploads of the emulated Cloud Storage: pieces appended to a file until all are there.

Source: Google Cloud, "Resumable uploads" and the requests of `google-cloud-storage` 3.17 (2026-11).
"""

import re
import secrets
from pathlib import Path
from typing import Final

import attrs

from finetuner._core import codec
from finetuner.emulator.gcs_objects import Properties
from finetuner.emulator.routing import RefusedError

_UNIT: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes (?:(?P<first>\d{1,18})-(?P<last>\d{1,18})|\*)/(?P<total>\d{1,18}|\*)")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@attrs.frozen(kw_only=True)
class Session:
    """An upload that was announced.

    Attributes:
        id: Known to its caller alone.
        properties: Of the object to be.
        length: Bytes announced, None where they weren't.
    """

    id: str
    properties: Properties
    length: int | None = None


@attrs.frozen
class Sessions:
    """Uploads on their way, on disk where they outlive the emulator.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path

    def begin(self, properties: Properties, length: int | None) -> Session:
        """A new upload, with no piece yet."""
        session = Session(id=secrets.token_urlsafe(32), properties=properties, length=length)
        codec.write_atomically(self._described(session.id), codec.to_json(session).encode())
        self._part(session.id).touch()
        return session

    def get(self, identity: str) -> Session:
        """An upload. Raises `RefusedError`."""
        path = self._described(identity)
        if not _ID.fullmatch(identity) or not path.is_file():
            raise RefusedError(404, "Upload session not found or expired", code="notFound")
        return codec.from_json(path.read_bytes(), Session)

    def add(self, session: Session, header: str | None, body: bytes) -> bytes | None:
        """Take a piece; the whole content once it is complete, None before. Raises `RefusedError`.

        Args:
            session: The upload.
            header: `Content-Range`; None sends everything at once. `bytes */n` asks how much is there.
            body: The piece.
        """
        path = self._part(session.id)
        have = path.stat().st_size
        found = _RANGE.fullmatch(header or f"bytes 0-{len(body) - 1}/{len(body)}" if body or header else "bytes */0")
        if found is None:
            raise _bad(f"Invalid Content-Range: {header}")
        total = None if found["total"] == "*" else int(found["total"])
        if session.length is not None and total is not None and total != session.length:
            raise _bad(f"{session.length} bytes were announced, not {total}")
        if found["first"] is not None:
            first, last = int(found["first"]), int(found["last"])
            if last - first + 1 != len(body):
                raise _bad(f"Content-Range is {header}, but {len(body)} bytes arrived")
            if first > have:
                raise _bad(f"{have} bytes are there; the next piece can't begin at {first}")
            if last + 1 != total and len(body) % _UNIT:
                raise _bad(f"Each piece but the last must be a multiple of {_UNIT} bytes")
            with path.open("ab") as file:
                file.write(body[have - first :])
            have = path.stat().st_size
        return path.read_bytes() if have == total else None

    def received(self, session: Session) -> int:
        """Bytes that are there."""
        return self._part(session.id).stat().st_size

    def end(self, session: Session) -> None:
        """Forget an upload."""
        self._described(session.id).unlink(missing_ok=True)
        self._part(session.id).unlink(missing_ok=True)

    def _described(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"

    def _part(self, identity: str) -> Path:
        return self.folder / f"{identity}.part"


def _bad(message: str) -> RefusedError:
    return RefusedError(400, message, code="invalid")
