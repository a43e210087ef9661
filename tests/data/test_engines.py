"""Processes that work through tasks."""

import pytest

from finetuner.data import engines
from finetuner.errors import DataError


def test_large_files_are_worth_a_process_for_each_core(monkeypatch):
    monkeypatch.setattr(engines, "cores", lambda: 2)
    assert [engines.choose(None, size) for size in (0, 256 << 20)] == ["serial", "processes"]
    assert engines.choose("serial", 1 << 40) == "serial"
    monkeypatch.setattr(engines, "cores", lambda: 1)
    assert engines.choose(None, 1 << 40) == "serial"


def test_a_worker_that_dies_is_an_error_with_its_last_words():
    """Here the task is none, which ends the worker."""
    with pytest.raises(DataError, match=r"a worker process ended before its work was done: .*Error"):
        list(engines.run([b"nonsense", b"nonsense"], "processes"))


def test_giving_up_early_ends_the_workers(monkeypatch):
    started = []

    class Watched(engines._Worker):
        def __init__(self):
            super().__init__()
            started.append(self._process)

    monkeypatch.setattr(engines, "_Worker", Watched)
    with pytest.raises(DataError):
        list(engines.run([b"nonsense"] * 3, "processes"))
    assert started
    assert all(process.poll() is not None for process in started)
