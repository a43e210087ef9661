"""What is in memory is at most a second old, or nobody trusts it; whatever can't be read means base only."""

import os
import threading
from pathlib import Path

import attrs
import pytest

from finetuner._core import codec
from finetuner.deployment import poller as module
from finetuner.deployment.poller import EXPIRES_SECONDS, StatePoller, kill_switch
from finetuner.deployment.state import RolloutState
from finetuner.testing.clock import FakeClock

STATE = RolloutState(
    name="faq", base="a:b", tuned="a:t", salt="s", shadow_salt="x", share=0.5, epoch=3, created_at=0.0,
    stage_started_at=0.0,
)  # fmt: skip


def publish(path: Path, state: RolloutState) -> None:
    codec.write_atomically(path, codec.to_json(state).encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    publish(tmp_path / "faq.json", STATE)
    return tmp_path / "faq.json"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_is_too_old_is_not_trusted(path: Path, clock: FakeClock) -> None:
    poller = StatePoller(path, clock)
    seen = poller.current()
    assert seen is not None
    assert seen.state == STATE
    clock.advance(EXPIRES_SECONDS - 0.01)
    assert poller.current() is seen
    clock.advance(0.01)
    assert poller.current() is None
    poller.poll()
    assert poller.current() is not None


def test_a_change_is_seen_at_the_next_look(path: Path, clock: FakeClock) -> None:
    poller = StatePoller(path, clock)
    publish(path, attrs.evolve(STATE, share=0.0, epoch=4))
    assert poller.poll().state == attrs.evolve(STATE, share=0.0, epoch=4)


def test_a_file_that_did_not_change_is_not_read_again(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller = StatePoller(path, clock)
    monkeypatch.setattr(module, "read_state", lambda _: pytest.fail("it was read"))
    clock.advance(5)
    assert poller.poll().read_at == 5


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b'{"share": 1}', b"\xff\xfe", b"[]", b"null", b"3", b"[" * 200_000]
)
def test_what_cannot_be_read_means_base_only_until_it_can(path: Path, clock: FakeClock, content: bytes | None) -> None:
    poller = StatePoller(path, clock)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert poller.poll().assign("u").reason == "unreadable"
    publish(path, STATE)
    assert poller.poll().state == STATE


def test_an_older_state_than_was_seen_undoes_nothing(path: Path, clock: FakeClock) -> None:
    """A database that was restored too late publishes what was before a rollback."""
    poller = StatePoller(path, clock)
    publish(path, attrs.evolve(STATE, share=0.0, epoch=4))
    poller.poll()
    publish(path, STATE)
    assert poller.poll().assign("u", "tuned").arm == "base"


def test_the_kill_switch_is_a_file_that_any_shell_can_touch(path: Path, clock: FakeClock) -> None:
    poller = StatePoller(path, clock)
    kill_switch(path).touch()
    assert poller.poll().assign("u", "tuned").reason == "killed"
    kill_switch(path).unlink()
    assert poller.poll().assign("u", "tuned").arm == "tuned"


def test_a_thread_keeps_looking(path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    poller, looked = StatePoller(path, clock), threading.Event()
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(poller, "poll", looked.set)
    poller.start()
    assert looked.wait(10)
    poller.stop()


def test_a_forked_child_looks_for_itself(path: Path, clock: FakeClock) -> None:
    poller = StatePoller(path, clock)
    poller.start()
    child = os.fork()
    if child == 0:
        poller.reset()
        publish(path, attrs.evolve(STATE, epoch=9))
        state = poller.poll().state
        os._exit(0 if state is not None and state.epoch == 9 else 1)
    assert os.waitpid(child, 0)[1] == 0
    poller.stop()
