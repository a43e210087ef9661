"""The journal of rollouts: one state each, changed by compare-and-swap, and an audit that can't be edited unseen.

Every decision holds the hash of the one before it, so that a changed, removed or reordered row breaks the chain.
"""

from pathlib import Path

import attrs
import sqlalchemy

from finetuner._core import codec
from finetuner._core.hashing import json_sha256
from finetuner._core.types import Json
from finetuner.errors import JournalError
from finetuner.records.journal import Journal
from finetuner.records.tables import decisions, rollouts

_FIRST = "0" * 64


@attrs.frozen(kw_only=True)
class DecisionRecord:
    """One entry of a rollout's audit.

    Attributes:
        sequence: 0 for the first.
        kind: What was done, such as `ramp`.
        body: Everything that was known, as plain JSON.
        previous_hash: Hash of the entry before; zeros for the first.
        hash: SHA-256 over all of it.
        created_at: Seconds since the epoch.
    """

    sequence: int
    kind: str
    body: Json
    previous_hash: str
    hash: str
    created_at: float


@attrs.frozen
class RolloutRecords:
    """Rollouts in a journal. Every write is on disk when the call returns."""

    journal: Journal

    def create(self, name: str, state: Json, *, now: float) -> bool:
        """Keep a new rollout at epoch 0; False, and nothing changed, where the name is taken."""
        with self.journal.transaction() as connection:
            if _row(connection, name) is not None:
                return False
            values = {"name": name, "epoch": 0, "state": codec.encode(state).decode(), "updated_at": now}
            connection.execute(rollouts.insert().values(values))
            _append(connection, name, "create", state, now)
        return True

    def get(self, name: str) -> Json | None:
        """The state of a rollout as plain JSON, or None."""
        with self.journal.transaction() as connection:
            found = _row(connection, name)
        return None if found is None else codec.decode(found)

    def names(self) -> tuple[str, ...]:
        """Every rollout, in alphabetical order."""
        with self.journal.transaction() as connection:
            return tuple(connection.execute(sqlalchemy.select(rollouts.c.name).order_by(rollouts.c.name)).scalars())

    def swap(self, name: str, epoch: int, state: Json, *, kind: str, now: float) -> bool:
        """Replace the state if nobody did since; the audit grows in the same transaction.

        Args:
            name: The rollout.
            epoch: The epoch that the new state was made from; it becomes one more.
            state: The new state as plain JSON.
            kind: What was done.
            now: Seconds since the epoch.

        Returns:
            False, and nothing changed, where another writer was faster.
        """
        change = (
            rollouts.update()
            .where(rollouts.c.name == name, rollouts.c.epoch == epoch)
            .values(epoch=epoch + 1, state=codec.encode(state).decode(), updated_at=now)
        )
        with self.journal.transaction() as connection:
            if not connection.execute(change).rowcount:
                return False
            _append(connection, name, kind, state, now)
        return True

    def note(self, name: str, kind: str, body: Json, *, now: float) -> None:
        """Add to the audit what changed no state."""
        with self.journal.transaction() as connection:
            _append(connection, name, kind, body, now)

    def publish(self, name: str, path: Path) -> None:
        """Write the state to a file that routers read; the journal's lock keeps an older one from overtaking."""
        with self.journal.transaction() as connection:
            found = _row(connection, name)
            if found is not None:
                codec.write_atomically(path, found.encode())

    def decisions(self, name: str) -> tuple[DecisionRecord, ...]:
        """The audit, oldest first.

        Raises:
            JournalError: The chain of hashes is broken: somebody edited the journal.
        """
        query = sqlalchemy.select(decisions).where(decisions.c.rollout == name).order_by(decisions.c.sequence)
        with self.journal.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        previous = _FIRST
        records: list[DecisionRecord] = []
        for sequence, row in enumerate(rows):
            record = DecisionRecord(
                sequence=row["sequence"],
                kind=row["kind"],
                body=codec.decode(row["body"]),
                previous_hash=row["previous_hash"],
                hash=row["hash"],
                created_at=row["created_at"],
            )
            expected = _hash(name, sequence, record.kind, record.body, previous, record.created_at)
            if (record.sequence, record.previous_hash, record.hash) != (sequence, previous, expected):
                raise JournalError(f"the audit of rollout {name} was edited at entry {sequence}: trust none after it")
            records.append(record)
            previous = record.hash
        return tuple(records)


def _row(connection: sqlalchemy.Connection, name: str) -> str | None:
    return connection.execute(sqlalchemy.select(rollouts.c.state).where(rollouts.c.name == name)).scalar()


def _append(connection: sqlalchemy.Connection, name: str, kind: str, body: Json, now: float) -> None:
    last = connection.execute(
        sqlalchemy.select(decisions.c.sequence, decisions.c.hash)
        .where(decisions.c.rollout == name)
        .order_by(decisions.c.sequence.desc())
        .limit(1)
    ).first()
    sequence, previous = (0, _FIRST) if last is None else (last[0] + 1, last[1])
    values = {
        "rollout": name,
        "sequence": sequence,
        "kind": kind,
        "body": codec.encode(body).decode(),
        "previous_hash": previous,
        "hash": _hash(name, sequence, kind, body, previous, now),
        "created_at": now,
    }
    connection.execute(decisions.insert().values(values))


def _hash(name: str, sequence: int, kind: str, body: Json, previous: str, now: float) -> str:
    return json_sha256([name, sequence, kind, body, previous, float(now)])
