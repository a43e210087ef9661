"""An event that was acknowledged is in the journal exactly once, whatever crashes or repeats in between."""

import os
from pathlib import Path

import pytest

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation, line
from finetuner.deployment.segments import Segment
from finetuner.errors import JournalError, UsageError
from finetuner.records.journal import Journal


def event(number: int) -> Observation:
    return Observation(kind="exposure", request_id=f"r{number}", at=float(number), unit="ü\n")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path)


def test_events_are_folded_once_however_often_it_is_tried(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "events"
    with Segment(folder) as segment:
        segment.append(line(event(1)) + line(event(2)))
        assert observations.fold(folder, journal, "tickets") == 2
        assert observations.fold(folder, journal, "tickets") == 0
        segment.append(line(event(3)))
        assert observations.fold(folder, journal, "tickets") == 1
    assert observations.folded(journal, "tickets") == (event(1), event(2), event(3))
    assert observations.folded(journal, "other") == ()


def test_a_torn_tail_is_left_out_and_taken_when_it_is_whole(tmp_path: Path) -> None:
    with Segment(tmp_path / "events") as segment:
        segment.append(line(event(0)) + line(event(1)) + line(event(2)))
    (path,) = (tmp_path / "events").iterdir()
    lines = path.read_bytes()
    for length in range(len(lines)):
        path.write_bytes(lines[:length])
        assert len(list(observations.read(path))) == lines[:length].count(b"\n")
    path.write_bytes(lines)
    assert [found for _, found in observations.read(path)] == [event(0), event(1), event(2)]


def test_a_changed_line_inside_is_damage(tmp_path: Path, journal: Journal) -> None:
    with Segment(tmp_path / "events") as segment:
        segment.append(line(event(1)) + line(event(2)))
    (path,) = (tmp_path / "events").iterdir()
    path.write_bytes(path.read_bytes().replace(b"r1", b"r9"))
    with pytest.raises(JournalError, match="byte 0"):
        observations.fold(tmp_path / "events", journal, "tickets")
    assert observations.folded(journal, "tickets") == ()


def test_feedback_comes_days_later_from_another_process(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "events"
    with Segment(folder) as segment:
        segment.append(line(event(1)))
    assert observations.fold(folder, journal, "tickets") == 1
    child = os.fork()
    if child == 0:
        observations.record_feedback(folder, "r1", quality=0.5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert observations.fold(folder, journal, "tickets") == 1
    exposure, liked = observations.folded(journal, "tickets")
    assert (liked.kind, liked.request_id, liked.quality) == ("feedback", exposure.request_id, 0.5)


def test_an_impossible_quality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quality"):
        observations.record_feedback(tmp_path, "r1", quality=1.5)


def test_a_file_is_folded_in_batches_and_a_crash_between_them_loses_and_repeats_nothing(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observations, "_BATCH", 3)
    with Segment(tmp_path / "events") as segment:
        segment.append(b"".join(line(event(number)) for number in range(10)))
    records = observations.ObservationRecords
    calls = []

    def dies(self: object, *arguments: object) -> int:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fold(self, *arguments)

    fold = records.fold
    with monkeypatch.context() as patch:
        patch.setattr(records, "fold", dies)
        with pytest.raises(KeyboardInterrupt):
            observations.fold(tmp_path / "events", journal, "tickets")
    observations.fold(tmp_path / "events", journal, "tickets")
    assert observations.folded(journal, "tickets") == tuple(event(number) for number in range(10))


def test_texts_that_are_no_unicode_are_recorded_as_far_as_they_are(tmp_path: Path) -> None:
    with Segment(tmp_path) as segment:
        segment.append(line(Observation(kind="exposure", request_id="r", at=1.0, unit="a\udc80b", prompt="\ud800")))
    (path,) = tmp_path.iterdir()
    ((_, found),) = observations.read(path)
    assert (found.unit, found.prompt) == ("a?b", "?")
