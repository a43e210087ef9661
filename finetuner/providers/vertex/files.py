"""Training files in Cloud Storage, named by their content."""

from pathlib import Path
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import NotFoundError, UsageError
from finetuner.providers.lenient import as_object, as_text, as_whole
from finetuner.providers.ports import FileReference
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.failures import STORAGE, rejected, unexpected
from finetuner.providers.vertex.settings import split_uri

_SHA256: Final = "finetuner_sha256"
_SHOWN_DIGITS: Final = 16


@attrs.frozen
class VertexFiles:
    """The `FileStore` of a bucket."""

    client: Client

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:
        """Send a file, resumably and checked by its CRC32C; the same content again is found where it lies.

        The object's name holds the hash, and it is written only where nothing is: whatever is cut off, repeated or done
        by two at once leaves one whole object.

        Raises:
            UsageError: No bucket is known.
            RequestRejectedError: The file can't be read.
            UnexpectedAnswerError: Another content lies under that name.
        """
        stem, dot, suffix = Path(name).name.rpartition(".")
        folder = self._folder()
        uri = f"{folder}/{stem or suffix}-{sha256[:_SHOWN_DIGITS]}{dot if stem else ''}{suffix if stem else ''}"
        return self.put(path, uri, sha256)

    def put(self, path: Path, uri: str, sha256: str) -> FileReference:
        """Send a file to an address, where nothing else lies. Raises like `upload`."""
        size = _size(path)
        self.client.upload(path, uri, {_SHA256: sha256})
        found = self.client.stored(uri)
        same = as_text(as_object(found.get("metadata")).get(_SHA256)) in {None, sha256}
        if as_whole(found.get("size")) != size or not same:
            message = f"{path} has {size} bytes and SHA-256 {sha256}, but something else lies at {uri}; remove it there"
            raise unexpected(STORAGE, message)
        return _reference(uri, found)

    def get(self, file_id: str) -> FileReference:
        """The file as Cloud Storage sees it. Raises `NotFoundError`."""
        return _reference(file_id, self.client.stored(_located(file_id)))

    def delete(self, file_id: str) -> None:
        """Remove the file; removing it twice is no error."""
        try:
            self.client.delete_file(_located(file_id))
        except NotFoundError:
            return

    def _folder(self) -> str:
        if self.client.settings.bucket is None:
            raise UsageError(
                "no bucket is known; set FINETUNER_GCS_BUCKET to gs://bucket/folder, or give --to gs://bucket/folder"
            )
        return self.client.settings.bucket


def _located(file_id: str) -> str:
    try:
        split_uri(file_id)
    except UsageError as error:
        raise rejected(str(error), code="invalid_file") from error
    return file_id


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise rejected(f"{path} can't be read: {error.strerror}", code="unreadable_file") from error


def _reference(uri: str, found: JsonObject) -> FileReference:
    return FileReference(id=uri, name=uri.rpartition("/")[2], bytes=as_whole(found.get("size")) or 0)
