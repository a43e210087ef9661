"""Hostile and broken files: a problem with its file and line, never a crash."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.problems import Problem
from finetuner.data.sources.jsontext import MAX_LINE_BYTES, parse
from finetuner.errors import DataFormatError, FinetunerError

GOOD = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": 1,}', "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": -Infinity}', "invalid_json"),
        (b'{"a": True}', "invalid_json"),
        (b'{"a": 1} {"b": 2}', "invalid_json"),
        (b'{"a": "b', "invalid_json"),
        (b'{"a": "\xff"}', "invalid_utf8"),
        (b'\xff{"a": 1}', "invalid_utf8"),
        (b'{"a": 1, "b": 2, "a": 3}', "duplicate_key"),
        (b'{"a" : 1, "a": 3}', "duplicate_key"),
        (b'[{"x": {"b": 2, "b": 2}}]', "duplicate_key"),
        (b'{"a": "\\":", "a": 1}', "duplicate_key"),
        (b'{"a": "\\ud800"}', "lone_surrogate"),
        (b'{"a": "\\ude00 x"}', "lone_surrogate"),
        (b'{"a": 1e999}', "number_out_of_range"),
        (b"9" * 5000, "number_out_of_range"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b"[" * 200_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'"' + b"a" * MAX_LINE_BYTES + b'"', "line_too_long"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else value,
)
def test_what_other_readers_let_pass_is_refused(line: bytes, code: str) -> None:
    found = parse(line)
    assert isinstance(found, Problem)
    assert found.code == code
    assert found.fix


@pytest.mark.parametrize(
    "text", ['{"a": ":"}', '{"a\\"": 1, "b\\\\": {"c": ":-)"}}', "[" * 64 + "]" * 64, '"\\ud83d\\ude00"']
)
def test_what_only_looks_suspicious_is_read(text: str) -> None:
    assert parse(text.encode()) == json.loads(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=JSON, ascii=st.booleans(), indent=st.none() | st.just(1))
def test_good_json_is_read_as_it_is(value: object, ascii: bool, indent: int | None) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii, indent=indent).encode()) == value


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["a", 'b"', "c\\", "d:", ""]), st.sampled_from(["x", '":', "\\"])), max_size=4
    )
)
def test_a_repeated_key_is_found_exactly_when_there_is_one(pairs: list[tuple[str, str]]) -> None:
    text = "{" + ", ".join(f"{json.dumps(key)} : {json.dumps(value)}" for key, value in pairs) + "}"
    found = parse(text.encode())
    assert isinstance(found, Problem) is (len(dict(pairs)) < len(pairs))


def test_a_byte_order_mark_windows_newlines_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n  \n" + GOOD + b"\r\n\n" + GOOD)
    data = Dataset.load(path)
    assert [data.line(row) for row in range(len(data))] == [1, 4, 6]
    assert [example.completion for example in data] == ["b", "b", "b"]
    assert data.check("openai").counts["blank_lines"] == 1


def test_a_torn_last_line_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b"\n" + GOOD[:40])
    data = Dataset.load(path)
    with pytest.raises(DataFormatError, match="line 2: the file ends in the middle of this line"):
        data[1]
    assert data[0].completion == "b"


def test_reading_a_bad_row_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b'\n{"messages": [{"role": "user", "content": 7}]}\n')
    with pytest.raises(DataFormatError) as caught:
        list(Dataset.load(path))
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), 2, "messages[0].content")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "empty"),
        ("a.jsonl", b"\n \n", "empty"),
        ("a.jsonl", b"\xef\xbb\xbf", "empty"),
        ("a.parquet", b"PAR1\x00", "Parquet file is damaged"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd\x00", "Zstandard data is damaged"),
        ("a.xlsx", b"PK\x03\x04\x00", "spreadsheet"),
        ("a.csv", b"", "no header"),
        ("a.csv", b"text,label\n", "empty"),
        ("a.csv", b"\x80,text\nb,c\n", "header line isn't UTF-8"),
        ("a.csv", b"text,text\na,b\n", "two columns"),
        ("a.json", b"[1, 2", "line"),
        ("a.json", b"[]", "empty"),
        ("a.jsonl.gz", gzip.compress(GOOD, mtime=0)[:-9], "damaged"),
        ("b.jsonl.gz", b"\x1f\x8b nonsense", "damaged"),
    ],
)
def test_files_that_hold_nothing_readable(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match=message):
        Dataset.load(path)


def test_a_missing_file_names_its_neighbors(tmp_path: Path) -> None:
    (tmp_path / "training.jsonl").write_bytes(GOOD)
    with pytest.raises(DataFormatError, match=r"no such file.*training\.jsonl"):
        Dataset.load(tmp_path / "trainin.jsonl")
    with pytest.raises(DataFormatError, match="no file matches"):
        Dataset.load(f"{tmp_path}/x*.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFormatError, match="folder holds none"):
        Dataset.load(tmp_path / "empty")


def test_compressed_files_folders_and_patterns_are_one_data_set(tmp_path: Path) -> None:
    (tmp_path / "2.jsonl.gz").write_bytes(gzip.compress(GOOD + b"\n" + GOOD, mtime=0))
    (tmp_path / "1.jsonl").write_bytes(GOOD)
    (tmp_path / "notes.txt").write_text("not data")
    for path in (tmp_path, f"{tmp_path}/*.jsonl*"):
        data = Dataset.load(path)
        assert [(Path(data.file(row)).name, data.line(row)) for row in range(len(data))] == [
            ("1.jsonl", 1),
            ("2.jsonl.gz", 1),
            ("2.jsonl.gz", 2),
        ]


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        b"[" + GOOD + b"]",
        b"text,label\na,b\n",
        b"text\tlabel\na\tb\n",
        gzip.compress(GOOD, mtime=0),
        GOOD.decode().encode("utf-16"),
    ],
    ids=["lines", "list", "csv", "tsv", "gzip", "utf-16"],
)
def test_standard_input_is_recognized_by_its_content(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert [example.completion for example in Dataset.load("-")] == ["b"]


def test_a_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    """As `fine-tuner-cc validate <(zcat a.jsonl.gz)` gives one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(GOOD,))
    writer.start()
    assert len(Dataset.load(pipe)) == 1
    writer.join()


def test_a_list_under_the_name_of_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[\n" + GOOD + b",\n" + GOOD + b"\n]\n")
    data = Dataset.load(path)
    assert [data.line(row) for row in range(len(data))] == [2, 3]
    path.write_bytes(b"[" + GOOD + b",\n")
    assert Dataset.load(path).check("openai").counts["invalid_json"] == 1


def test_hidden_files_of_a_folder_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(GOOD)
    (tmp_path / ".2.jsonl").write_bytes(GOOD)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "3.jsonl").write_bytes(GOOD)
    assert len(Dataset.load(tmp_path)) == 1


def test_long_cells_are_read(tmp_path: Path) -> None:
    """The standard library stops at 131,072 characters; a document may be longer."""
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\n{'x' * 200_000},a\n")
    assert len(Dataset.load(path)[0].user_text) == 200_000


@pytest.mark.parametrize(
    "content",
    [
        b"[" + GOOD + b",\n" + GOOD + b"]",
        b'{"data": [' + GOOD + b", " + GOOD + b"]}",
        GOOD + b"\n" + GOOD + b"\n",
    ],
)
def test_json_files_hold_a_list_in_several_ways(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert [example.completion for example in Dataset.load(path)] == ["b", "b"]


def test_csv_rows_keep_their_lines_and_report_their_problems(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,label\n"two\nlines",x\n\nshort\nlong,y,z\n\xff,x\nlast,y\n')
    data = Dataset.load(path)
    assert [data.line(row) for row in range(len(data))] == [2, 5, 6, 7, 8]
    assert [(issue.line, issue.code) for issue in data.check("openai").issues if issue.line] == [
        (5, "wrong_columns"),
        (6, "wrong_columns"),
        (7, "invalid_utf8"),
    ]
    assert (data[0].user_text, data[4].label) == ("two\nlines", "y")


SUFFIXES = st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".jsonl.gz", ".jsonl.zst", ".parquet", ".txt", ""])
CONTENT = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [
            GOOD,
            b"\n",
            b"\r\n",
            b'"',
            b",",
            b"{",
            b"}",
            b"[",
            b"]",
            b"text,label",
            b"\xff",
            b"\x00",
            b"1",
            b"\xff\xfe",
            b"\x28\xb5\x2f\xfd",
            b"PAR1",
            b"\xef\xbb\xbf",
            b"\t",
            b"NaN",
            b'"a":',
        ]
    ),
    max_size=12,
).map(b"".join)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": partial(gzip.compress, mtime=0),
    "zstd": zstandard.compress,
}


def loads_or_says_why(path: Path) -> None:
    """Whatever a file holds: it loads, row by row, or the error is ours."""
    try:
        data = Dataset.load(path)
    except FinetunerError:
        return
    report = data.check("openai")
    assert report.examples == len(data) > 0
    for row in range(len(data)):
        try:
            data[row]
        except DataFormatError as error:
            assert error.line == data.line(row)  # noqa: PT017  # most rows may well be readable
            assert row in report.rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=CONTENT, suffix=SUFFIXES, pack=st.sampled_from(sorted(PACKED)))
def test_arbitrary_bytes_never_raise_another_error(tmp_path: Path, content: bytes, suffix: str, pack: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKED[pack](content))
    loads_or_says_why(path)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20_000, deadline=None)
@given(content=CONTENT | st.binary(max_size=5_000), suffix=SUFFIXES, pack=st.sampled_from(sorted(PACKED)))
def test_arbitrary_bytes_for_long(tmp_path: Path, content: bytes, suffix: str, pack: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKED[pack](content))
    loads_or_says_why(path)
