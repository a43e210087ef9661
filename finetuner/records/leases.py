"""Leases: at most one holder at a time, across processes and hosts, and nobody holds one forever."""

import hashlib
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from socket import gethostname

import attrs
from sqlalchemy import and_, delete, insert, or_, select, update

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.processes import exists, start_of
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

    def _holder(self, name: str) -> str | None:
        with self.journal.transaction() as connection:
            return connection.execute(select(leases.c.holder).where(leases.c.name == name)).scalar()

    @contextmanager
    def hold(self, name: str, *, seconds: float = 15.0) -> Generator[None]:
        """Wait for the lease, keep it for as long as the block lasts, and give it back.

        It is renewed from a thread of its own, so that a slow block keeps it. A killed process loses it: at once to
        others on its machine, after `seconds` to other machines.

        Args:
            name: What is held.
            seconds: When it falls free if the process is killed, or its machine.
        """
        holder = _this_thread()
        while not self.acquire(name, holder, seconds=seconds):
            other = self._holder(name)
            if other is not None and _gone(other):
                self.release(name, other)
            else:
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


def _this_thread() -> str:
    return "/".join((_host(), str(os.getpid()), _digest(start_of(os.getpid()) or ""), str(threading.get_ident())))


def _gone(holder: str) -> bool:
    """Whether the holder was a process of this machine that no longer runs."""
    host, _, rest = holder.partition("/")
    pid, _, rest = rest.partition("/")
    if host != _host() or not pid.isdecimal():
        return False
    begun = start_of(int(pid))
    return not exists(int(pid)) if begun == "" else begun is None or _digest(begun) != rest.partition("/")[0]


def _host() -> str:
    return _digest(gethostname())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
