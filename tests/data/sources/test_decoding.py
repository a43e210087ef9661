"""Compressed and wide text."""

import gzip

import pytest
import zstandard

from finetuner.data.dataset import Dataset
from finetuner.data.sources import bytestore
from finetuner.errors import DataFormatError, MissingExtraError

GOOD = '{"messages": [{"role": "user", "content": "ä語😀"}, {"role": "assistant", "content": "b"}]}'
TWO = f"{GOOD}\r\n\r\n{GOOD}"


def pack(data, kind):
    return gzip.compress(data, mtime=0) if kind == "gz" else zstandard.compress(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", ["", "gz", "zst"])
@pytest.mark.parametrize("limit", [1 << 20, 10], ids=["memory", "disk"])
def test_encodings_and_compressions_combine(tmp_path, monkeypatch, encoding, kind, limit):
    """Recognized by content; the name may say nothing."""
    monkeypatch.setattr(bytestore, "_IN_MEMORY", limit)
    path = tmp_path / "a"
    data = TWO.encode(encoding)
    path.write_bytes(pack(data, kind) if kind else data)
    loaded = Dataset.load(path)
    assert [(loaded.line(row), loaded[row].user_text) for row in range(2)] == [(1, "ä語😀"), (3, "ä語😀")]


@pytest.mark.parametrize("mark", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
def test_either_byte_order_is_read(tmp_path, mark):
    path = tmp_path / "a.jsonl"
    path.write_bytes(f"\ufeff{GOOD}".encode(mark))
    assert Dataset.load(path)[0].completion == "b"


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.encode("utf-16-le") + b"\n",  # half a character at the end
        GOOD.replace("ä", "X").encode("utf-16-le").replace(b"X\0", b"\x00\xd8"),  # half of a surrogate pair
    ],
)
def test_what_is_no_character_is_a_problem_of_its_line(tmp_path, bad):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xff\xfe" + f"{GOOD}\n".encode("utf-16-le") + bad)
    report = Dataset.load(path).check("openai")
    assert [(issue.line, issue.code) for issue in report.errors if issue.line] == [(2, "invalid_utf8")]


def test_a_number_beyond_unicode_is_a_problem_of_its_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xff\xfe\0\0" + f"{GOOD}\n".encode("utf-32-le") + b"\xff\xff\xff\x7f")
    assert "invalid_utf8" in Dataset.load(path).check("openai").counts


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("damage", ["cut", "tail", "middle"])
def test_damaged_compression_is_said(tmp_path, kind, damage):
    data = pack(b"".join(b'{"n": %d}\n' % (n * n) for n in range(5000)), kind)
    middle = len(data) // 2
    broken = {
        "cut": data[:-5],
        "tail": data + b"junkjunk",
        "middle": data[:middle] + bytes(byte ^ 0x55 for byte in data[middle : middle + 20]) + data[middle + 20 :],
    }[damage]
    path = tmp_path / f"a.jsonl.{kind}"
    path.write_bytes(broken)
    with pytest.raises(DataFormatError, match="data is damaged"):
        Dataset.load(path)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_is_stopped_while_it_grows(tmp_path, kind):
    """200 times its size and no more."""
    path = tmp_path / f"a.jsonl.{kind}"
    path.write_bytes(pack(b" " * 50_000_000, kind))
    with pytest.raises(DataFormatError, match=r"grows to more than .* bytes when decompressed"):
        Dataset.load(path)


def test_several_frames_are_one_file(tmp_path):
    """As `cat a.zst b.zst` and `cat a.gz b.gz` give."""
    for kind in ("gz", "zst"):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(pack(f"{GOOD}\n".encode(), kind) * 3)
        assert len(Dataset.load(path)) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "compressed twice"),
        (gzip.compress(zstandard.compress(b"x"), mtime=0), "compressed twice"),
        (gzip.compress(b"PAR1....PAR1", mtime=0), "Parquet file inside"),
        (gzip.compress(b"PK\x03\x04", mtime=0), "ZIP archive"),
        (b"PK\x03\x04", "ZIP archive"),
        (gzip.compress(b"", mtime=0), "empty"),
        (zstandard.compress(b""), "empty"),
    ],
)
def test_what_is_inside_must_be_text(tmp_path, data, message):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(DataFormatError, match=message):
        Dataset.load(path)


def test_without_zstandard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(TWO.encode()))
    with pytest.raises(MissingExtraError, match=r'Zstandard needs the extra "parquet"'):
        Dataset.load(path)
