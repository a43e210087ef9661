"""Where work is kept: a folder, and the journal's database beside or elsewhere."""

import os
from pathlib import Path

import attrs

_ENVIRONMENT = "FINETUNER_WORKSPACE"
_DEFAULT = ".finetuner"


@attrs.frozen
class Workspace:
    """A folder for files and the address of the journal.

    Attributes:
        folder: Where local files, models and segments lie.
        database: SQLAlchemy URL of the journal.
    """

    folder: Path
    database: str = attrs.field(repr=False)  # a team's URL may hold a password

    @classmethod
    def at(cls, location: "str | Path | Workspace | None" = None) -> "Workspace":
        """The workspace at a folder or database URL; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.

        Nothing is created. A database URL keeps files in `.finetuner` of the current folder.
        """
        if isinstance(location, Workspace):
            return location
        place = str(location or os.environ.get(_ENVIRONMENT) or _DEFAULT)
        if "://" in place:
            return cls(folder=Path(_DEFAULT).absolute(), database=place)
        folder = Path(place).expanduser().absolute()
        return cls(folder=folder, database=f"sqlite:///{folder / 'journal.db'}")

    def path(self, *parts: str) -> Path:
        """A path inside the folder; its parent is created."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
