"""Who answers a request: a rollout's state, compiled once, so that a decision takes two microseconds and no I/O."""

from collections.abc import Callable
from typing import Final, Literal

import attrs

from finetuner.deployment.assignment import Dealer, assigned_tuned
from finetuner.deployment.state import Arm, RolloutState

Reason = Literal[
    "bucket", "holdout", "flag", "override", "off", "killed", "unassigned", "unreadable", "stale", "flag-failed"
]

ArmSource = Callable[[str], Arm]
"""From a unit to its arm: a feature-flag service in the place of the buckets."""


@attrs.frozen
class Assignment:
    """The arm of a request.

    Attributes:
        arm: `base` or `tuned`.
        reason: What decided.
        by_chance: Whether the arm was dealt by chance: only such requests are analyzed.
    """

    arm: Arm
    reason: Reason
    by_chance: bool = False


_KILLED: Final = Assignment("base", "killed")
_UNREADABLE: Final = Assignment("base", "unreadable")
STALE: Final = Assignment("base", "stale")
_UNASSIGNED: Final = Assignment("base", "unassigned")
_OFF: Final = Assignment("base", "off", by_chance=True)
_OFF_UNCOUNTED: Final = Assignment("base", "off")
_BASE: Final = Assignment("base", "bucket", by_chance=True)
_TUNED: Final = Assignment("tuned", "bucket", by_chance=True)
_HELD_OUT: Final = Assignment("base", "holdout", by_chance=True)
_FLAG_FAILED: Final = Assignment("base", "flag-failed")
_OVERRIDDEN: Final = {arm: Assignment(arm, "override") for arm in ("base", "tuned")}
_FLAGGED: Final = {arm: Assignment(arm, "flag", by_chance=True) for arm in ("base", "tuned")}


class Snapshot:
    """A state as of one moment, immutable.

    Kill switch, then an explicit override, then hold-out, then bucket; whether a breaker keeps a request from tuned is
    asked afterwards, because that must not change which arm the request counts for.

    Attributes:
        state: The state, or None where it couldn't be read: base only.
        killed: Whether the kill switch is thrown: base only.
        read_at: Monotonic seconds.
    """

    __slots__ = ("_allowed", "_denied", "_listed", "_shadow", "_share", "_units", "killed", "read_at", "state")

    def __init__(self, state: RolloutState | None, *, killed: bool = False, read_at: float = 0.0) -> None:
        self.state = state
        self.killed = killed
        self.read_at = read_at
        self._denied = frozenset(state.always_base if state else ())
        self._allowed = frozenset(state.always_tuned if state else ())
        self._listed = self._denied | self._allowed
        # Nobody gets tuned while the share is 0, whoever asks for it.
        self._share = state.tuned_share if state and not killed else 0.0
        if state is not None:
            self._units = Dealer(state.name, state.salt)
            self._shadow = Dealer(state.name, state.shadow_salt)

    def read_again(self, at: float) -> "Snapshot":
        """The same, found unchanged at another moment (monotonic seconds)."""
        return Snapshot(self.state, killed=self.killed, read_at=at)

    def assign(self, unit: str | None, override: Arm | None = None, source: ArmSource | None = None) -> Assignment:
        """The arm of a unit.

        Args:
            unit: User or conversation, as `unit_key` gives it; None gets base.
            override: The arm that somebody asks for, such as by a header; like the allow list it works only while
                the share is above 0, so that nobody gets tuned after a rollback.
            source: Decides instead of the bucket.
        """
        if unit is None or override is not None or self._share == 0 or unit in self._listed:
            return self._exceptional(unit, override)
        if source is not None:
            return _from_source(unit, source)
        place = self._units.bucket(unit)
        if place < self._share or self._share == 1:
            return _TUNED
        return _HELD_OUT if self.state is not None and assigned_tuned(place, self.state.share) else _BASE

    def _exceptional(self, unit: str | None, override: Arm | None) -> Assignment:
        """The arm of a request that isn't dealt by chance, and of everybody while nobody gets tuned."""
        if self.killed or self.state is None:
            return _KILLED if self.killed else _UNREADABLE
        asked = override
        if asked is None and unit in self._listed:
            asked = "base" if unit in self._denied else "tuned"
        if self._share == 0:
            return _OFF if unit is not None and asked is None else _OFF_UNCOUNTED
        return _UNASSIGNED if asked is None else _OVERRIDDEN[asked]

    def shadowed(self, request_id: str) -> bool:
        """Whether a request that base answers is shadowed; decided by its id alone, whatever the load."""
        state = self.state
        if state is None or self.killed or state.shadow_rate == 0:
            return False
        return state.shadow_rate == 1 or self._shadow.bucket(request_id) < state.shadow_rate


def _from_source(unit: str, source: ArmSource) -> Assignment:
    try:
        return _FLAGGED[source(unit)]
    except Exception:  # noqa: BLE001  # a flag service that fails, or names another arm, costs nobody an answer
        return _FLAG_FAILED
