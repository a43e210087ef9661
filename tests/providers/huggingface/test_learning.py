import pytest

from finetuner.errors import UsageError
from finetuner.providers.huggingface import learning


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5"])
def test_a_wrong_number_of_processes_is_named(monkeypatch, given):
    monkeypatch.setenv(learning.PROCESSES, given)
    with pytest.raises(UsageError, match=learning.PROCESSES):
        learning.workers()


def test_the_number_of_processes_can_be_given(monkeypatch):
    monkeypatch.setenv(learning.PROCESSES, "2")
    assert learning.workers() == 2


@pytest.mark.parametrize(("given", "number"), [(None, None), ("0", 0), ("3", 3)])
def test_a_process_knows_which_it_is(monkeypatch, given, number):
    """Accelerate tells each by `RANK`; a process of its own has none."""
    monkeypatch.delenv("RANK", raising=False)
    if given is not None:
        monkeypatch.setenv("RANK", given)
    assert learning.rank() == number
