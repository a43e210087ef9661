"""It takes a bad model away by itself, raises only where that is allowed, and two of them never act at once."""

import threading
from pathlib import Path

import pytest

from finetuner.deployment.assignment import bucket
from finetuner.deployment.controller import Controller
from finetuner.deployment.gates import Gates
from finetuner.deployment.notify import Notice
from finetuner.deployment.observations import Observation, record
from finetuner.deployment.rollout import Rollout, read_state
from finetuner.errors import RolloutError, UsageError
from finetuner.records.findings import Findings
from finetuner.records.leases import Leases
from finetuner.testing.clock import FakeClock

HOUR = 3600.0


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    gates = Gates(stages=(0.2, 0.5), quality="none")
    made = Rollout.create("tickets", base="local:a", tuned="local:b", gates=gates, store=tmp_path, clock=FakeClock())
    made.ramp(0.2, approver="ada")
    return made


def serve(rollout: Rollout, requests: int, *, bad: float = 0.0) -> None:
    state = rollout.state
    for number in range(requests):
        unit = f"{state.stage}-{number}"
        arm = "tuned" if bucket("t", "arms", unit) < state.share else "base"
        failed = arm == "tuned" and bucket("t", "errors", unit) < bad
        EVENTS.append(
            Observation(
                kind="exposure", request_id=unit, at=float(number), unit=unit, stage=state.stage, share=state.share,
                assigned=arm, served=arm, analyzed=True, latency=1.0, error="TimeoutError" if failed else None,
            )
        )  # fmt: skip
    record(rollout.events_folder, *EVENTS)
    EVENTS.clear()
    assert isinstance(rollout.clock, FakeClock)
    rollout.clock.advance(HOUR)


EVENTS: list[Observation] = []


class Told:
    def __init__(self, error: str | None = None) -> None:
        self.notices: list[Notice] = []
        self._error = error

    def __call__(self, notice: Notice, /) -> str | None:
        self.notices.append(notice)
        return self._error


def test_a_bad_model_is_taken_away_and_people_are_told(rollout: Rollout) -> None:
    serve(rollout, 1000, bad=0.2)
    told = Told()
    looks = list(Controller(rollout, notifiers=[told]).run())
    assert [look.acted for look in looks] == [True]
    state = read_state(rollout.state_path)
    assert state is not None
    assert (state.status, state.share) == ("rolled-back", 0.0)
    (notice,) = told.notices
    assert (notice.event, notice.share) == ("rollback", 0.0)
    assert notice.text.startswith("errors: ")
    found = Findings(rollout.journal).latest("notification", "tickets")
    assert found is not None
    assert found.passed


def test_a_good_model_waits_for_people_unless_raising_is_allowed(rollout: Rollout) -> None:
    serve(rollout, 3000)
    waiting = Controller(rollout).look()
    assert waiting.decision is not None
    assert (waiting.decision.action, waiting.acted, rollout.state.share) == ("PROMOTE", False, 0.2)


def test_where_raising_is_allowed_it_goes_through_all_stages(rollout: Rollout) -> None:
    controller = Controller(rollout, raise_share=True)
    shares = []
    for look in controller.run():
        assert look.state is not None
        shares.append(look.state.share)
        serve(rollout, 6000)
    assert shares == [0.2, 0.5, 1.0]
    assert all(replay.same for replay in rollout.replay())


def test_of_two_controllers_one_acts_until_its_lease_ends(rollout: Rollout) -> None:
    first, second = Controller(rollout, holder="first"), Controller(rollout, holder="second")
    assert first.look().decision is not None
    assert second.look().trouble == "another controller is in charge"
    assert isinstance(rollout.clock, FakeClock)
    rollout.clock.advance(31.0)
    assert second.look().decision is not None
    assert first.look().trouble is not None


def test_one_that_slept_while_another_acted_changes_nothing(rollout: Rollout) -> None:
    serve(rollout, 3000)
    stale = rollout.look()
    rollout.act(stale)
    assert rollout.state.share == 0.5
    before = rollout.state
    with pytest.raises(RolloutError, match="decide again"):
        rollout.act(stale)
    assert rollout.state == before
    serve(rollout, 1000, bad=0.5)
    worse = rollout.look()
    assert worse.action == "ROLLBACK"
    rollout.shadow(0.1)
    with pytest.raises(RolloutError, match="decide again"):
        rollout.act(worse)
    published = read_state(rollout.state_path)
    assert published is not None
    assert published.share == 0.5


def test_the_audit_keeps_news_not_every_look(rollout: Rollout) -> None:
    controller = Controller(rollout)
    for _ in range(5):
        controller.look()
    assert [entry.kind for entry in rollout.audit].count("decide") == 1
    assert isinstance(rollout.clock, FakeClock)
    rollout.clock.advance(HOUR)
    controller.look()
    assert [entry.kind for entry in rollout.audit].count("decide") == 2


def test_trouble_is_told_and_the_watch_goes_on(rollout: Rollout) -> None:
    controller = Controller(rollout)
    segment = rollout.events_folder / "broken.events"
    segment.parent.mkdir(parents=True, exist_ok=True)
    segment.write_bytes(b"00000000 {}\nmore\n")
    assert "damaged" in (controller.look().trouble or "")
    segment.unlink()
    assert controller.look().trouble is None


def test_a_deaf_receiver_stops_nothing(rollout: Rollout) -> None:
    serve(rollout, 1000, bad=0.2)
    look = Controller(rollout, notifiers=[Told("no answer")]).look()
    assert look.acted
    assert look.undelivered == ("no answer",)
    assert rollout.state.share == 0


def test_it_stops_when_asked_and_gives_the_lease_back(rollout: Rollout) -> None:
    stop = threading.Event()
    controller = Controller(rollout, holder="me")
    for _ in controller.run(stop):
        stop.set()
    assert Leases(rollout.journal, rollout.clock).acquire("rollout:tickets", "another", seconds=1)
    with pytest.raises(UsageError):
        Controller(rollout, interval=0)
