"""Objects of the emulated Cloud Storage, on disk: content beside properties, written whole or not at all."""

import base64
import hashlib
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.extras import require
from finetuner._core.hashing import sha256
from finetuner.emulator.routing import RefusedError

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})
_BINARY: Final = "application/octet-stream"


@attrs.frozen(kw_only=True)
class Properties:
    """What a caller says about an object that it sends.

    Attributes:
        bucket: Its bucket.
        name: Its name.
        content_type: MIME type.
        metadata: Pairs of the caller's own.
        crc32c: Checksum that the content must have, in Base64; None isn't checked.
        md5: Likewise.
        generation_match: The generation that must lie there now, 0 for none; None for whatever.
    """

    bucket: str
    name: str
    content_type: str = _BINARY
    metadata: Mapping[str, str] = _NO_METADATA
    crc32c: str | None = None
    md5: str | None = None
    generation_match: int | None = None


@attrs.frozen(kw_only=True)
class Stored:
    """An object.

    Attributes:
        bucket: Its bucket.
        name: Its name.
        generation: Grows with each content.
        size: Bytes.
        crc32c: Checksum in Base64, big-endian, as Cloud Storage writes it.
        md5: Likewise.
        content_type: MIME type.
        metadata: Pairs of the caller's own.
        created_at: Seconds since the epoch.
    """

    bucket: str
    name: str
    generation: int
    size: int
    crc32c: str
    md5: str
    content_type: str
    metadata: Mapping[str, str]
    created_at: float

    @property
    def created(self) -> str:
        """`created_at` as RFC 3339."""
        return datetime.fromtimestamp(self.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.frozen
class Objects:
    """All objects of an emulator. Safe in several threads; a bucket exists as soon as it is used.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False, eq=False)

    def put(self, given: Properties, content: bytes) -> Stored:
        """Keep an object, in place of what lies there. Raises `RefusedError`."""
        crc32c, md5 = checksums(content)
        for kind, expected, found in (("CRC32C", given.crc32c, crc32c), ("MD5 hash", given.md5, md5)):
            if expected is not None and expected != found:
                message = f'Provided {kind} "{expected}" doesn\'t match calculated {kind} "{found}".'
                raise RefusedError(400, message, code="invalid")
        with self._lock:
            self.expect(given)
            stored = Stored(
                bucket=given.bucket,
                name=given.name,
                generation=time.time_ns() // 1000,
                size=len(content),
                crc32c=crc32c,
                md5=md5,
                content_type=given.content_type,
                metadata=dict(given.metadata),
                created_at=time.time(),
            )
            codec.write_atomically(self._content(stored), content)
            codec.write_atomically(self._described(given.bucket, given.name), codec.to_json(stored).encode())
        return stored

    def expect(self, given: Properties) -> None:
        """Refuse with 412 where another generation lies there than expected. Raises `RefusedError`."""
        if given.generation_match is None:
            return
        there = self._found(given.bucket, given.name)
        match_generation(given.generation_match, there.generation if there is not None else 0)

    def get(self, bucket: str, name: str) -> Stored:
        """An object. Raises `RefusedError`."""
        found = self._found(bucket, name)
        if found is None:
            raise RefusedError(404, f"No such object: {bucket}/{name}", code="notFound")
        return found

    def path(self, stored: Stored) -> Path:
        """The file with an object's content."""
        return self._content(stored)

    def delete(self, bucket: str, name: str) -> None:
        """Remove an object. Raises `RefusedError`."""
        with self._lock:
            stored = self.get(bucket, name)
            self._described(bucket, name).unlink(missing_ok=True)
            self._content(stored).unlink(missing_ok=True)

    def list(self, bucket: str, prefix: str = "") -> list[Stored]:
        """All objects of a bucket whose names begin so, by name."""
        found = (codec.from_json(path.read_bytes(), Stored) for path in (self.folder / bucket).glob("*.json"))
        return sorted((each for each in found if each.name.startswith(prefix)), key=lambda each: each.name)

    def _found(self, bucket: str, name: str) -> Stored | None:
        try:
            return codec.from_json(self._described(bucket, name).read_bytes(), Stored)
        except FileNotFoundError:
            return None

    def _described(self, bucket: str, name: str) -> Path:
        return self.folder / bucket / f"{sha256(name.encode())}.json"

    def _content(self, stored: Stored) -> Path:
        return self.folder / stored.bucket / f"{sha256(stored.name.encode())}.{stored.generation}.content"


def match_generation(expected: int, found: int) -> None:
    """Refuse with 412 where the generations differ. Raises `RefusedError`."""
    if expected != found:
        message = "At least one of the pre-conditions you specified did not hold."
        raise RefusedError(412, message, code="conditionNotMet")


def checksums(content: bytes) -> tuple[str, str]:
    """CRC32C and MD5 of a content, in Base64."""
    crc: int = require("google_crc32c", extra="vertex", feature="The emulated Cloud Storage").value(content)
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    return base64.b64encode(crc.to_bytes(4, "big")).decode(), base64.b64encode(md5).decode()
