"""Kill switch > override > hold-out > bucket, against a naive reading of the rules; a decision does no I/O."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment.assignment import bucket
from finetuner.deployment.snapshot import Assignment, Snapshot
from finetuner.deployment.state import Arm, RolloutState

STATE = RolloutState(
    name="faq", base="a:b", tuned="a:t", salt="s", shadow_salt="x", created_at=0.0, stage_started_at=0.0
)
shares = st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.9, 1.0])


def naive(  # noqa: PLR0911  # one return for each rule, in their order
    state: RolloutState | None, unit: str | None, override: Arm | None, *, killed: bool
) -> tuple[Arm, str, bool]:
    if killed:
        return "base", "killed", False
    if state is None:
        return "base", "unreadable", False
    listed = unit in state.always_base or unit in state.always_tuned
    share = min(state.share, 1 - state.holdout)
    if share == 0:
        return "base", "off", unit is not None and override is None and not listed
    if override:
        return override, "override", False
    if unit is None:
        return "base", "unassigned", False
    if listed:
        return ("base" if unit in state.always_base else "tuned"), "override", False
    place = bucket(state.name, state.salt, unit)
    if place < share or share == 1:
        return "tuned", "bucket", True
    return "base", "holdout" if place < state.share or state.share == 1 else "bucket", True


@given(
    share=shares,
    holdout=st.sampled_from([0.0, 0.05, 1.0]),
    unit=st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(min_size=1)),
    override=st.sampled_from([None, "base", "tuned"]),
    killed=st.booleans(),
    readable=st.booleans(),
)
def test_the_precedence_is_as_written(
    share: float, holdout: float, unit: str | None, override: Arm | None, killed: bool, readable: bool
) -> None:
    state = attrs.evolve(STATE, share=share, holdout=holdout, always_base=("a", "b"), always_tuned=("b", "c"))
    read = state if readable else None
    found = Snapshot(read, killed=killed).assign(unit, override)
    assert attrs.astuple(found) == naive(read, unit, override, killed=killed)


@given(st.text(min_size=1), shares, shares)
def test_raising_the_share_never_takes_a_unit_back(unit: str, first: float, second: float) -> None:
    low, high = (Snapshot(attrs.evolve(STATE, share=share, holdout=0.05)) for share in sorted((first, second)))
    assert low.assign(unit).arm == "base" or high.assign(unit).arm == "tuned"


def test_the_holdout_keeps_its_units_on_base_after_the_promotion() -> None:
    snapshot = Snapshot(attrs.evolve(STATE, share=1.0, holdout=0.1))
    arms = [snapshot.assign(str(unit)) for unit in range(2000)]
    held = [found for found in arms if found.reason == "holdout"]
    assert {found.arm for found in held} == {"base"}
    assert 140 < len(held) < 260
    assert all(found.by_chance for found in arms)


def test_a_flag_service_decides_in_the_place_of_the_bucket_and_nothing_else() -> None:
    on = Snapshot(attrs.evolve(STATE, share=0.5, always_base=("b",)))
    assert on.assign("u", None, lambda _: "tuned") == Assignment("tuned", "flag", by_chance=True)
    assert on.assign("b", None, lambda _: "tuned").arm == "base"
    assert Snapshot(attrs.evolve(STATE, share=0.0)).assign("u", None, lambda _: "tuned").arm == "base"
    assert Snapshot(on.state, killed=True).assign("u", None, lambda _: "tuned").arm == "base"


def failing(_unit: str) -> Arm:
    raise ConnectionError("no flags")


def strange(_unit: str) -> Arm:
    return "treatment"  # type: ignore[return-value]  # what a flag might say


@pytest.mark.parametrize("source", [failing, strange])
def test_a_flag_that_fails_or_says_something_else_gets_base_unanalyzed(source) -> None:
    snapshot = Snapshot(attrs.evolve(STATE, share=0.5))
    assert snapshot.assign("u", None, source) == Assignment("base", "flag-failed")


@pytest.mark.parametrize(("rate", "low", "high"), [(0.0, 0, 0), (0.2, 300, 500), (1.0, 2000, 2000)])
def test_shadows_are_sampled_by_the_request_alone(rate: float, low: int, high: int) -> None:
    snapshot = Snapshot(attrs.evolve(STATE, shadow_rate=rate))
    sampled = [snapshot.shadowed(str(number)) for number in range(2000)]
    assert low <= sum(sampled) <= high
    assert sampled == [snapshot.shadowed(str(number)) for number in range(2000)]


def test_shadow_sampling_is_independent_of_the_arms() -> None:
    snapshot = Snapshot(attrs.evolve(STATE, share=0.5, shadow_rate=0.5))
    both = sum(snapshot.shadowed(str(n)) and snapshot.assign(str(n)).arm == "tuned" for n in range(4000))
    assert 850 < both < 1150


def test_nothing_is_shadowed_without_a_state_or_with_the_kill_switch() -> None:
    shadowing = attrs.evolve(STATE, shadow_rate=1.0)
    assert not Snapshot(None).shadowed("r")
    assert not Snapshot(shadowing, killed=True).shadowed("r")
