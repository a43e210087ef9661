"""One process, one file: whole lines or a torn tail at its end, never anything in between."""

import os
import socket
from pathlib import Path

import pytest

from finetuner.deployment.segments import Segment, TornWriteError


def test_a_closed_segment_goes_on_in_another_file(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    for _ in range(2):
        segment.append(b"line\n")
        segment.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"line\n"] * 2


def test_a_file_that_is_large_enough_is_followed_by_another(tmp_path: Path) -> None:
    with Segment(tmp_path, most_bytes=10) as segment:
        for _ in range(6):
            segment.append(b"line\n")
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [10, 10, 10]


def test_files_of_several_hosts_can_lie_side_by_side(tmp_path: Path) -> None:
    with Segment(tmp_path) as segment:
        segment.append(b"line\n")
    (path,) = tmp_path.iterdir()
    assert path.name.startswith(socket.gethostname()[:10].replace(".", "-").replace("_", "-"))


def test_a_torn_write_ends_its_file_and_the_next_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment(tmp_path)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
        with pytest.raises(TornWriteError, match="7 of 10"):
            segment.append(b"line\nline\n")
    segment.append(b"more\n")
    segment.close()
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"line\nli", b"more\n"]


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.append(b"parent\n")
    child = os.fork()
    if child == 0:
        segment.append(b"child\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    segment.append(b"parent\n")
    segment.close()
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"child\n", b"parent\nparent\n"]


def test_others_cannot_read_what_users_asked(tmp_path: Path) -> None:
    with Segment(tmp_path) as segment:
        segment.append(b"line\n")
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
