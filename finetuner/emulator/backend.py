"""What stands behind all services of the emulator: a provider that really trains and answers, and a folder."""

from pathlib import Path
from typing import TypeVar

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.hashing import file_sha256
from finetuner.errors import UsageError
from finetuner.providers.ports import Completer, FileStore, Pauser, Provider, Trainer

T = TypeVar("T")


@attrs.frozen
class Backend:
    """Shared by all services.

    Attributes:
        provider: Trains and answers.
        folder: Where the services keep what they must remember, each in a folder of its own.
        organization: Part of the names of tuned models.
        clock: Says when something was made, and when it expires.
    """

    provider: Provider
    folder: Path
    organization: str = "emulated"
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    @property
    def trainer(self) -> Trainer:
        """The provider's trainer."""
        return self._needed(self.provider.trainer, "trains")

    @property
    def completer(self) -> Completer:
        """The provider's completer."""
        return self._needed(self.provider.completer, "answers")

    @property
    def files(self) -> FileStore:
        """The provider's files."""
        return self._needed(self.provider.files, "takes files")

    @property
    def pauser(self) -> Pauser:
        """The provider's pauser."""
        return self._needed(self.provider.pauser, "pauses jobs")

    def bases(self) -> tuple[str, str, str]:
        """The provider's small, medium and large base model."""
        names = [entry.name for entry in self.provider.catalog.models if entry.methods]
        if not names:
            raise UsageError(f"{self.provider.name} has no base model that can be tuned")
        return names[0], names[len(names) // 2], names[-1]

    def sent(self, path: Path, name: str) -> str:
        """The provider's id of a file, which is sent to it."""
        return self.files.upload(path, name=name, sha256=file_sha256(path)).id

    def _needed(self, part: T | None, verb: str) -> T:
        if part is None:
            raise UsageError(f"the emulator needs a provider that {verb}; {self.provider.name} doesn't")
        return part
