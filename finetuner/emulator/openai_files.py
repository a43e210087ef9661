"""Files and uploads of the emulated OpenAI: on disk, where they outlive the emulator."""

import contextlib
import hashlib
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from finetuner._core import codec
from finetuner._core.clock import Clock
from finetuner.emulator.checking import refused
from finetuner.emulator.routing import RefusedError

_ID_BYTES: Final = 12
_UPLOAD_SECONDS: Final = 3_600
_MOST_PART_BYTES: Final = 64 * 1024**2
_MOST_FILE_BYTES: Final = 512 * 1024**2
_PIECE: Final = 1024**2
PENDING: Final = "pending"


@attrs.frozen(kw_only=True)
class StoredFile:
    """A file.

    Attributes:
        id: `file-…`.
        name: As sent.
        bytes: Size.
        created_at: Seconds since the epoch.
        purpose: What it is for.
        expires_at: When it goes, None where it stays.
    """

    id: str
    name: str
    bytes: int
    created_at: float
    purpose: str = "fine-tune"
    expires_at: float | None = None


@attrs.frozen(kw_only=True)
class StoredUpload:
    """A file that arrives in parts.

    Attributes:
        id: `upload_…`.
        name: The file's.
        size: Bytes announced.
        created_at: Seconds since the epoch.
        purpose: What the file is for.
        keep_seconds: How long the file stays once it is there, None for good.
        status: `pending`, `completed` or `cancelled`; a pending one expires after an hour.
        file_id: The finished file.
    """

    id: str
    name: str
    size: int
    created_at: float
    purpose: str = "fine-tune"
    keep_seconds: int | None = None
    status: str = PENDING
    file_id: str | None = None

    @property
    def expires_at(self) -> float:
        """When parts are taken no more."""
        return self.created_at + _UPLOAD_SECONDS


@attrs.frozen
class Files:
    """Files in a folder. Safe in several threads and after a restart."""

    folder: Path
    clock: Clock

    def add(self, name: str, content: BinaryIO, purpose: str, keep_seconds: int | None = None) -> StoredFile:
        """Keep a file. Raises `RefusedError` where it is too large or empty."""
        identity = made_id("file-")
        path = self.path(identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            shutil.copyfileobj(content, target, _PIECE)
        size = path.stat().st_size
        if not 0 < size <= _MOST_FILE_BYTES and not purpose.endswith("_output"):
            path.unlink()
            what = f"larger than {_MOST_FILE_BYTES} bytes" if size else "empty"
            raise RefusedError(400 if not size else 413, f"The file is {what}", code="invalid_file", param="file")
        return self._kept(identity, name, size, purpose, keep_seconds)

    def adopt(self, path: Path, name: str, purpose: str, keep_seconds: int | None = None) -> StoredFile:
        """Keep a file that lies here already, by moving it."""
        identity, size = made_id("file-"), path.stat().st_size
        self.path(identity).parent.mkdir(parents=True, exist_ok=True)
        path.replace(self.path(identity))
        return self._kept(identity, name, size, purpose, keep_seconds)

    def get(self, identity: str, param: str | None = None) -> StoredFile:
        """A file. Raises `RefusedError`: 404, or 400 where it is what a parameter names."""
        found = self._read(self.folder / f"{identity}.json") if _is_name(identity) else None
        if found is None:
            message = f"No such File object: {identity:.100}"
            raise RefusedError(404 if param is None else 400, message, code="file_not_found", param=param)
        return found

    def all(self) -> list[StoredFile]:
        """All files, newest first."""
        found = (self._read(path) for path in self.folder.glob("*.json"))
        return sorted((file for file in found if file is not None), key=lambda file: file.created_at, reverse=True)

    def delete(self, identity: str) -> None:
        """Remove a file; jobs that read it go on. Raises `RefusedError`."""
        self.get(identity)
        self._remove(identity)

    def path(self, identity: str) -> Path:
        """Where a file's bytes lie."""
        return self.folder / f"{identity}.content"

    def _kept(self, identity: str, name: str, size: int, purpose: str, keep_seconds: int | None) -> StoredFile:
        now = self.clock.now()
        expires = None if keep_seconds is None else now + keep_seconds
        file = StoredFile(id=identity, name=name, bytes=size, created_at=now, purpose=purpose, expires_at=expires)
        codec.write_atomically(self.folder / f"{identity}.json", codec.to_json(file).encode())
        return file

    def _read(self, path: Path) -> StoredFile | None:
        try:
            file = codec.from_json(path.read_bytes(), StoredFile)
        except FileNotFoundError:
            return None
        if file.expires_at is not None and self.clock.now() >= file.expires_at:
            self._remove(file.id)
            return None
        return file

    def _remove(self, identity: str) -> None:
        (self.folder / f"{identity}.json").unlink(missing_ok=True)
        self.path(identity).unlink(missing_ok=True)


@attrs.frozen
class Uploads:
    """Files on their way, part by part, in a folder."""

    folder: Path
    files: Files

    def start(self, name: str, size: int, purpose: str, keep_seconds: int | None = None) -> StoredUpload:
        """Announce a file."""
        upload = StoredUpload(
            id=made_id("upload_"),
            name=name,
            size=size,
            created_at=self.files.clock.now(),
            purpose=purpose,
            keep_seconds=keep_seconds,
        )
        self._keep(upload)
        return upload

    def add_part(self, identity: str, content: BinaryIO) -> str:
        """The id of a part, which is kept. Raises `RefusedError`."""
        upload = self._pending(identity)
        part = made_id("part_")
        path = self._part(upload, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            shutil.copyfileobj(content, target, _PIECE)
        if path.stat().st_size > _MOST_PART_BYTES:
            path.unlink()
            raise RefusedError(400, "A part holds 64 MB at most", code="part_too_large", param="data")
        return part

    def complete(self, identity: str, order: list[str], md5: str | None) -> tuple[StoredUpload, StoredFile]:
        """Put the parts together. Raises `RefusedError` where one is missing, or the bytes aren't those announced."""
        upload = self._pending(identity)
        paths = [self._part(upload, part) for part in order]
        missing = [part for part, path in zip(order, paths, strict=True) if not path.is_file()]
        if missing:
            raise refused("part_ids", f"No such part: {missing[0]:.100}", "part_not_found")
        whole, digest = self.folder / f"{upload.id}.whole", hashlib.md5(usedforsecurity=False)
        with whole.open("wb") as target:
            for path in paths:
                with path.open("rb") as source:
                    while piece := source.read(_PIECE):
                        digest.update(piece)
                        target.write(piece)
        size = whole.stat().st_size
        if size != upload.size or (md5 and md5.lower() != digest.hexdigest()):
            whole.unlink()
            if size != upload.size:
                message = f"The parts hold {size} bytes, {upload.size} were announced"
                raise refused("part_ids", message, "invalid_upload_size")
            raise refused("md5", "The checksum of the parts is another one", "checksum_mismatch")
        file = self.files.adopt(whole, upload.name, upload.purpose, upload.keep_seconds)
        return self._ended(upload, "completed", file.id), file

    def cancel(self, identity: str) -> StoredUpload:
        """Forget the parts. Raises `RefusedError`."""
        return self._ended(self._pending(identity), "cancelled")

    def _ended(self, upload: StoredUpload, status: str, file_id: str | None = None) -> StoredUpload:
        ended = attrs.evolve(upload, status=status, file_id=file_id)
        self._keep(ended)
        shutil.rmtree(self.folder / upload.id, ignore_errors=True)
        return ended

    def _pending(self, identity: str) -> StoredUpload:
        upload = None
        with contextlib.suppress(FileNotFoundError):
            if _is_name(identity):
                upload = codec.from_json((self.folder / f"{identity}.json").read_bytes(), StoredUpload)
        if upload is None:
            raise RefusedError(404, f"No such Upload object: {identity:.100}", code="upload_not_found")
        if upload.status != PENDING:
            raise RefusedError(400, f"Upload {upload.id} is {upload.status}", code="invalid_upload_state")
        if self.files.clock.now() >= upload.expires_at:
            raise RefusedError(400, f"Upload {upload.id} is expired; start a new one", code="upload_expired")
        return upload

    def _keep(self, upload: StoredUpload) -> None:
        codec.write_atomically(self.folder / f"{upload.id}.json", codec.to_json(upload).encode())

    def _part(self, upload: StoredUpload, part: str) -> Path:
        return self.folder / upload.id / (part if _is_name(part) else "none")


def made_id(prefix: str) -> str:
    """A new id."""
    return f"{prefix}{secrets.token_hex(_ID_BYTES)}"


def _is_name(identity: str) -> bool:
    """Whether an id can be a file's name: callers choose them."""
    return identity.replace("-", "").replace("_", "").isalnum()
