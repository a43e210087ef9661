"""An event that was acknowledged is in the journal exactly once, whatever crashes or repeats in between."""

import os
from pathlib import Path

import pytest

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation, Segment
from finetuner.errors import JournalError
from finetuner.records.journal import Journal


def event(number: int) -> Observation:
    return Observation(kind="exposure", request_id=f"r{number}", at=float(number), unit="ü\n")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path)


def test_events_are_folded_once_however_often_it_is_tried(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "events"
    with Segment(folder) as segment:
        segment.append(event(1), event(2))
        assert observations.fold(folder, journal, "tickets") == 2
        assert observations.fold(folder, journal, "tickets") == 0
        segment.append(event(3))
        assert observations.fold(folder, journal, "tickets") == 1
    assert observations.folded(journal, "tickets") == (event(1), event(2), event(3))
    assert observations.folded(journal, "other") == ()


def test_a_closed_segment_goes_on_in_another_file(tmp_path: Path, journal: Journal) -> None:
    segment = Segment(tmp_path / "events")
    for number in (1, 2):
        segment.append(event(number))
        segment.close()
    assert len(list((tmp_path / "events").iterdir())) == 2
    assert observations.fold(tmp_path / "events", journal, "tickets") == 2


def test_a_torn_tail_is_left_out_and_taken_when_it_is_whole(tmp_path: Path) -> None:
    with Segment(tmp_path / "events") as segment:
        segment.append(event(0), event(1), event(2))
    (path,) = (tmp_path / "events").iterdir()
    lines = path.read_bytes()
    for length in range(len(lines)):
        path.write_bytes(lines[:length])
        assert len(list(observations.read(path))) == lines[:length].count(b"\n")
    path.write_bytes(lines)
    assert [found for _, found in observations.read(path)] == [event(0), event(1), event(2)]


def test_a_changed_line_inside_is_damage(tmp_path: Path, journal: Journal) -> None:
    with Segment(tmp_path / "events") as segment:
        segment.append(event(1), event(2))
    (path,) = (tmp_path / "events").iterdir()
    path.write_bytes(path.read_bytes().replace(b"r1", b"r9"))
    with pytest.raises(JournalError, match="byte 0"):
        observations.fold(tmp_path / "events", journal, "tickets")
    assert observations.folded(journal, "tickets") == ()


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "events"
    segment = Segment(folder)
    segment.append(event(1))
    child = os.fork()
    if child == 0:
        segment.append(event(2))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    segment.append(event(3))
    segment.close()
    assert len(list(folder.iterdir())) == 2
    assert observations.fold(folder, journal, "tickets") == 3


def test_a_full_disk_is_told_and_what_comes_later_is_not_lost(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment(tmp_path / "events")
    segment.append(event(1))
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[:20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        with pytest.raises(OSError, match="20 of"):
            segment.append(event(2))
    segment.append(event(3))
    segment.close()
    observations.fold(tmp_path / "events", journal, "tickets")
    assert observations.folded(journal, "tickets") == (event(1), event(3))
