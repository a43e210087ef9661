"""Rows of JSON lines."""

from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.problems import Problem
from finetuner.data.sources import jsonl
from finetuner.data.sources.bytestore import InMemory
from finetuner.data.sources.jsontext import MAX_LINE_BYTES


@given(
    rows=st.lists(st.sampled_from([b"1", b'"ab"', b"[1, 2, 3]", b'"' + b"x" * 90 + b'"']), min_size=1, max_size=40),
    block=st.sampled_from([1, 10, 100]),
    data=st.data(),
)
def test_rows_in_blocks_are_the_rows_one_by_one(rows, block, data):
    before, jsonl._BLOCK = jsonl._BLOCK, block
    try:
        lines = jsonl.lines_of(InMemory(b"\n\n".join(rows)), name="a", size=None)
        first = data.draw(st.integers(0, len(rows)))
        last = data.draw(st.integers(first, len(rows)))
        assert list(lines.raws(first, last)) == [lines.raw(row) for row in range(first, last)] == rows[first:last]
    finally:
        jsonl._BLOCK = before
    assert [lines.line(row) for row in range(len(rows))] == [1 + 2 * row for row in range(len(rows))]


def test_a_line_without_end_is_not_read_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'"' + b"x" * (3 * MAX_LINE_BYTES) + b'"\n1\n')
    lines = jsonl.open_lines(path)
    assert len(lines.raw(0)) == MAX_LINE_BYTES + 1
    problem = lines.read(0)
    assert isinstance(problem, Problem)
    assert problem.message == "the record has more than 4,194,304 bytes, the most that are read as one"
    assert list(lines.raws(1, 2)) == [b"1"]
