"""TOON is written as published and read leniently; another implementation agrees in both directions."""

import json

import pytest
import toon_format
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.data.toon.reading import decode, decode_lines
from finetuner.data.toon.writing import encode
from finetuner.errors import DataFormatError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "",
        "-",
        "- a",
        "1",
        "-1",
        "1e5",
        "01",
        "true",
        "null",
        "[]",
        "a,b",
        "a: b",
        'a"b',
        "a\\b",
        "{",
        "a\nb",
        " a",
        "#",
        "|",
    ]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
TABLES = st.lists(TEXTS, min_size=1, max_size=3, unique=True).flatmap(
    lambda keys: st.lists(st.fixed_dictionaries(dict.fromkeys(keys, SCALARS)), min_size=1, max_size=3)
)
VALUES = st.recursive(
    SCALARS | TABLES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(VALUES)
def test_every_value_comes_back(value):
    assert decode(encode(value)) == value


@settings(max_examples=60)
@given(VALUES)
def test_another_reader_reads_what_is_written(value):
    assert toon_format.decode(encode(value)) == value


@settings(max_examples=60)
@given(VALUES)
def test_what_another_writer_writes_is_read(value):
    assert decode(toon_format.encode(value)) == value


@given(st.text(st.characters(codec="utf-8")) | TEXTS.map(lambda text: f"[2]{{a,b}}:\n  {text}\n  1,2"))
@settings(max_examples=60)
def test_any_text_is_read_or_refused_with_its_line(text):
    line = 1
    try:
        decode(text)
    except DataFormatError as error:
        line = error.line
    assert isinstance(line, int)


def test_a_table_is_written_as_published():
    rows = [{"id": 1, "name": "a b", "price": 1.5}, {"id": 2, "name": "c,d", "price": 2.0}]
    assert encode(rows) == '[2]{id,name,price}:\n  1,a b,1.5\n  2,"c,d",2'


def test_the_pipe_table_of_older_guides_is_read_as_texts():
    assert decode_lines("id|name|price\n1|cup|2.5\n2|pot|9\n") == (
        [{"id": "1", "name": "cup", "price": "2.5"}, {"id": "2", "name": "pot", "price": "9"}],
        (2, 3),
    )


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[2]{a,b}:\n  1,2\n", 1, "2 items are announced, 1 follow"),
        ("[1]{a,b}:\n  1\n", 2, "1 cells, the table has 2 columns"),
        ("a|b\n1|2|3", 2, "3 cells, the first line names 2 columns"),
        ("a: 1\na: 2", 2, "occurs twice"),
        ('a: "x', 1, "quotation mark"),
        ("a:\n   b: 1", 2, "two spaces"),
        ('a: "\\q"', 1, "no escape"),
        ("[1]: a\nb", 2, "belongs to nothing"),
        ("a:\n" + "\n".join(f"{'  ' * n}a:" for n in range(1, 70)), 66, "deeper than 64"),
    ],
)
def test_what_is_no_toon_is_refused_with_its_line(text, line, says):
    with pytest.raises(DataFormatError, match=says) as caught:
        decode(text)
    assert caught.value.line == line


def test_depth_is_bounded_when_writing():
    value = []
    for _ in range(100):
        value = [value, {}]
    with pytest.raises(DataFormatError, match="deeper than 64"):
        encode(value)


LABELED = [Example(messages=(user(f"question, {n}"), assistant("yes" if n % 2 else "no"))) for n in range(4)]
CHATS = [Example(messages=(system("Be kind."), user("a|b"), assistant(f"{n}"))) for n in range(2)]


def test_texts_and_labels_become_a_table_and_chats_keep_their_turns(tmp_path):
    table = Dataset.from_examples(LABELED).write(tmp_path / "table.toon")
    assert table.read_text("utf-8").splitlines()[:2] == ["[4]{text,answer}:", '  "question, 0",no']
    assert list(Dataset.load(table)) == LABELED
    assert Dataset.load(table).line(3) == 5
    chats = Dataset.from_examples(CHATS).convert("toon").write(tmp_path / "chats.txt")
    assert chats.read_text("utf-8").startswith("[2]:\n  - messages[3]{role,content}:\n      system,Be kind.")
    renamed = chats.rename(tmp_path / "chats.toon")
    assert [example.messages for example in Dataset.load(renamed)] == [example.messages for example in CHATS]


def test_a_json_file_is_a_list_of_records(tmp_path):
    path = Dataset.from_examples(CHATS).convert("json").write(tmp_path / "chats.json")
    assert [record["messages"][1]["content"] for record in json.loads(path.read_text("utf-8"))] == ["a|b", "a|b"]
    assert list(Dataset.load(path)) == CHATS


def test_a_toon_file_that_is_no_toon_is_named(tmp_path):
    path = tmp_path / "a.toon"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataFormatError):
        Dataset.load(path)
    path.write_text("[2]{a}:\n  1\n")
    with pytest.raises(DataFormatError, match="2 items are announced") as caught:
        Dataset.load(path)
    assert caught.value.file == str(path)
