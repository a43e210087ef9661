"""A rollout: the tuned model replaces base step by step, and can be taken back at once."""

import getpass
import secrets
from collections.abc import Callable
from pathlib import Path

import attrs
import cattrs

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json
from finetuner._core.workspace import Workspace
from finetuner.deployment import experiment, observations
from finetuner.deployment import state as transitions
from finetuner.deployment.decision import Decision, Situation
from finetuner.deployment.decision import decide as decided
from finetuner.deployment.experiment import ExperimentReport
from finetuner.deployment.gates import Gates
from finetuner.deployment.state import Arm, RolloutState
from finetuner.errors import JournalError, RolloutError, UnknownNameError
from finetuner.providers.model import Model
from finetuner.providers.reference import ModelReference
from finetuner.providers.registry import connect
from finetuner.records.journal import Journal
from finetuner.records.rollouts import DecisionRecord, RolloutRecords

_ATTEMPTS = 20


@attrs.frozen(kw_only=True)
class Replay:
    """A decision made again.

    Attributes:
        sequence: Its entry in the audit.
        kept: As it was made.
        again: As it would be made now, from the same numbers.
    """

    sequence: int
    kept: Decision
    again: Decision

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return self.kept == self.again


@attrs.frozen
class Rollout:
    """A named rollout in a journal.

    Attributes:
        name: Its name.
        journal: Where it is kept.
        clock: Tells when things happen.
    """

    name: str
    journal: Journal = attrs.field(repr=False)
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    @classmethod
    def create(
        cls,
        name: str,
        *,
        base: str | Model,
        tuned: str | Model,
        gates: Gates | None = None,
        holdout: float = 0.0,
        store: str | Path | Workspace | Journal | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> "Rollout":
        """A new rollout, with all traffic on base.

        Args:
            name: Letters, digits, `-` and `_`.
            base: Today's model.
            tuned: The candidate.
            gates: Stages, and what each of them asks for.
            holdout: Share of units (0 to 1) that keep base even after the promotion, to compare with.
            store: Folder, database URL or open journal.
            clock: Tells when things happen.

        Raises:
            RolloutError: There is one with this name.
            UsageError: The name can't be used, or both models are the same.
        """
        now = clock.now()
        state = RolloutState(
            name=name,
            base=str(Model.of(base)),
            tuned=str(Model.of(tuned)),
            salt=_salt(),
            shadow_salt=_salt(),
            gates=gates or Gates(),
            holdout=holdout,
            created_at=now,
            stage_started_at=now,
        )
        rollout = cls(name, _journal(store), clock)
        if not rollout._records.create(name, codec.unstructure(state), now=now):
            raise RolloutError(f"there is a rollout {name} already: use Rollout.get({name!r}) or another name")
        rollout._publish()
        return rollout

    @classmethod
    def get(
        cls, name: str, *, store: str | Path | Workspace | Journal | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> "Rollout":
        """A rollout that was created before.

        Raises:
            UnknownNameError: There is none with this name; the message lists the known ones.
        """
        rollout = cls(name, _journal(store), clock)
        if rollout._records.get(name) is None:
            known = ", ".join(rollout._records.names()) or "none yet"
            raise UnknownNameError(f"there is no rollout {name}; known: {known}")
        return rollout

    @property
    def state(self) -> RolloutState:
        """The state in the journal, now."""
        found = self._records.get(self.name)
        if found is None:
            raise UnknownNameError(f"rollout {self.name} is no longer in the journal")
        return codec.structure(found, RolloutState)

    def model(self, arm: Arm) -> Model:
        """The model of an arm, reached through the rollout's own workspace.

        Raises:
            UnknownNameError: Its provider isn't installed.
        """
        state = self.state
        reference = ModelReference.parse(state.base if arm == "base" else state.tuned)
        return Model(reference, provider=connect(reference.provider, workspace=self.journal.workspace))

    @property
    def state_path(self) -> Path:
        """The file that routers read: needs no database."""
        return self.journal.workspace.folder / "rollouts" / f"{self.name}.json"

    @property
    def events_folder(self) -> Path:
        """Where routers append what they serve."""
        return self.journal.workspace.folder / "rollouts" / self.name

    @property
    def audit(self) -> tuple[DecisionRecord, ...]:
        """Everything that was done, oldest first; raises `JournalError` where somebody edited it."""
        return self._records.decisions(self.name)

    def shadow(self, rate: float) -> RolloutState:
        """Answer so large a share (0 to 1) of base's requests with the tuned model too, unseen by users."""
        return self._change("shadow", lambda state: transitions.shadow(state, rate, now=self.clock.now()))

    def ramp(self, share: float, *, approver: str | None = None) -> RolloutState:
        """Give so large a share of units (above 0, below 1) the tuned model.

        Args:
            share: Of units.
            approver: Who answers for it; by default the user of this process.

        Raises:
            RolloutError: The state doesn't allow it.
        """
        person = approver or _person()
        return self._change("ramp", lambda state: transitions.ramp(state, share, approver=person, now=self.clock.now()))

    def promote(self, *, approver: str | None = None) -> RolloutState:
        """Give every unit the tuned model.

        Args:
            approver: Who answers for it; by default the user of this process.

        Raises:
            RolloutError: The rollout isn't ramping.
        """
        person = approver or _person()
        return self._change("promote", lambda state: transitions.promote(state, approver=person, now=self.clock.now()))

    def report(self, *, gates: Gates | None = None) -> ExperimentReport:
        """What was served so far in this attempt, arm by arm, with intervals that stay valid at every look.

        Args:
            gates: Other levels than the rollout's own.
        """
        observations.fold(self.events_folder, self.journal, self.name)
        state = self.state
        return experiment.report(
            observations.folded(self.journal, self.name),
            stage=state.stage,
            after_stage=state.attempt_stage,
            gates=gates or state.gates,
        )

    def look(self, *, gates: Gates | None = None) -> Decision:
        """What to do now, without a trace.

        Args:
            gates: Others than the rollout's own.
        """
        state = self.state
        rules = gates or state.gates
        situation = Situation.of(state, now=self.clock.now())
        return decided(self.report(gates=rules), situation, gates=rules)

    def decide(self, *, gates: Gates | None = None) -> Decision:
        """What to do now; kept in the audit. It changes no traffic: `act()` does, or you do.

        Args:
            gates: Others than the rollout's own.
        """
        return self.keep(self.look(gates=gates))

    def keep(self, decision: Decision) -> Decision:
        """Put a decision into the audit; returns it."""
        self.note("decide", codec.unstructure(decision))
        return decision

    def act(self, decision: Decision) -> RolloutState:
        """Do what a decision calls for: the next stage where every gate is passed, rollback where one is broken.

        A decision acts once, and only on the state that it was made for.

        Raises:
            RolloutError: The rollout has changed since; nothing was done.
        """
        epoch = decision.situation.epoch
        if decision.action == "PROMOTE":
            return self._change(
                "advance",
                lambda state: transitions.advance(state, epoch=epoch, approver="gates", now=self.clock.now()),
            )
        if decision.action == "ROLLBACK" and self.state.serves_tuned:
            return self._back("; ".join(decision.reasons), epoch)
        return self.state

    def advance(self) -> Decision:
        """Decide, and act on it.

        Raises:
            RolloutError: Somebody changed the rollout meanwhile; nothing was done.
        """
        decision = self.decide()
        self.act(decision)
        return decision

    def replay(self) -> tuple[Replay, ...]:
        """Every decision in the audit, made again from its numbers.

        Raises:
            JournalError: Somebody edited the audit.
        """
        return tuple(_replayed(record) for record in self.audit if record.kind == "decide")

    def rollback(self, reason: str) -> RolloutState:
        """Give every unit base, at once: routers learn it from a file, even where the database is gone.

        Raises:
            JournalError: It took effect, but the journal couldn't keep it.
        """
        return self._back(reason, None)

    def _back(self, reason: str, epoch: int | None) -> RolloutState:
        salts = {"salt": _salt(), "shadow_salt": _salt()}

        def back(state: RolloutState) -> RolloutState:
            if epoch is not None and state.epoch != epoch:
                raise RolloutError(f"rollout {self.name} has changed since the decision: decide again")
            return transitions.rollback(state, reason, now=self.clock.now(), **salts)

        current = read_state(self.state_path)
        if current is not None:
            codec.write_atomically(self.state_path, codec.to_json(back(current)).encode())
        return self._change("rollback", back)

    def note(self, kind: str, body: Json) -> None:
        """Add to the audit what changed no traffic, such as a drift report."""
        self._records.note(self.name, kind, body, now=self.clock.now())

    def _change(self, kind: str, step: Callable[[RolloutState], RolloutState]) -> RolloutState:
        for _ in range(_ATTEMPTS):
            before = self.state
            after = step(before)
            if self._records.swap(self.name, before.epoch, codec.unstructure(after), kind=kind, now=self.clock.now()):
                self._publish()
                return after
        raise JournalError(f"rollout {self.name} changed {_ATTEMPTS} times while it was being changed: try again")

    def _publish(self) -> None:
        self._records.publish(self.name, self.state_path)

    @property
    def _records(self) -> RolloutRecords:
        return RolloutRecords(self.journal)


def read_state(path: Path) -> RolloutState | None:
    """The published state, or None where it can't be read or makes no sense: serve base only."""
    try:
        return codec.from_json(path.read_bytes(), RolloutState)
    except (OSError, ValueError, TypeError, AttributeError, cattrs.BaseValidationError):  # any JSON may be in there
        return None


def _replayed(record: DecisionRecord) -> Replay:
    kept = codec.structure(record.body, Decision)
    return Replay(sequence=record.sequence, kept=kept, again=kept.again())


def _journal(store: str | Path | Workspace | Journal | None) -> Journal:
    return store if isinstance(store, Journal) else Journal.open(store)


def _salt() -> str:
    return secrets.token_hex(8)


def _person() -> str:
    return getpass.getuser()
