"""Leases: at most one holder at a time, across processes and hosts, and nobody holds one forever."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import attrs
from sqlalchemy import and_, delete, insert, or_, update

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.errors import JournalError
from finetuner.records.journal import Journal
from finetuner.records.tables import leases


@attrs.frozen
class Leases:
    """The journal's leases."""

    journal: Journal
    clock: Clock = SYSTEM_CLOCK

    def acquire(self, name: str, holder: str, *, seconds: float) -> bool:
        """Whether `holder` has the lease now; a holder may acquire again to extend it.

        Args:
            name: What is held, such as `create:<key>` or `rollout:<name>`.
            holder: Who holds it, unique for each process.
            seconds: When it falls free if the holder dies.
        """
        now = self.clock.now()
        values = {"holder": holder, "expires_at": now + seconds}
        free = and_(leases.c.name == name, or_(leases.c.holder == holder, leases.c.expires_at < now))
        with self.journal.transaction() as connection:
            if connection.execute(update(leases).where(free).values(values)).rowcount:
                return True
        try:
            with self.journal.transaction() as connection:
                connection.execute(insert(leases).values(name=name, **values))
        except JournalError:  # another holder's row is there: the primary key refuses a second
            return False
        return True

    def release(self, name: str, holder: str) -> None:
        """Give the lease back; releasing what one doesn't hold does nothing."""
        with self.journal.transaction() as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))

    @contextmanager
    def hold(self, name: str, holder: str, *, seconds: float = 15.0) -> Generator[None]:
        """Wait for the lease, keep it for as long as the block lasts, and give it back.

        It is renewed from a thread of its own, so that a slow block keeps it and a killed process loses it soon.

        Args:
            name: What is held.
            holder: Who holds it, unique for each process and thread.
            seconds: When it falls free if the process is killed.
        """
        while not self.acquire(name, holder, seconds=seconds):
            self.clock.sleep(min(1.0, seconds))
        done = threading.Event()

        def renew() -> None:
            while not done.wait(seconds / 4):
                with suppress(JournalError):  # a busy database: the next renewal is early enough
                    self.acquire(name, holder, seconds=seconds)

        renewing = threading.Thread(target=renew, name=f"lease {name}", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()
            self.release(name, holder)
