"""One process, one file: whole lines, and perhaps a torn one at its end."""

import os
import socket
from pathlib import Path

import pytest

from finetuner.deployment.segments import Segment


def test_nothing_is_made_before_there_is_something_to_write(tmp_path: Path) -> None:
    with Segment(tmp_path / "events"):
        pass
    assert not (tmp_path / "events").exists()


def test_a_closed_segment_goes_on_where_it_ended(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    for _ in range(2):
        segment.append(b"line\n")
        segment.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"line\nline\n"]
    assert segment.size == 10


def test_files_of_several_hosts_can_lie_side_by_side(tmp_path: Path) -> None:
    with Segment(tmp_path) as segment:
        segment.append(b"line\n")
    (path,) = tmp_path.iterdir()
    assert path.name.startswith(socket.gethostname()[:10].replace(".", "-").replace("_", "-"))


def test_what_the_disk_takes_in_part_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    with Segment(tmp_path) as segment:
        assert (segment.write(b"line\nline\n"), segment.size) == (7, 7)


def test_appending_ends_only_when_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with Segment(tmp_path) as segment, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
        segment.append(b"line\nline\n")
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"line\nline\n"


def test_others_cannot_read_what_users_asked(tmp_path: Path) -> None:
    with Segment(tmp_path) as segment:
        segment.append(b"line\n")
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
