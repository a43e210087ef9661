"""Parquet files as rows."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.sources.parquet import ParquetRows
from finetuner.errors import DataFormatError, FinetunerError, MissingExtraError


def chats(n):
    return [
        {
            "messages": [
                {"role": "user", "content": f"q{i}", "weight": None},
                {"role": "assistant", "content": f"a{i}", "weight": 1},
            ]
        }
        for i in range(n)
    ]


def write(path, rows, **options):
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def test_rows_are_examples(tmp_path):
    """Over several row groups, in any order; a null is an absent key."""
    path = write(tmp_path / "a.parquet", chats(500), row_group_size=130)
    data = Dataset.load(path)
    assert [example.completion for example in data] == [f"a{i}" for i in range(500)]
    assert [data[row].completion for row in (499, 0, 131, 129, -1)] == ["a499", "a0", "a131", "a129", "a499"]
    assert data.check("openai").ok
    assert data.line(7) == 8
    assert data[0].messages[0].weight is None


def test_columns_of_text_and_label_are_inferred(tmp_path):
    path = write(tmp_path / "a.parquet", [{"text": "it rains", "label": "weather"}] * 3)
    assert (Dataset.load(path)[2].user_text, Dataset.load(path)[2].label) == ("it rains", "weather")


def test_values_become_json(tmp_path):
    row = {
        "time": dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC),
        "day": dt.date(2026, 11, 24),
        "price": Decimal("1.50"),
        "data": b"\x00\xff",
        "share": 0.5,
        "none": None,
        "list": [1, None],
    }
    rows = ParquetRows(write(tmp_path / "a.parquet", [row, {**row, "share": math.nan}]), "mine")
    assert rows.read(0) == {
        "time": "2026-11-24T12:00:00+00:00",
        "day": "2026-11-24",
        "price": "1.50",
        "data": "AP8=",
        "share": 0.5,
        "list": [1, None],
    }
    problem = rows.read(1)
    assert (problem.code, problem.message) == ("unreadable_row", "the row can't be read: nan is no JSON number")
    assert (rows.name, rows.file(0), rows.blank_lines, rows.size) == (
        "mine",
        "mine",
        0,
        (tmp_path / "a.parquet").stat().st_size,
    )


def test_a_durations_row_says_what_json_lacks(tmp_path):
    rows = ParquetRows(write(tmp_path / "a.parquet", [{"took": dt.timedelta(seconds=1)}]), "a")
    assert "timedelta has no place in JSON" in rows.read(0).message


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([pa.array(["x"]), pa.array(["y"])], names=["text", "text"]), path)
    with pytest.raises(DataFormatError, match='two columns are named "text"'):
        Dataset.load(path)


def test_an_empty_table_is_empty(tmp_path):
    with pytest.raises(DataFormatError, match="empty"):
        Dataset.load(write(tmp_path / "a.parquet", chats(1)[:0] or [{"text": "x"}][:0] or []))


def test_folders_mix_parquet_and_lines(tmp_path):
    write(tmp_path / "1.parquet", chats(2))
    (tmp_path / "2.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    assert len(Dataset.load(tmp_path)) == 3


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", chats(1))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'Parquet files needs the extra "parquet"'):
        Dataset.load(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), xor=st.integers(1, 255), cut=st.integers(0, 40))
def test_a_damaged_file_is_an_error_or_problems_of_its_rows(tmp_path, place, xor, cut):
    data = bytearray(write(tmp_path / "a.parquet", chats(100), row_group_size=30).read_bytes())
    data[int(place * len(data))] ^= xor
    path = tmp_path / "b.parquet"
    path.write_bytes(data[: len(data) - cut])
    try:
        report = Dataset.load(path).check("openai")
    except FinetunerError:
        return
    assert report.examples >= 0
