"""The state machine of a rollout: pure transitions from one frozen state to the next.

```text
created ──shadow──> shadow ──ramp──> ramping ──promote──> promoted
   └────────────────ramp───────────────┘│                   │
rolled-back <──────rollback─────────────┴───────────────────┘   (shadow or ramp begin a new attempt)
```
"""

import re
from typing import Literal

import attrs

from finetuner.deployment.assignment import assigned_tuned, bucket
from finetuner.deployment.gates import Gates
from finetuner.errors import RolloutError, UsageError

Arm = Literal["base", "tuned"]
Status = Literal["created", "shadow", "ramping", "promoted", "rolled-back"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@attrs.frozen(kw_only=True)
class RolloutState:
    """Everything that decides which model a unit gets.

    Attributes:
        name: Letters, digits, `-` and `_`, at most 64.
        base: `provider:model` of today's model.
        tuned: `provider:model` of the candidate.
        salt: Deals units to arms; a new one for every attempt.
        shadow_salt: Picks the requests that are shadowed, independently of the arms.
        status: Where the rollout is.
        share: Of the units that get the tuned model, 0 to 1.
        shadow_rate: Of the base's requests that the tuned model answers unseen, 0 to 1.
        stage: Grows by one with every change of share: statistics are kept apart by it.
        attempt_stage: The stage in which the last rollback ended an attempt; what came before isn't analyzed.
        epoch: Grows by one with every change.
        always_base: Units that get base whatever their bucket; not analyzed.
        always_tuned: Units that get tuned while the share is above 0; not analyzed.
        holdout: Of the units that keep base at every share, 0 to 1: those of the last buckets.
        gates: Stages, and what each of them asks for.
        created_at: Seconds since the epoch.
        stage_started_at: Likewise, of the current stage.
        approver: Who raised the share last.
        reason: Why it was rolled back last.
    """

    name: str
    base: str
    tuned: str
    salt: str
    shadow_salt: str
    status: Status = "created"
    share: float = 0.0
    shadow_rate: float = 0.0
    stage: int = 0
    attempt_stage: int = 0
    epoch: int = 0
    always_base: tuple[str, ...] = ()
    always_tuned: tuple[str, ...] = ()
    holdout: float = 0.0
    gates: Gates = attrs.field(factory=Gates)
    created_at: float
    stage_started_at: float
    approver: str | None = None
    reason: str | None = None

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"a rollout can't be named {self.name!r}: use letters, digits, - and _, at most 64")
        if self.base == self.tuned:
            raise UsageError(f"base and tuned are the same model, {self.base}: there is nothing to compare")
        _require_share("share", self.share)
        _require_share("shadow rate", self.shadow_rate)
        _require_share("holdout", self.holdout)

    @property
    def tuned_share(self) -> float:
        """The share of units that get the tuned model by chance: `share`, less the hold-out."""
        return min(self.share, 1 - self.holdout)

    @property
    def serves_tuned(self) -> bool:
        """Whether anything is answered by the tuned model, seen or unseen."""
        return self.share > 0 or self.shadow_rate > 0

    def arm(self, unit: str) -> tuple[Arm, bool]:
        """The arm of a unit, and whether that was decided by its bucket (only such units are analyzed)."""
        if self.share == 0:
            return "base", unit not in self.always_base and unit not in self.always_tuned
        if unit in self.always_base:
            return "base", False
        if unit in self.always_tuned:
            return "tuned", False
        return ("tuned" if assigned_tuned(bucket(self.name, self.salt, unit), self.tuned_share) else "base"), True

    def shadowed(self, request_id: str) -> bool:
        """Whether a request that base answers is shadowed; decided by its id alone."""
        return assigned_tuned(bucket(self.name, self.shadow_salt, request_id), self.shadow_rate)


def shadow(state: RolloutState, rate: float, *, now: float) -> RolloutState:
    """Answer so large a share of base's requests with the tuned model too, unseen by users.

    Outside a ramp this begins a stage.

    Args:
        state: Now.
        rate: 0 to 1.
        now: Seconds since the epoch.

    Raises:
        RolloutError: The rollout is promoted: there is no base traffic to shadow.
        UsageError: The rate is outside 0..1.
    """
    _require_share("shadow rate", rate)
    if state.status == "promoted":
        raise RolloutError(f"rollout {state.name} is promoted: roll it back before shadowing again")
    changed = attrs.evolve(state, shadow_rate=rate, epoch=state.epoch + 1)
    if state.status in {"ramping", "shadow"}:
        return changed
    return attrs.evolve(changed, status="shadow", stage=state.stage + 1, stage_started_at=now)


def advance(state: RolloutState, *, epoch: int, approver: str, now: float) -> RolloutState:
    """Go on to the next stage of the plan, because every gate was passed.

    Args:
        state: Now.
        epoch: Of the state that the gates were held against.
        approver: What passed, such as `gates (entry 7)`.
        now: Seconds since the epoch.

    Raises:
        RolloutError: The rollout has changed since, or isn't on its way.
    """
    if state.epoch != epoch:
        raise RolloutError(f"rollout {state.name} has changed since the decision: decide again")
    share = state.gates.next_share(state.share)
    if share >= 1:
        return promote(state, approver=approver, now=now)
    if state.status not in {"shadow", "ramping"}:
        raise RolloutError(f"rollout {state.name} is {state.status}: begin with shadow() or ramp()")
    return ramp(state, share, approver=approver, now=now)


def ramp(state: RolloutState, share: float, *, approver: str | None, now: float) -> RolloutState:
    """Give so large a share of units the tuned model.

    Args:
        state: Now.
        share: Above 0 and below 1.
        approver: Who answers for a higher share; a lower one needs nobody.
        now: Seconds since the epoch.

    Raises:
        RolloutError: The rollout is promoted, or nobody approves a higher share.
        UsageError: The share is not above 0 and below 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"share is {share}: give one above 0 and below 1; use rollback() for 0 and promote() for 1")
    if state.status == "promoted":
        raise RolloutError(f"rollout {state.name} is promoted: roll it back before ramping again")
    if share > state.share and not approver:
        raise RolloutError(f"raising rollout {state.name} from {state.share:g} to {share:g} needs an approver")
    return attrs.evolve(
        state,
        status="ramping",
        share=share,
        stage=state.stage + 1,
        epoch=state.epoch + 1,
        stage_started_at=now,
        approver=approver if share > state.share else state.approver,
    )


def promote(state: RolloutState, *, approver: str, now: float) -> RolloutState:
    """Give every unit the tuned model.

    Raises:
        RolloutError: The rollout isn't ramping, or nobody approves.
    """
    if state.status != "ramping":
        raise RolloutError(f"rollout {state.name} is {state.status}: only a ramping one can be promoted, ramp() first")
    if not approver:
        raise RolloutError(f"promoting rollout {state.name} needs an approver")
    return attrs.evolve(
        state,
        status="promoted",
        share=1.0,
        shadow_rate=0.0,
        stage=state.stage + 1,
        epoch=state.epoch + 1,
        stage_started_at=now,
        approver=approver,
    )


def rollback(state: RolloutState, reason: str, *, salt: str, shadow_salt: str, now: float) -> RolloutState:
    """Give every unit base, from any state.

    Args:
        state: Now.
        reason: Why; kept in the audit.
        salt: For the next attempt, so that it doesn't fall on the same units again.
        shadow_salt: Likewise.
        now: Seconds since the epoch.
    """
    return attrs.evolve(
        state,
        status="rolled-back",
        share=0.0,
        shadow_rate=0.0,
        salt=salt,
        shadow_salt=shadow_salt,
        stage=state.stage + 1,
        attempt_stage=state.stage + 1,
        epoch=state.epoch + 1,
        stage_started_at=now,
        reason=reason,
    )


def _require_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise UsageError(f"{name} is {share}: give 0 to 1")
