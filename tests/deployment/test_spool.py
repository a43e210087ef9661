"""What a killed process hadn't written yet is appended to its segment once, by whoever comes first."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.deployment.spool import Spool, recover, spool_folder


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "memory"
    path.mkdir()
    return path


def killed(folder: Path, memory: Path, segment: str, offset: int, *lines: bytes) -> None:
    """Leave the spool of a process that was killed."""
    child = os.fork()
    if child == 0:
        spool = Spool(spool_folder(folder, memory) or folder, segment, offset, lines[:1])
        for line in lines[1:]:
            spool.append(line)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_killed_process_leaves_its_events(tmp_path: Path, memory: Path) -> None:
    folder = tmp_path / "events"
    killed(folder, memory, "a.events", 0, b"one\n", b"two\n")
    assert [recover(folder, memory) for _ in range(2)] == [1, 0]
    assert (folder / "a.events").read_bytes() == b"one\ntwo\n"


@settings(max_examples=30, deadline=None)
@given(offset=st.integers(0, 12), there=st.integers(0, 12))
def test_a_segment_gets_only_what_it_lacks(tmp_path_factory: pytest.TempPathFactory, offset: int, there: int) -> None:
    folder = tmp_path_factory.mktemp("events")
    memory = tmp_path_factory.mktemp("memory")
    whole = b"one\ntwo\nsix\n"
    there = max(there, offset)
    (folder / "a.events").write_bytes(whole[:there])
    Spool(spool_folder(folder, memory) or folder, "a.events", offset, [whole[offset:]]).abandon()
    assert recover(folder, memory) == 1
    assert (folder / "a.events").read_bytes() == whole


def test_a_torn_end_of_a_spool_is_left_out(tmp_path: Path, memory: Path) -> None:
    killed(tmp_path, memory, "a.events", 0, b"one\n", b"tw")
    recover(tmp_path, memory)
    assert (tmp_path / "a.events").read_bytes() == b"one\n"


def test_the_spool_of_a_living_process_is_left_alone(tmp_path: Path, memory: Path) -> None:
    spool = Spool(spool_folder(tmp_path, memory) or tmp_path, "a.events", 0, [b"one\n"])
    assert recover(tmp_path, memory) == 0
    spool.remove()
    assert recover(tmp_path, memory) == 0
    assert not (tmp_path / "a.events").exists()


def test_each_folder_of_events_has_its_own_spools(tmp_path: Path, memory: Path) -> None:
    killed(tmp_path / "one", memory, "a.events", 0, b"one\n")
    assert recover(tmp_path / "two", memory) == 0


def test_a_folder_that_others_can_read_is_not_used(tmp_path: Path, memory: Path) -> None:
    folder = spool_folder(tmp_path, memory)
    assert folder is not None
    folder.chmod(0o755)
    assert spool_folder(tmp_path, memory) is None


def test_nothing_is_left_in_memory(tmp_path: Path, memory: Path) -> None:
    spool = Spool(spool_folder(tmp_path, memory) or tmp_path, "a.events", 0, [])
    spool.remove()
    killed(tmp_path, memory, "b.events", 0, b"one\n")
    recover(tmp_path, memory)
    assert list(memory.iterdir()) == []


def test_without_memory_there_are_no_spools(tmp_path: Path) -> None:
    assert spool_folder(tmp_path, tmp_path / "missing") is None
    assert recover(tmp_path, tmp_path / "missing") == 0
