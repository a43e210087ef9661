"""The journal's events of rollouts: each taken once, by the file and byte where it stands."""

from collections.abc import Callable, Iterable

import attrs
from sqlalchemy import Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from finetuner.records.journal import Journal
from finetuner.records.tables import observations


@attrs.frozen(kw_only=True)
class EventRecord:
    """One event.

    Attributes:
        offset: Byte of its file where it begins.
        kind: Such as `exposure`.
        request_id: Of the answer that it is about.
        body: All of it, as JSON text.
        at: Seconds since the epoch.
    """

    offset: int
    kind: str
    request_id: str
    body: str
    at: float


@attrs.frozen
class ObservationRecords:
    """The journal's events."""

    journal: Journal

    def fold(self, rollout: str, segment: str, read: Callable[[int], Iterable[EventRecord]]) -> int:
        """Take what is new in a file, in one transaction, and tell how much it was.

        Args:
            rollout: Its name.
            segment: The file's name.
            read: The events from a byte on, in order; the one at that byte may be known already.
        """
        mine = (observations.c.rollout == rollout) & (observations.c.segment == segment)
        with self.journal.transaction() as connection:
            last = connection.execute(select(func.max(observations.c.offset)).where(mine)).scalar()
            fresh = [
                {
                    "rollout": rollout,
                    "segment": segment,
                    "offset": event.offset,
                    "kind": event.kind,
                    "request_id": event.request_id,
                    "body": event.body,
                    "at": event.at,
                }
                for event in read(last or 0)
                if last is None or event.offset > last
            ]
            if fresh:
                # Several hosts may fold one folder at once: whoever comes second changes nothing.
                connection.execute(_insert_once(connection.dialect.name), fresh)
        return len(fresh)

    def bodies(self, rollout: str) -> tuple[str, ...]:
        """JSON texts of all events of a rollout, by the time that they happened."""
        statement = (
            select(observations.c.body)
            .where(observations.c.rollout == rollout)
            .order_by(observations.c.at, observations.c.segment, observations.c.offset)
        )
        with self.journal.transaction() as connection:
            return tuple(connection.execute(statement).scalars())


def _insert_once(dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(observations).on_conflict_do_nothing()
