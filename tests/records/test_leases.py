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
