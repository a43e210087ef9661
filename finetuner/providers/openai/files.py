"""Training files at OpenAI: sent whole or in parts, and not again where they are already there."""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json, JsonObject
from finetuner._core.waiting import PollPolicy
from finetuner.data.shapes import is_object
from finetuner.errors import AuthenticationError, NotFoundError, ProviderError, ProviderTimeoutError
from finetuner.providers.openai import mapping
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import NAME, rejected, unexpected
from finetuner.providers.ports import FileReference

_ERROR: Final = "error"
_USABLE: Final = "processed"
_WAITING: Final = frozenset({"uploaded", "pending", "running"})
_PATIENCE: Final = 1800.0
_MIME: Final = "text/jsonl"
_PART_BYTES: Final = 64 * 1024**2
_PAGE: Final = 100
_LOOK_AT: Final = 1_000
_MARK_DIGITS: Final = 12
_MARKED: Final = re.compile(rf"\.[0-9a-f]{{{_MARK_DIGITS}}}(\.[^.]*)?$")

Sent = Callable[[int, int], None]
"""Is told the bytes sent so far, and those there are in all."""


@attrs.frozen
class OpenAIFiles:
    """The `FileStore` of a service.

    Attributes:
        client: The connection.
        clock: For waiting.
        polling: How often to look whether a file is processed.
        purpose: What files are for, in OpenAI's words.
        on_progress: See `Sent`; None tells nobody.
        part_bytes: Size of the parts of a large file.
    """

    client: Client
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    polling: PollPolicy = attrs.field(factory=PollPolicy, repr=False)
    purpose: str = "fine-tune"
    on_progress: Sent | None = attrs.field(default=None, repr=False)
    part_bytes: int = _PART_BYTES

    def with_progress(self, on_progress: Sent) -> "OpenAIFiles":
        """The same store, which tells how far an upload is."""
        return attrs.evolve(self, on_progress=on_progress)

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:
        """Send a file, in parts where it is too large for one request, and wait until it is processed.

        The service stores no hash, so the file's name there carries one: the same content under the same name isn't
        sent again, from whichever machine.

        Raises:
            RequestRejectedError: The file can't be read or is too large, or the service finds an error in it.
            ProviderTimeoutError: It isn't processed after 30 minutes.
            UnexpectedAnswerError: The service received another number of bytes than was sent.
        """
        size = self._size(path)
        marked = _marked(name, sha256)
        known = self._already_there(marked, size) if sha256 else None
        if known is not None:
            return known
        sent = self._sent(path, marked, size)
        if sent.bytes != size:
            raise unexpected(
                self.client.flavour.title,
                f"{path} has {size} bytes, but {sent.bytes} arrived as {sent.id}; send it again",
            )
        return self._processed(sent)

    def get(self, file_id: str) -> FileReference:
        """The file as the service sees it now. Raises `NotFoundError`."""
        return _reference(self.client.ask(lambda sdk: sdk.files.retrieve(file_id)))

    def delete(self, file_id: str) -> None:
        """Remove the file; removing it twice is no error."""
        try:
            self.client.ask(lambda sdk: sdk.files.delete(file_id))
        except NotFoundError:
            return

    def lines(self, file_id: str) -> Iterator[str]:
        """The lines of a file, as they arrive. Raises `NotFoundError`."""
        return self.client.lines(file_id)

    # -- within --------------------------------------------------------------------------------------------------------

    def _size(self, path: Path) -> int:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise rejected(f"{path} can't be read: {error.strerror}", code="unreadable_file") from error
        flavour = self.client.flavour
        most = max(flavour.max_single_bytes, flavour.max_chunked_bytes)
        if size > most:
            raise rejected(f"{path} has {size:,} bytes; {flavour.title} takes {most:,} at most", code="file_too_large")
        return size

    def _already_there(self, name: str, size: int) -> FileReference | None:
        """The usable file of this name and size; None too where the service can't list its files."""
        purpose = self.purpose
        try:
            for position, raw in enumerate(
                self.client.each(lambda sdk: sdk.files.list(purpose=purpose, limit=_PAGE, order="desc"))
            ):
                if position >= _LOOK_AT:
                    return None
                if (raw.get("filename"), raw.get("bytes"), raw.get("status")) == (name, size, _USABLE):
                    return _reference(raw)
        except AuthenticationError:
            raise
        except ProviderError:
            return None
        return None

    def _sent(self, path: Path, name: str, size: int) -> FileReference:
        purpose: Any = self.purpose
        if size > self.client.flavour.max_single_bytes:
            return self._sent_in_parts(path, name, size)
        with _Counted(path, lambda done: self._tell(done, size)) as file:
            return mapping.file(self.client.ask(lambda sdk: sdk.files.create(file=(name, file), purpose=purpose)))

    def _sent_in_parts(self, path: Path, name: str, size: int) -> FileReference:
        purpose: Any = self.purpose
        upload = self.client.ask(
            lambda sdk: sdk.uploads.create(bytes=size, filename=name, mime_type=_MIME, purpose=purpose)
        )
        upload_id = mapping.identity(upload, "upload")
        try:
            done = self._finished(upload_id, path, size)
        except BaseException:
            self._forget(upload_id)
            raise
        file: Json = done.get("file")
        if not is_object(file):
            raise unexpected(self.client.flavour.title, "the finished upload has no file")
        return mapping.file(file)

    def _finished(self, upload_id: str, path: Path, size: int) -> JsonObject:
        parts: list[str] = []
        digest, sent = hashlib.md5(usedforsecurity=False), 0
        with path.open("rb") as source:
            while piece := source.read(self.part_bytes):
                digest.update(piece)
                parts.append(self._part(upload_id, piece))
                sent += len(piece)
                self._tell(sent, size)
        md5 = digest.hexdigest()
        return self.client.ask(lambda sdk: sdk.uploads.complete(upload_id, part_ids=parts, md5=md5))

    def _part(self, upload_id: str, piece: bytes) -> str:
        sent = self.client.ask(lambda sdk: sdk.uploads.parts.create(upload_id, data=piece))
        return mapping.identity(sent, "part")

    def _forget(self, upload_id: str) -> None:
        """The parts would be kept for an hour; where even this fails, they go by themselves."""
        try:
            self.client.ask(lambda sdk: sdk.uploads.cancel(upload_id), once=True)
        except ProviderError:
            return

    def _tell(self, done: int, size: int) -> None:
        if self.on_progress is not None:
            self.on_progress(min(done, size), size)

    def _processed(self, sent: FileReference) -> FileReference:
        start, current = self.clock.monotonic(), sent
        for delay in self.polling.delays():
            if current.status == _ERROR:
                reason = current.status_details or "no reason given"
                message = f"{self.client.flavour.title} can't use {current.name} ({current.id}): {reason}. Correct it"
                raise rejected(message, code="invalid_file")
            if current.status not in _WAITING:
                break
            if self.clock.monotonic() - start > _PATIENCE:
                message = f"{current.id} is still {current.status!r} after {_PATIENCE:.0f} s; look again later"
                raise ProviderTimeoutError(message, provider=NAME)
            self.clock.sleep(delay)
            current = mapping.file(self.client.ask(lambda sdk: sdk.files.retrieve(sent.id)))
        return attrs.evolve(current, name=unmarked(current.name))


class _Counted(io.FileIO):
    """A file that tells how much of it was read; the SDK reads it as it sends, and again where it sends again."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._report = tell

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        found = super().read(-1 if size is None else size) or b""
        self._report(self.tell())
        return found


def _reference(raw: JsonObject) -> FileReference:
    file = mapping.file(raw)
    return attrs.evolve(file, name=unmarked(file.name))


def _marked(name: str, sha256: str) -> str:
    """The name with the beginning of the content's hash before its ending: `train.0123456789ab.jsonl`."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122  # a name, not a path
    return f"{stem}.{sha256[:_MARK_DIGITS]}{ending}" if sha256 else name


def unmarked(name: str) -> str:
    """The name as it was before it was marked."""
    return _MARKED.sub(lambda found: found[1] or "", name)
