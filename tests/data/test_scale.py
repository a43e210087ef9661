"""The same pass on one process, on several, and on Ray: the same result, to the row."""

import json
import random
import subprocess
import sys
from importlib.util import find_spec

import pytest

from finetuner.data import scale
from finetuner.data.dataset import Dataset
from finetuner.errors import DataFormatError, MissingExtraError, UnknownNameError

ENGINES = [
    "processes",
    pytest.param(
        "ray", marks=[pytest.mark.slow, pytest.mark.skipif(not find_spec("ray"), reason="ray isn't installed")]
    ),
]


@pytest.fixture
def small_ranges(monkeypatch):
    """So that a small file is cut into many."""
    monkeypatch.setattr(scale, "_RANGE", 2_000)


def rows(dice, n):
    for row in range(n):
        kind = dice.random()
        good = {
            "messages": [
                {"role": "user", "content": f"question {row}"},
                {"role": "assistant", "content": "ä" * (row % 9 + 1)},
            ]
        }
        if kind < 0.1:
            yield ""
        elif kind < 0.2:
            yield "{torn"
        elif kind < 0.3:
            yield json.dumps({"messages": [{"role": "human", "content": ""}]})
        elif kind < 0.4:
            yield "\ufeff" + json.dumps(good)
        else:
            yield json.dumps(good, ensure_ascii=dice.random() < 0.5)


def write(path, seed, n=400, end="{"):
    path.write_text("\n".join(rows(random.Random(seed), n)) + f"\n{end}", encoding="utf-8")
    return path


def everything(report):
    return (
        [str(issue) for issue in report.issues],
        [issue.file for issue in report.issues],
        report.counts,
        report.n_errors,
        report.n_warnings,
        report.rows.tolist(),
    )


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_finds_the_same(tmp_path, engine):
    """Blank lines, marks in the middle, a torn end, several files: lines, order and counts agree."""
    write(tmp_path / "1.jsonl", 1)
    write(tmp_path / "2.jsonl", 2, end=" \n")
    data = Dataset.load(tmp_path)
    assert len(list(scale._sections(data.rows_view.stretches()))) > 10
    one = data.check("openai", engine="serial")
    assert everything(data.check("openai", engine=engine)) == everything(one)
    assert one.n_errors > 100


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("engine", ENGINES)
def test_counts_of_tokens_agree(tmp_path, engine):
    record = {"messages": [{"role": "user", "content": "hello wörld"}, {"role": "assistant", "content": "b"}]}
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(record) for _ in range(200)) + "\n")
    data = Dataset.load(path)
    one, many = data.tokens(engine="serial"), data.tokens(engine=engine)
    assert one.per_example.tolist() == many.per_example.tolist()
    assert (one.input, one.output, one.exact) == (many.input, many.output, many.exact)


@pytest.mark.usefixtures("small_ranges")
def test_a_bad_line_is_named_as_in_one_pass(tmp_path):
    path = write(tmp_path / "a.jsonl", 3)
    data = Dataset.load(path)
    said = []
    for engine in ("serial", "processes"):
        with pytest.raises(DataFormatError) as caught:
            data.tokens(engine=engine)
        said.append((str(caught.value), caught.value.line, caught.value.file))
    assert said[0] == said[1]


def test_a_file_that_changed_is_read_as_it_was(tmp_path):
    """Workers would open the new one, so that the pass stays here."""
    path = write(tmp_path / "a.jsonl", 4)
    data = Dataset.load(path)
    before = everything(data.check("openai", engine="serial"))
    path.write_text("something else\n")
    assert everything(data.check("openai", engine="processes")) == before


def test_a_worker_refuses_a_file_that_changed(tmp_path):
    path = write(tmp_path / "a.jsonl", 5)
    (section,) = scale._sections(Dataset.load(path).rows_view.stretches())
    path.write_text("something else\n")
    with pytest.raises(DataFormatError, match="has changed since it was loaded"):
        scale._lines(section)
    path.unlink()
    with pytest.raises(DataFormatError, match="can't be read by a worker"):
        scale._lines(section)


def test_what_cannot_be_cut_into_ranges_is_checked_here(tmp_path):
    """Chosen rows, changed rows, tables, and examples in memory."""
    data = Dataset.load(write(tmp_path / "a.jsonl", 6))
    table = tmp_path / "a.csv"
    table.write_text("text,label\nq,a\n")
    for other in (data[::2], data.map(lambda example: example), Dataset.load(table)):
        assert everything(other.check("openai", engine="processes")) == everything(
            other.check("openai", engine="serial")
        )


def test_engines_have_names(tmp_path):
    with pytest.raises(UnknownNameError, match="no engine 'spark'; known: serial, processes, ray"):
        Dataset.load(write(tmp_path / "a.jsonl", 7)).check("openai", engine="spark")


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match='engine="ray" needs the extra "scale"'):
        Dataset.load(write(tmp_path / "a.jsonl", 8)).check("openai", engine="ray")


@pytest.mark.slow
def test_a_million_errors_are_counted_and_few_are_kept(tmp_path):
    """In the memory of the offsets and of the examples that are shown: under 400 MB in all."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "b"}]}\n' * 1_000_000
    )
    code = (
        "import resource, sys; from finetuner.data.dataset import Dataset;"
        f"report = Dataset.load({str(path)!r}).check('openai', engine='processes');"
        "print(report.n_errors, len(report.issues), len(report.rows));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    counts, megabytes = done.stdout.splitlines()
    assert counts == "1000000 1000 1000000"
    assert int(megabytes) < 400
