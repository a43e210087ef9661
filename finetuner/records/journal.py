"""The journal's connection: SQLite by default, any SQLAlchemy URL for teams."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from finetuner._core.workspace import Workspace
from finetuner.errors import JournalError
from finetuner.records.tables import metadata

_BUSY_SECONDS = 30.0


@attrs.frozen
class Journal:
    """An open journal. Safe in several threads and processes; a forked child opens connections of its own.

    Attributes:
        workspace: Where it is.
    """

    workspace: Workspace
    _engine: Engine = attrs.field(eq=False, repr=False)

    @classmethod
    def open(cls, location: str | Path | Workspace | None = None) -> "Journal":
        """The journal of a workspace, created where there is none.

        Args:
            location: A folder, a database URL, a `Workspace`, or None for the default workspace.

        Raises:
            JournalError: The database can't be reached or isn't a journal.
        """
        workspace = Workspace.at(location)
        if workspace.database.startswith("sqlite"):
            _make(workspace.folder)
        engine = _engine_of(workspace.database)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
        journal = cls(workspace, engine)
        with journal.transaction() as connection:
            metadata.create_all(connection)
        return journal

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction: all of it is kept, or nothing.

        Raises:
            JournalError: The database refused.
        """
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise JournalError(f"journal {self._engine.url.render_as_string(hide_password=True)}: {cause}") from error

    @property
    def dialect(self) -> str:
        """The database's kind: `sqlite`, `postgresql`."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"the workspace {folder} can't be made: {error.strerror}; name another folder") from error


def _engine_of(database: str) -> Engine:
    try:
        return sqlalchemy.create_engine(database)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        scheme = database.partition("://")[0]
        why = (
            "the address can't be read" if isinstance(error, ValueError) else error
        )  # which quotes it, password and all
        raise JournalError(
            f"no journal can be kept at {scheme}://…: {why}; name a folder, or a database whose driver is installed"
        ) from None


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # DELETE rather than WAL: SQLite before 3.51.3 can corrupt a WAL database that has several writers.
    connection.isolation_level = None  # transactions are begun above, as IMMEDIATE
    connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
