"""Traffic rises only with somebody's approval, falls at once, and every change is in an audit nobody can edit."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment import state as transitions
from finetuner.deployment.rollout import Rollout, read_state
from finetuner.deployment.state import RolloutState
from finetuner.errors import JournalError, RolloutError, UnknownNameError, UsageError
from finetuner.records.journal import Journal
from finetuner.records.rollouts import RolloutRecords
from finetuner.records.tables import decisions

BASE, TUNED = "local:base", "local:tuned"


def fresh(**changes: object) -> RolloutState:
    fields: dict[str, object] = {
        "name": "tickets",
        "base": BASE,
        "tuned": TUNED,
        "salt": "a",
        "shadow_salt": "b",
        "created_at": 0.0,
        "stage_started_at": 0.0,
    }
    return RolloutState(**(fields | changes))  # type: ignore[arg-type]  # fields are checked by the class


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout.create("tickets", base=BASE, tuned=TUNED, store=tmp_path)


def test_raising_needs_an_approver_and_lowering_does_not() -> None:
    with pytest.raises(RolloutError, match="approver"):
        transitions.ramp(fresh(), 0.05, approver=None, now=1)
    half = transitions.ramp(fresh(), 0.5, approver="ada", now=1)
    lowered = transitions.ramp(half, 0.1, approver=None, now=2)
    assert (half.approver, lowered.share, lowered.approver, lowered.stage) == ("ada", 0.1, "ada", 2)


def test_only_a_ramping_rollout_is_promoted_and_a_promoted_one_only_rolls_back() -> None:
    with pytest.raises(RolloutError, match="created"):
        transitions.promote(fresh(), approver="ada", now=1)
    ramping = transitions.ramp(fresh(), 0.5, approver="ada", now=1)
    with pytest.raises(RolloutError, match="approver"):
        transitions.promote(ramping, approver="", now=1)
    promoted = transitions.promote(ramping, approver="ada", now=2)
    assert promoted.share == 1
    with pytest.raises(RolloutError):
        transitions.ramp(promoted, 0.5, approver="ada", now=3)
    with pytest.raises(RolloutError):
        transitions.shadow(promoted, 0.1, now=3)
    assert transitions.rollback(promoted, "slow", salt="c", shadow_salt="d", now=3).share == 0


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_ramp_is_above_nothing_and_below_everything(share: float) -> None:
    with pytest.raises(UsageError):
        transitions.ramp(fresh(), share, approver="ada", now=1)


def test_gates_go_on_one_stage_at_a_time_and_only_from_the_state_they_saw() -> None:
    shadowed = transitions.shadow(fresh(), 0.2, now=1)
    assert (shadowed.stage, shadowed.stage_started_at) == (1, 1)
    shares = []
    state = shadowed
    while state.status != "promoted":
        with pytest.raises(RolloutError, match="decide again"):
            transitions.advance(state, epoch=state.epoch - 1, approver="gates", now=2)
        state = transitions.advance(state, epoch=state.epoch, approver="gates", now=2)
        shares.append(state.share)
    assert shares == [0.01, 0.05, 0.2, 0.5, 1.0]
    with pytest.raises(RolloutError, match="shadow"):
        transitions.advance(fresh(), epoch=0, approver="gates", now=2)


def test_a_change_of_the_shadow_inside_a_ramp_keeps_the_stage() -> None:
    ramping = transitions.ramp(fresh(), 0.5, approver="ada", now=1)
    assert transitions.shadow(ramping, 0.3, now=9).stage_started_at == 1


@given(st.text(min_size=1), st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_a_unit_that_has_tuned_keeps_it_when_the_share_rises(unit: str, low: float, high: float) -> None:
    first = fresh(share=low).arm(unit)
    assert first != ("tuned", True) or fresh(share=high).arm(unit) == ("tuned", True)


def test_overrides_are_kept_out_of_the_analysis_and_never_outlive_a_rollback() -> None:
    lists = fresh(share=0.5, always_base=("b",), always_tuned=("t",))
    assert (lists.arm("b"), lists.arm("t")) == (("base", False), ("tuned", False))
    back = transitions.rollback(lists, "errors", salt="c", shadow_salt="d", now=1)
    assert back.arm("t") == ("base", False)


@pytest.mark.parametrize("changes", [{"name": "../x"}, {"name": ""}, {"tuned": BASE}, {"share": 2.0}])
def test_a_state_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        fresh(**changes)


def test_every_change_is_published_and_audited(rollout: Rollout) -> None:
    rollout.shadow(0.2)
    rollout.ramp(0.05, approver="ada")
    rollout.promote(approver="ada")
    state = rollout.rollback("too slow")
    assert [entry.kind for entry in rollout.audit] == ["create", "shadow", "ramp", "promote", "rollback"]
    assert read_state(rollout.state_path) == state == rollout.state
    assert (state.epoch, state.status, state.reason) == (4, "rolled-back", "too slow")


def test_a_new_attempt_deals_everybody_anew(rollout: Rollout) -> None:
    before = rollout.ramp(0.5)
    rollout.rollback("bad")
    after = rollout.ramp(0.5)
    assert before.salt != after.salt
    assert before.shadow_salt != after.shadow_salt


def test_a_rollback_reaches_routers_even_when_the_journal_is_gone(rollout: Rollout) -> None:
    rollout.ramp(0.5)
    database = rollout.journal.workspace.folder / "journal.db"
    rollout.journal.close()
    database.write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError):
        rollout.rollback("bad")
    published = read_state(rollout.state_path)
    assert published is not None
    assert published.share == 0


def test_a_name_is_taken_once_and_an_unknown_one_lists_the_known(rollout: Rollout) -> None:
    with pytest.raises(RolloutError, match="already"):
        Rollout.create("tickets", base=BASE, tuned=TUNED, store=rollout.journal)
    with pytest.raises(UnknownNameError, match="tickets"):
        Rollout.get("ticket", store=rollout.journal)
    assert Rollout.get("tickets", store=rollout.journal).state == rollout.state


def test_of_concurrent_changes_every_one_gets_an_epoch_of_its_own(rollout: Rollout) -> None:
    def change(rate: float) -> int:
        return rollout.shadow(rate).epoch

    with ThreadPoolExecutor(4) as pool:
        epochs = list(pool.map(change, [0.1] * 8))
    assert sorted(epochs) == list(range(1, 9))
    assert read_state(rollout.state_path) == rollout.state
    assert len(rollout.audit) == 9


def test_of_two_swaps_from_one_epoch_the_second_changes_nothing(rollout: Rollout) -> None:
    records = RolloutRecords(rollout.journal)
    assert records.swap("tickets", 0, {"first": True}, kind="ramp", now=1)
    assert not records.swap("tickets", 0, {"second": True}, kind="ramp", now=1)
    assert records.get("tickets") == {"first": True}
    assert len(records.decisions("tickets")) == 2


def test_an_edited_audit_is_noticed(rollout: Rollout) -> None:
    rollout.ramp(0.5)
    with rollout.journal.transaction() as connection:
        connection.execute(sqlalchemy.update(decisions).where(decisions.c.sequence == 0).values(body="{}"))
    with pytest.raises(JournalError, match="edited at entry 0"):
        _ = rollout.audit


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"\xff", b'{"name": "x"}'])
def test_an_unreadable_state_is_no_state(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    assert read_state(path) is None
    path.write_bytes(content)
    assert read_state(path) is None


def test_a_journal_that_never_stays_still_gives_up(rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(RolloutRecords, "swap", refuse)
    with pytest.raises(JournalError, match="try again"):
        rollout.shadow(0.1)
    assert isinstance(rollout.journal, Journal)
