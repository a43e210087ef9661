"""Training files at OpenAI."""

from pathlib import Path
from typing import Final

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.waiting import PollPolicy
from finetuner.errors import NotFoundError, ProviderTimeoutError
from finetuner.providers.openai import mapping
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import NAME, rejected, unexpected
from finetuner.providers.ports import FileReference

_ERROR: Final = "error"
_WAITING: Final = frozenset({"uploaded", "pending", "running"})
_PATIENCE: Final = 1800.0


@attrs.frozen
class OpenAIFiles:
    """The `FileStore` of a service."""

    client: Client
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    polling: PollPolicy = attrs.field(factory=PollPolicy, repr=False)

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:  # noqa: ARG002  # the service stores no hash
        """Send a file, in parts where it is too large for one request, and wait until it is processed.

        Each call makes a new file: what was already sent is the journal's to know.

        Raises:
            RequestRejectedError: The file can't be read or is too large, or the service finds an error in it.
            ProviderTimeoutError: It isn't processed after 30 minutes.
            UnexpectedAnswerError: The service received another number of bytes than was sent.
        """
        size = self._size(path)
        single = size <= self.client.flavour.max_single_bytes
        sent = mapping.file(self.client.upload(path, name) if single else self.client.upload_in_parts(path, name))
        if sent.bytes != size:
            raise unexpected(
                self.client.flavour.title,
                f"{path} has {size} bytes, but {sent.bytes} arrived as {sent.id}; send it again",
            )
        return self._processed(sent)

    def get(self, file_id: str) -> FileReference:
        """The file as the service sees it now. Raises `NotFoundError`."""
        return mapping.file(self.client.file(file_id))

    def delete(self, file_id: str) -> None:
        """Remove the file; removing it twice is no error."""
        try:
            self.client.delete_file(file_id)
        except NotFoundError:
            return

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
            current = self.get(sent.id)
        return current
