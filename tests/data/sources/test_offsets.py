"""Where lines start and end, and how that is remembered."""

import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.sources import offsets
from finetuner.data.sources.bytestore import InMemory
from finetuner.data.sources.jsonl import open_lines

PIECES = st.lists(st.sampled_from([b"\n", b"\r\n", b" ", b"\t\n", b"ab", b"\xef\xbb\xbf", b"c" * 40]), max_size=30)


def expected(data):
    """The rule in plain words: split at newlines, drop what holds only white space."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    lines = data[start:].split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def found(data, places):
    numbers = range(1, len(places) + 1) if places.numbers is None else places.numbers.tolist()
    return [(n, data[a:b]) for n, a, b in zip(numbers, places.starts, places.ends, strict=True)]


@given(data=PIECES.map(b"".join), block=st.sampled_from([1, 2, 3, 7, 64]), dense=st.sampled_from([0, 1, 10**6]))
def test_lines_are_found_wherever_blocks_end(data, block, dense):
    """Both ways of looking for newlines, and blocks of any size, give the same lines."""
    before = offsets._BLOCK, offsets._DENSE
    offsets._BLOCK, offsets._DENSE = block, dense
    try:
        places = offsets.scan(InMemory(data))
    finally:
        offsets._BLOCK, offsets._DENSE = before
    assert found(data, places) == expected(data)
    assert places.torn == (bool(expected(data)) and data.endswith(expected(data)[-1][1]))


def large(path, rows=90_000):
    path.write_bytes(b"".join(b'{"row": %d, "pad": "%s"}\n' % (row, b"x" * 80) for row in range(rows)))
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_a_second_open_takes_the_offsets_from_the_cache(tmp_path, cache, monkeypatch):
    path = large(tmp_path / "a.jsonl")
    first = open_lines(path)
    assert len(list(cache.glob("offsets/*.offsets"))) == 1
    monkeypatch.setattr("finetuner.data.sources.jsonl.scan", None)  # would fail if it were called
    again = open_lines(path)
    assert np.array_equal(first.offsets.starts, again.offsets.starts)
    assert np.array_equal(first.offsets.ends, again.offsets.ends)
    assert again.read(89_999) == {"row": 89_999, "pad": "x" * 80}


def test_a_changed_file_is_read_anew(tmp_path):
    path = large(tmp_path / "a.jsonl")
    open_lines(path)
    with path.open("ab") as file:
        file.write(b'\n{"row": -1}\n')
    os.utime(path, ns=(10**18, 10**18))
    lines = open_lines(path)
    assert (len(lines), lines.read(90_000), lines.line(90_000)) == (90_001, {"row": -1}, 90_002)


def test_a_file_written_a_moment_ago_is_not_remembered(tmp_path, cache):
    """Its time stamp may be the same after one more write."""
    path = large(tmp_path / "a.jsonl")
    later = time.time_ns() + 3600 * 10**9  # however busy the machine is, a moment ago at most
    os.utime(path, ns=(later, later))
    open_lines(path)
    assert list(cache.glob("offsets/*")) == []


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"nonsense", b"\xff\n", None])
def test_a_damaged_entry_is_ignored(tmp_path, cache, damage):
    path = large(tmp_path / "a.jsonl")
    open_lines(path)
    (entry,) = cache.glob("offsets/*.offsets")
    data = entry.read_bytes()
    entry.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    assert open_lines(path).read(3) == {"row": 3, "pad": "x" * 80}


def test_only_the_newest_entries_are_kept(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(offsets, "_KEPT", 2)
    for name in "abc":
        open_lines(large(tmp_path / f"{name}.jsonl"))
    assert len(list(cache.glob("offsets/*"))) == 2


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FINETUNER_CACHE", str(tmp_path / "file"))
    path = large(tmp_path / "a.jsonl")
    assert [len(open_lines(path)) for _ in range(2)] == [90_000, 90_000]


def test_the_cache_lies_where_the_platform_keeps_such(tmp_path, monkeypatch):
    monkeypatch.delenv("FINETUNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert offsets._entry("key").parent == tmp_path / "xdg" / "finetuner" / "offsets"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert offsets._entry("key").parent == tmp_path / ".cache" / "finetuner" / "offsets"
