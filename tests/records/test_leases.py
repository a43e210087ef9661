import threading

import pytest

from finetuner.records.journal import Journal
from finetuner.records.leases import Leases
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
    with leases.hold("job", "one", seconds=0.2):
        seen.wait(0.6)
        assert not leases.acquire("job", "two", seconds=10)
    assert leases.acquire("job", "two", seconds=10)


def test_whoever_comes_second_waits_until_the_first_is_gone(tmp_path):
    clock = FakeClock()
    leases = Leases(Journal.open(tmp_path), clock)
    assert leases.acquire("job", "killed", seconds=10)
    with leases.hold("job", "two", seconds=10):
        assert sum(clock.sleeps) >= 10


def test_an_error_inside_gives_the_lease_back(tmp_path):
    leases = Leases(Journal.open(tmp_path), FakeClock())
    with pytest.raises(KeyError), leases.hold("job", "one"):
        raise KeyError
    assert leases.acquire("job", "two", seconds=10)
