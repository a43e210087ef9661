"""New events of a rollout as they come, for exporters: straight from the routers' files, without a database."""

from collections.abc import Iterator
from pathlib import Path

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation
from finetuner.deployment.segments import SUFFIX


class Follower:
    """Gives each event once, in the order of its file. Belongs to one process and one thread.

    It remembers places in memory alone: another one begins where the files end, or at their beginning where asked.
    """

    def __init__(self, folder: Path, *, from_start: bool = False) -> None:
        """Follow a folder, such as `Rollout.events_folder`; by default only what comes from now on."""
        self._folder = folder
        self._last: dict[str, int] = {}
        if not from_start:
            for _ in self.new():
                pass

    def new(self) -> Iterator[Observation]:
        """What came since the last call.

        Raises:
            JournalError: A file was changed.
        """
        for path in self._files():
            last = self._last.get(path.name)
            for place, event in observations.read(path, last or 0):
                if last is None or place > last:
                    self._last[path.name] = place
                    yield event

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}"))
