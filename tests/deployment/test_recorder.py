"""Nobody waits for the disk; what it refuses is kept, bounded, and counted; a kill -9 loses nothing."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from finetuner.deployment import observations, recorder
from finetuner.deployment.observations import Observation
from finetuner.deployment.recorder import Recorder, RecorderOptions
from finetuner.deployment.segments import Segment
from finetuner.deployment.tally import Tally
from finetuner.records.journal import Journal


def event(number: int) -> Observation:
    return Observation(kind="exposure", request_id=f"r{number}", at=float(number))


def found(folder: Path, journal: Journal) -> list[str]:
    observations.fold(folder, journal, "tickets")
    return [event.request_id for event in observations.folded(journal, "tickets")]


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "events"


def test_every_event_of_many_threads_is_in_the_journal_once(folder: Path, journal: Journal) -> None:
    record = Recorder(folder)

    def work(first: int) -> None:
        for number in range(first, first + 500):
            record.append(event(number))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record.close()
    assert found(folder, journal) == names(2000)
    assert (record.lost, record.waiting) == ({}, 0)


@pytest.mark.parametrize("pause", [0.0, 0.03])
def test_kill_9_loses_no_event_that_was_taken(folder: Path, journal: Journal, pause: float) -> None:
    child = os.fork()
    if child == 0:
        record = Recorder(folder)
        taken = all(record.append(event(number)) for number in range(700))
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGKILL if taken else signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert found(folder, journal) == names(700)


def test_a_forked_child_records_its_own_and_none_of_the_parents(folder: Path, journal: Journal) -> None:
    record = Recorder(folder)
    for number in range(100):
        record.append(event(number))
    child = os.fork()
    if child == 0:
        record.reset()
        record.append(event(100))
        record.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    record.close()
    assert found(folder, journal) == names(101)


def test_a_full_disk_holds_up_nobody_and_what_it_refused_follows_later(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_RETRY_SECONDS", 0.01)
    record, refused = Recorder(folder), threading.Event()
    real = Segment.write

    def torn(self: Segment, data: bytes) -> int:
        """Take 30 bytes, then nothing."""
        if self.size:
            refused.set()
            raise OSError("no space left")
        return real(self, data[:30])

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "write", torn)
        for number in range(50):
            record.append(event(number))
        assert refused.wait(10)
        assert record.waiting == 50
    record.close()
    assert found(folder, journal) == names(50)


def test_more_than_memory_may_hold_is_lost_and_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Segment, _data: bytes) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Segment, "write", full)
    few = Recorder(folder, RecorderOptions(capacity=10))
    small = Recorder(folder, RecorderOptions(most_bytes=2000))
    for number in range(30):
        few.append(event(number))
        small.append(event(number))
    assert (few.waiting, few.lost) == (10, {"disk": 20})
    assert 0 < small.waiting < 10
    for record in (few, small):
        kept = record.waiting
        record.close(2)
        assert record.lost == {"disk": 30 - kept, "closing": kept}


def test_what_was_dropped_is_told_by_the_next_write_that_the_disk_takes(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_RETRY_SECONDS", 0.01)
    refused = threading.Event()

    def full(_self: Segment, _data: bytes) -> int:
        refused.set()
        raise OSError("no space left")

    record = Recorder(folder, RecorderOptions(capacity=10))
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "write", full)
        for number in range(30):
            record.append(attrs.evolve(event(number), stage=2))
        record.append(Observation(kind="feedback", request_id="r0", at=30.0, quality=1.0))
        assert refused.wait(10)
    record.close()
    observations.fold(folder, journal, "tickets")
    kept = observations.folded(journal, "tickets")
    assert [each.request_id for each in kept if each.kind == "exposure"] == names(10)
    (dropped,) = (each for each in kept if each.kind == "dropped")
    assert (dropped.count, dropped.stage, dropped.lost) == (21, 2, "disk")
    assert record.lost == {"disk": 21}
    assert Tally().add_all(kept).lost_share == 21 / 31
    assert Tally(after_stage=2).add_all(kept).lost_share == 0, "they belong to the attempt before"


def test_a_disk_that_hangs_holds_up_nobody(folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    release, hung = threading.Event(), threading.Event()
    real = Segment.write

    def hang(self: Segment, data: bytes) -> int:
        hung.set()
        release.wait(10)
        return real(self, data)

    monkeypatch.setattr(Segment, "write", hang)
    record = Recorder(folder)
    record.append(event(0))
    assert hung.wait(10)
    for number in range(1, 20):
        assert record.append(event(number))  # the spool took it
    release.set()
    record.close()
    assert found(folder, journal) == names(20)


def test_without_a_folder_in_memory_events_are_recorded_all_the_same(folder: Path, journal: Journal) -> None:
    record = Recorder(folder, RecorderOptions(memory=None))
    assert not record.append(event(0))
    record.close()
    assert found(folder, journal) == names(1)


def test_segments_and_spools_turn_over_without_a_gap(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_MOST_SEGMENT_BYTES", 2000)
    monkeypatch.setattr(recorder, "_SPOOL_BYTES", 500)
    monkeypatch.setattr(recorder, "_MOST_SPOOL_BYTES", 3000)
    monkeypatch.setattr(recorder, "_BATCH", 3)
    child = os.fork()
    if child == 0:
        record = Recorder(folder)
        for number in range(60):
            record.append(event(number))
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert found(folder, journal) == names(60)
    assert len(list(folder.iterdir())) > 3
