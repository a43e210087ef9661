"""Watches a rollout and acts: takes a bad model away by itself; goes on to the next stage only where that is allowed.

One controller acts at a time: it holds a lease that falls free when its process dies, and what it does is bound to the
state that it decided on, so that one that was asleep while another acted changes nothing.
"""

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from socket import gethostname

import attrs

from finetuner.deployment.decision import Action, Decision
from finetuner.deployment.notify import Event, Notice, Notifier, deliver
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.state import RolloutState
from finetuner.errors import JournalError, RolloutError, UsageError
from finetuner.records.findings import Findings
from finetuner.records.leases import Leases

_KEPT_SECONDS = 3600.0
_EVENTS: dict[Action, Event] = {"PROMOTE": "advance", "ROLLBACK": "rollback", "INCONCLUSIVE": "inconclusive"}


@attrs.frozen(kw_only=True)
class Look:
    """What one look at a rollout gave.

    Attributes:
        decision: What is called for; None where another controller is in charge, or nothing could be read.
        acted: Whether traffic was changed.
        state: Afterwards; None likewise.
        undelivered: Notices that didn't arrive, and why.
        trouble: Why nothing was decided.
    """

    decision: Decision | None = None
    acted: bool = False
    state: RolloutState | None = None
    undelivered: tuple[str, ...] = ()
    trouble: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to watch: rolled back, or promoted without a hold-out to compare with."""
        state = self.state
        return state is not None and (
            state.status == "rolled-back" or (state.status == "promoted" and not state.holdout)
        )


class Controller:
    """Looks at a rollout again and again, and acts on what it sees."""

    def __init__(
        self,
        rollout: Rollout,
        *,
        interval: float = 10.0,
        raise_share: bool = False,
        notifiers: Sequence[Notifier] = (),
        holder: str | None = None,
    ) -> None:
        """Prepare; nothing happens before `look` or `run`.

        Args:
            rollout: Which.
            interval: Seconds between looks; the lease lasts three of them.
            raise_share: Go on to the next stage where every gate is passed; otherwise only people raise the share.
            notifiers: Are told what was done, and when a decision can't be reached.
            holder: Name in the lease; unique by default.

        Raises:
            UsageError: The interval isn't above 0.
        """
        if not interval > 0:
            raise UsageError(f"interval is {interval}: give seconds above 0")
        self.rollout = rollout
        self.interval = interval
        self._raise_share = raise_share
        self._notifiers = tuple(notifiers)
        self._holder = holder or f"{gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._kept: tuple[Action, float] | None = None
        self._leases = Leases(rollout.journal, rollout.clock)

    def look(self) -> Look:
        """Decide once, and act on it. What can't be read now is looked at again later: no error ends the watch."""
        try:
            if not self._leases.acquire(self._lease, self._holder, seconds=3 * self.interval):
                return Look(trouble="another controller is in charge")
            decision = self.rollout.look()
            return self._act(decision)
        except (JournalError, RolloutError) as error:
            return Look(trouble=str(error))

    def run(self, stop: threading.Event | None = None) -> Iterator[Look]:
        """Look again and again, giving each look, until nothing is left to watch or `stop` is set."""
        stopping = stop or threading.Event()
        try:
            while not stopping.is_set():
                found = self.look()
                yield found
                if found.over:
                    return
                self.rollout.clock.sleep(self.interval)
        finally:
            self._leases.release(self._lease, self._holder)

    @property
    def _lease(self) -> str:
        return f"rollout:{self.rollout.name}"

    def _act(self, decision: Decision) -> Look:
        acts = decision.action == "ROLLBACK" or (decision.action == "PROMOTE" and self._raise_share)
        news = self._news(decision.action)
        if news or acts:
            self.rollout.keep(decision)
        before = self.rollout.state
        after = self.rollout.act(decision) if acts else before
        acted = after.epoch != before.epoch
        told = acted or (news and decision.action == "INCONCLUSIVE")
        undelivered = self._tell(decision, after) if told and self._notifiers else ()
        return Look(decision=decision, acted=acted, state=after, undelivered=undelivered)

    def _news(self, action: Action) -> bool:
        """Whether a decision is worth an entry in the audit: another one than before, or the first of an hour."""
        now = self.rollout.clock.now()
        if self._kept is not None and self._kept[0] == action and now - self._kept[1] < _KEPT_SECONDS:
            return False
        self._kept = (action, now)
        return True

    def _tell(self, decision: Decision, state: RolloutState) -> tuple[str, ...]:
        notice = Notice(
            event=_EVENTS[decision.action],
            rollout=self.rollout.name,
            text="; ".join(decision.reasons),
            share=state.share,
            at=self.rollout.clock.now(),
        )
        errors = deliver(notice, self._notifiers)
        Findings(self.rollout.journal, self.rollout.clock).add(
            "notification",
            self.rollout.name,
            passed=not errors,
            evidence={"event": notice.event, "text": notice.text, "errors": list(errors)},
        )
        return errors
