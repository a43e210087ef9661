"""Training files: named by their content, so that sending one twice is sending it once."""

import shutil
import tempfile
from pathlib import Path

import attrs

from finetuner._core import codec
from finetuner._core.hashing import file_sha256
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.store import Store
from finetuner.providers.ports import FileReference


@attrs.frozen
class DetachedFiles:
    """The `FileStore` of a workspace."""

    store: Store

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:
        """Copy a file into the workspace; content that is there already is not copied again.

        Raises:
            RequestRejectedError: The file can't be read, or its content isn't what `sha256` says.
        """
        target = self.store.content(self.store.kind.file_id(sha256))
        if not (target.parent / "file.json").is_file():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(path, target, sha256, self.store.kind)
            except OSError as error:
                raise RequestRejectedError(
                    f"{path} can't be copied to {target}: {error}", provider=self.store.kind.name
                ) from error
            reference = FileReference(id=self.store.kind.file_id(sha256), name=name, bytes=target.stat().st_size)
            codec.write_atomically(target.parent / "file.json", codec.to_json(reference).encode())
        return self.get(self.store.kind.file_id(sha256))

    def get(self, file_id: str) -> FileReference:
        """The file. Raises `NotFoundError`."""
        described = self.store.content(file_id).parent / "file.json"
        try:
            return codec.from_json(described.read_bytes(), FileReference)
        except FileNotFoundError as error:
            message = f"no file {file_id!r} in {self.store.files}; upload it first"
            raise NotFoundError(message, provider=self.store.kind.name) from error

    def delete(self, file_id: str) -> None:
        """Remove the file; removing it twice is no error."""
        content = self.store.content(file_id)
        (content.parent / "file.json").unlink(missing_ok=True)
        content.unlink(missing_ok=True)


def _copy(source: Path, target: Path, sha256: str, kind: Kind) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file, source.open("rb") as original:
        shutil.copyfileobj(original, file)
    copy = Path(file.name)
    try:
        found = file_sha256(copy)
        if found != sha256:
            raise RequestRejectedError(
                f"{source} has SHA-256 {found}, not {sha256}: it changed since it was hashed; upload it again",
                provider=kind.name,
            )
        copy.replace(target)
    finally:
        copy.unlink(missing_ok=True)
