"""Bytes in memory and on the disk."""

import os

import pytest

from finetuner.data.sources import bytestore
from finetuner.data.sources.bytestore import InMemory, OnDisk, held


def test_a_file_stays_what_it_was_when_the_path_gets_another(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    data = OnDisk.open(path)
    (tmp_path / "b").write_bytes(b"other")
    (tmp_path / "b").replace(path)
    assert (len(data), data.read(2, 5)) == (10, b"234")


def test_a_file_that_is_cut_off_gives_fewer_bytes(tmp_path):
    """A memory map would end the process here."""
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    data = OnDisk.open(path)
    os.truncate(path, 4)
    assert (data.read(2, 8), data.read(6, 8)) == (b"23", b"")


def test_without_pread_bytes_are_read_all_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pread")
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert OnDisk.open(path).read(3, 6) == b"345"


@pytest.mark.parametrize(("limit", "kind"), [(100, InMemory), (5, OnDisk), (0, OnDisk)])
def test_many_bytes_go_to_a_temporary_file(monkeypatch, limit, kind):
    monkeypatch.setattr(bytestore, "_IN_MEMORY", limit)
    data = held(iter([b"abc", b"", b"defg", b"h"]))
    assert isinstance(data, kind)
    assert (len(data), data.read(0, 8), data.read(2, 4)) == (8, b"abcdefgh", b"cd")
