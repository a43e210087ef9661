"""Who may use a checkpoint of the emulated OpenAI: projects, by the checkpoint's name."""

import threading
from pathlib import Path

import attrs

from finetuner._core import codec
from finetuner._core.clock import Clock
from finetuner.emulator.openai_files import made_id
from finetuner.emulator.routing import RefusedError


@attrs.frozen(kw_only=True)
class Permission:
    """A project that may use a checkpoint."""

    id: str
    created_at: float
    checkpoint: str
    project_id: str


@attrs.frozen
class Permissions:
    """Permissions in a file."""

    path: Path
    clock: Clock
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def grant(self, checkpoint: str, projects: list[str]) -> list[Permission]:
        """Let projects use a checkpoint; those that may already keep their permission."""
        with self._lock:
            known = self._read()
            has = {each.project_id for each in known if each.checkpoint == checkpoint}
            made = [
                Permission(id=made_id("cp_"), created_at=self.clock.now(), checkpoint=checkpoint, project_id=project)
                for project in dict.fromkeys(projects)
                if project not in has
            ]
            self._write([*known, *made])
        return [each for each in self.of(checkpoint) if each.project_id in projects]

    def of(self, checkpoint: str) -> list[Permission]:
        """A checkpoint's permissions, newest first."""
        return [each for each in self._read() if each.checkpoint == checkpoint][::-1]

    def revoke(self, checkpoint: str, identity: str) -> None:
        """Take one back. Raises `RefusedError`."""
        with self._lock:
            known = self._read()
            left = [each for each in known if (each.checkpoint, each.id) != (checkpoint, identity)]
            if len(left) == len(known):
                raise RefusedError(404, f"No such permission: {identity:.100}", code="permission_not_found")
            self._write(left)

    def _read(self) -> list[Permission]:
        try:
            return codec.from_json(self.path.read_bytes(), list[Permission])
        except FileNotFoundError:
            return []

    def _write(self, permissions: list[Permission]) -> None:
        codec.write_atomically(self.path, codec.to_json(permissions).encode())
