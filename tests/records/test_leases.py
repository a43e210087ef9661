import signal
import subprocess
import sys
import threading
import time

import pytest

from finetuner.records.journal import Journal
from finetuner.records.leases import Leases, _gone
from finetuner.testing import FakeClock


def test_one_holder_at_a_time_until_it_is_released(tmp_path):
    leases = Leases(Journal.open(tmp_path), FakeClock())
    assert leases.acquire("job", "one", seconds=10)
    assert not leases.acquire("job", "two", seconds=10)
    leases.release("job", "two")  # isn't the holder: nothing happens
    assert not leases.acquire("job", "two", seconds=10)
    leases.release("job", "one")
    assert leases.acquire("job", "two", seconds=10)


def test_a_dead_holders_lease_falls_free(tmp_path):
    clock = FakeClock()
    leases = Leases(Journal.open(tmp_path), clock)
    assert leases.acquire("job", "one", seconds=10)
    clock.advance(11)
    assert leases.acquire("job", "two", seconds=10)


def test_a_holder_may_extend_its_lease(tmp_path):
    clock = FakeClock()
    leases = Leases(Journal.open(tmp_path), clock)
    assert leases.acquire("job", "one", seconds=10)
    clock.advance(8)
    assert leases.acquire("job", "one", seconds=10)
    clock.advance(8)
    assert not leases.acquire("job", "two", seconds=10)


def test_a_held_lease_outlasts_its_seconds_and_is_given_back(tmp_path):
    """A block that is slower than the lease keeps it: the renewals come from a thread of its own."""
    leases, seen = Leases(Journal.open(tmp_path)), threading.Event()
    with leases.hold("job", seconds=0.2):
        seen.wait(0.6)
        assert not leases.acquire("job", "two", seconds=10)
    assert leases.acquire("job", "two", seconds=10)


def test_whoever_comes_second_waits_until_the_first_is_gone(tmp_path):
    clock = FakeClock()
    leases = Leases(Journal.open(tmp_path), clock)
    assert leases.acquire("job", "on another machine", seconds=10)
    with leases.hold("job", seconds=10):
        assert sum(clock.sleeps) >= 10


def test_an_error_inside_gives_the_lease_back(tmp_path):
    leases = Leases(Journal.open(tmp_path), FakeClock())
    with pytest.raises(KeyError), leases.hold("job"):
        raise KeyError
    assert leases.acquire("job", "two", seconds=10)


def test_a_killed_process_loses_its_lease_at_once_on_its_own_machine(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from finetuner.records.journal import Journal\n"
        "from finetuner.records.leases import Leases\n"
        "with Leases(Journal.open(sys.argv[1])).hold('job', seconds=600): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == -signal.SIGKILL
    clock = FakeClock(time.time())
    leases = Leases(Journal.open(tmp_path), clock)
    assert not leases.acquire("job", "somebody", seconds=10)
    with leases.hold("job"):
        assert sum(clock.sleeps) == 0


def test_a_living_process_keeps_its_lease_from_other_threads(tmp_path):
    leases, entered, done = Leases(Journal.open(tmp_path)), threading.Event(), threading.Event()

    def hold():
        with leases.hold("job", seconds=60):
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    holder = leases._holder("job")
    assert not leases.acquire("job", "other", seconds=1)
    assert not _gone(holder)
    done.set()
    thread.join()
