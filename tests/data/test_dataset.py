"""The data set as a view: what verbs promise."""

import time
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, Message, assistant, user
from finetuner.errors import DataFormatError, InvalidDataError, UsageError

BANKING77 = Path(__file__).parents[2].parent / "shared" / "data" / "banking77" / "train.csv"


def examples(n: int) -> list[Example]:
    return [Example(messages=(user(f"q{i}"), assistant("ab"[i % 2])), metadata={"n": i}) for i in range(n)]


@pytest.fixture
def data() -> Dataset:
    return Dataset.from_examples(examples(10))


def shout(example: Example) -> Example:
    return attrs.evolve(example, messages=(user(example.user_text.upper()), *example.messages[1:]))


def test_iterating_twice_gives_the_same(data: Dataset, tmp_path: Path) -> None:
    loaded = Dataset.load(data.write(tmp_path / "a.jsonl")).map(shout)
    assert list(loaded) == list(loaded)
    assert loaded[-1].user_text == "Q9"


def test_verbs_leave_the_old_data_set_unchanged(data: Dataset) -> None:
    before = (len(data), data.fingerprint)
    data.map(shout).filter(lambda example: example.label == "a").drop([0])
    assert (len(data), data.fingerprint) == before


@given(rows=st.lists(st.integers(0, 9), max_size=20))
def test_selected_rows_come_in_the_given_order_with_their_lines(rows: list[int]) -> None:
    data = Dataset.from_examples(examples(10))
    chosen = data.select(np.asarray(rows, dtype=np.int64))
    assert [example.metadata["n"] for example in chosen] == rows
    assert [chosen.line(index) for index in range(len(chosen))] == [row + 1 for row in rows]


def test_slices_filters_and_drops(data: Dataset) -> None:
    assert [example.metadata["n"] for example in data[2:8:3]] == [2, 5]
    assert [example.metadata["n"] for example in data.filter(lambda e: e.label == "b")] == [1, 3, 5, 7, 9]
    assert [example.metadata["n"] for example in data.drop([0, 9, 9])] == list(range(1, 9))


@pytest.mark.parametrize("row", [-1, 10])
def test_a_row_out_of_range_is_refused(data: Dataset, row: int) -> None:
    with pytest.raises(UsageError, match="between 0 and 9"):
        data.select(np.asarray([row]))


def test_the_fingerprint_is_of_content_and_order(data: Dataset, tmp_path: Path) -> None:
    """The same in every format and place; metadata doesn't count, order and text do."""
    written = Dataset.load(data.write(tmp_path / "a.jsonl"))
    converted = Dataset.load(data.write(tmp_path / "b.jsonl", format="vertex"))
    assert data.fingerprint == written.fingerprint == converted.fingerprint
    assert len({data.fingerprint, data[::-1].fingerprint, data[:9].fingerprint, data.map(shout).fingerprint}) == 4
    assert len(data.fingerprint) == 64


def test_prompt_hashes_see_the_prompt_only(data: Dataset) -> None:
    other = data.map(lambda example: attrs.evolve(example, messages=(example.messages[0], assistant("z"))))
    assert data.prompt_hashes() == other.prompt_hashes()
    assert {len(digits) for digits in data.prompt_hashes()} == {16}
    assert len(set(data.prompt_hashes())) == 10


def test_finetuner_lines_keep_everything(data: Dataset, tmp_path: Path) -> None:
    assert list(Dataset.load(data.write(tmp_path / "a.jsonl.gz", format="finetuner"))) == list(data)


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    """A row that the format can't hold leaves the old file as it was."""
    bad = Example(messages=(user("a"), Message(role="assistant", content="b", weight=0)))
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    with pytest.raises(DataFormatError, match=r"mine: line 3: messages\[1\]\.weight"):
        Dataset.from_examples([*examples(2), bad], name="mine").write(target, format="vertex")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_can_be_written_over_itself(data: Dataset, tmp_path: Path) -> None:
    path = data.write(tmp_path / "a.jsonl")
    loaded = Dataset.load(path)
    loaded[:5].write(path)
    assert len(Dataset.load(path)) == 5
    assert len(list(loaded)) == 10


def test_convert_chooses_what_write_writes_and_reports_what_cannot_be_held(data: Dataset, tmp_path: Path) -> None:
    path = data.convert("sharegpt").write(tmp_path / "a.jsonl")
    assert path.read_text().startswith('{"conversations"')
    tools = ({"type": "function", "function": {"name": "f"}},)
    mixed = Dataset.from_examples([*data, attrs.evolve(data[0], tools=tools)])
    with pytest.raises(InvalidDataError) as caught:
        mixed.convert("alpaca")
    assert [(issue.line, issue.field) for issue in caught.value.report.errors] == [(11, "tools")]


@pytest.mark.parametrize("named", [{"text": "wat"}, {"text": "what", "label": "wat"}])
def test_a_column_that_is_nowhere_is_told_once_for_the_file(tmp_path: Path, named: dict[str, str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("what,kind\nhi there,greeting\nbye then,farewell\n")
    with pytest.raises(DataFormatError, match=r'a\.csv: there is no column "wat"; the columns are "what", "kind"$'):
        Dataset.load(path, **named)
    assert Dataset.load(path, text="what", label="kind")[1].completion == "farewell"


def test_pairs_are_written_as_pairs(tmp_path: Path) -> None:
    pair = Example(messages=(user("a"),), preferred=assistant("b"), rejected=assistant("c"))
    path = Dataset.from_examples([pair]).write(tmp_path / "a.jsonl")
    assert '"preferred_output"' in path.read_text()
    assert list(Dataset.load(path)) == [pair]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.csv.gz"])
def test_plain_rows_fit_tables(data: Dataset, tmp_path: Path, name: str) -> None:
    texts = data.map(lambda example: attrs.evolve(example, metadata={"label": example.completion}))
    assert list(Dataset.load(texts.write(tmp_path / name, format="plain"))) == list(texts)
    if "json" not in name:
        with pytest.raises(UsageError, match=r"\.jsonl"):
            data.write(tmp_path / name)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("headline,section,text\nRain,weather,it rains\n")
    example = Dataset.load(path, text="headline", label="section")[0]
    assert (example.user_text, example.label, example.metadata["text"]) == ("Rain", "weather", "it rains")
    with pytest.raises(DataFormatError, match='no column "title"; the columns are "headline"'):
        Dataset.load(path, text="title")[0]


@pytest.mark.skipif(not BANKING77.exists(), reason="the shared Banking77 files aren't here")
def test_banking77_loads_as_it_is(tmp_path: Path) -> None:
    """10,003 queries in 77 intents, in well under a second with all hashes."""
    data = Dataset.load(BANKING77)
    started = time.process_time()
    assert len(data.prompt_hashes()) == len(data) == 10_003
    assert time.process_time() - started < 2
    assert len({example.label for example in data}) == 77
    assert (data[0].user_text, data[0].label, data.line(0)) == ("I am still waiting on my card?", "card_arrival", 2)
    assert Dataset.load(data.write(tmp_path / "b.jsonl")).fingerprint == data.fingerprint


def test_the_verbs_read_as_the_workflow(tmp_path: Path) -> None:
    """Load, validate, dedupe, redact, split, sample, rebalance: each a new view of the same file."""
    topics = [
        Example(messages=(user(f"Topic {i}: {chr(97 + i % 7) * 9} {i * i}"), assistant("ab"[i % 2]))) for i in range(60)
    ]
    mine = Example(messages=(user("I am ann@example.com, where is it?"), assistant("a")))
    path = Dataset.from_examples([*topics, *topics[:5], mine]).write(tmp_path / "a.jsonl")
    clean = Dataset.load(path).validate("openai").dedupe().redact()
    assert len(clean) == 61
    assert "ann@example.com" not in clean[-1].user_text
    parts = clean.split(80, 10, 10, seed=1)
    assert len(parts.train) + len(parts.val) + len(parts.test) == 61
    assert parts.proof.shared_exact == 0
    assert not set(parts.train.prompt_hashes()) & set(parts.test.prompt_hashes())
    labels = [example.label for example in parts.train.rebalance()]
    assert labels.count("a") == labels.count("b")
    assert list(clean.sample(10, seed=3)) == list(clean.sample(10, seed=3))
    assert clean.tokens().total > 61
    assert clean.analyze().size == 61
    assert len(clean.drop(clean.review())) <= 61


def test_text_that_is_no_text_is_found_before_it_is_written(tmp_path: Path) -> None:
    broken = Dataset.from_examples([*examples(60), Example(messages=(user("\ud800"), assistant("b")))])
    assert [(issue.line, issue.code) for issue in broken.check("openai").errors] == [(61, "lone_surrogate")]
    with pytest.raises(DataFormatError, match="surrogate"):
        broken.write(tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []
