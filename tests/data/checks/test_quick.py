"""Lines that are recognized at once: never one in which the rules would find something."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.checks import openai, quick, vertex
from finetuner.data.formats import finetuner
from finetuner.data.problems import Problem
from finetuner.data.sources.jsontext import MAX_LINE_BYTES, parse
from finetuner.data.tokens import chat_pieces, pieces

TEXTS = st.sampled_from(
    ["a", "", " ", "\u00a0", "\u3000\u3000", "\n", "\ta", '"', '"quoted": "x"', "\\", '\\": ', "ä", "語", "é ", "😀",
     "\u2028", "\u1680", "\x7f", 'a": {"role": "user"}', "x :", '{"a": 1, "a": 2}', "/", "\ufeff"]
)  # fmt: skip
VALUES = TEXTS | st.none() | st.integers(0, 2) | st.booleans() | st.just([]) | st.just({"a": 1})
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "User", "model", 1, None])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES | st.sampled_from(["user", "assistant"]), "content": TEXTS | VALUES},
        optional={"name": VALUES, "weight": VALUES, "x": VALUES, "tool_calls": VALUES},
    ),
    max_size=4,
)
METADATA = st.dictionaries(st.sampled_from(["a", "b", '"', "\\", ":", "é"]), VALUES, max_size=3)
CHATS = st.fixed_dictionaries({"messages": MESSAGES}, optional={"metadata": METADATA, "tools": VALUES, "label": VALUES})
TURNS = st.fixed_dictionaries(
    {
        "contents": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "model", "assistant", 1]),
                    "parts": st.lists(st.fixed_dictionaries({"text": TEXTS | VALUES}), max_size=2),
                }
            ),
            max_size=3,
        )
    },
    optional={
        "systemInstruction": st.fixed_dictionaries(
            {"parts": st.lists(st.fixed_dictionaries({"text": VALUES}), max_size=2)}, optional={"role": VALUES}
        ),
        "tools": VALUES,
    },
)
STYLES = st.sampled_from([(", ", ": "), (",", ":"), (" ,  ", "\t:"), (",", ": ")])


def written(record, style, ascii, repeat):
    """JSON text of a record, with some key given twice where `repeat` names one that is there."""
    text = json.dumps(record, ensure_ascii=ascii, separators=style)
    if repeat is None:
        return text.encode()
    return text.replace(
        f'"{repeat}"{style[1]}', f'"{repeat}"{style[1]}"user"{style[0]}"{repeat}"{style[1]}', 1
    ).encode()


def problems(line, rule, own=False):
    record = parse(line)
    if isinstance(record, Problem):
        return [record]
    if own:
        record.pop("metadata", None)
    return list(rule(record))


REPEATED = st.none() | st.sampled_from(["role", "content", "messages", "a", "text", "parts", "contents", "metadata"])


@given(record=CHATS, style=STYLES, ascii=st.booleans(), repeat=REPEATED)
def test_a_chat_that_passes_has_no_problem(record, style, ascii, repeat):
    line = written(record, style, ascii, repeat)
    if quick.chat(line):
        assert problems(line, openai.check_chat) == []
    if quick.own_chat(line):
        assert problems(line, openai.check_chat, own=True) == []


@given(record=CHATS, style=STYLES, repeat=REPEATED)
def test_what_is_said_is_what_an_example_says(record, style, repeat):
    """Counting tokens takes the short way; it must count the same texts."""
    line = written(record, style, ascii=False, repeat=repeat)
    said = quick.texts(line)
    if said is not None:
        assert chat_pieces(*said) == pieces(finetuner.from_record(parse(line)))


@given(record=TURNS, style=STYLES, ascii=st.booleans(), repeat=REPEATED)
def test_contents_that_pass_have_no_problem(record, style, ascii, repeat):
    line = written(record, style, ascii, repeat)
    if quick.contents(line):
        assert problems(line, vertex.check_contents) == []


GOOD = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "ä"},
        {"role": "assistant", "content": '"b"'},
    ]
}
TURN = {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}
LINE = json.dumps(GOOD).encode()


@given(place=st.integers(0, len(LINE) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(LINE)))
def test_a_damaged_line_that_passes_is_no_damaged_line(place, byte, cut):
    changed = LINE[:place] + bytes([byte]) + LINE[place + 1 :]
    for line in (changed, LINE[:cut], LINE + changed):
        assert not (quick.chat(line) or quick.own_chat(line)) or problems(line, openai.check_chat) == []


@pytest.mark.parametrize("style", [(", ", ": "), (",", ":"), (" , ", " : ")])
@pytest.mark.parametrize("ascii", [True, False])
def test_plain_lines_pass(style, ascii):
    """Else the quick way would be of no use."""

    def text(record):
        return json.dumps(record, ensure_ascii=ascii, separators=style).encode()

    assert quick.chat(text(GOOD))
    assert quick.own_chat(text({**GOOD, "metadata": {"label": "a", "n": 1, "user": None}}))
    assert quick.own_chat(text(GOOD))
    assert not quick.chat(text({**GOOD, "metadata": {}}))
    assert quick.contents(text(TURN))
    assert quick.contents(text({**TURN, "systemInstruction": {"role": "system", "parts": [{"text": "s"}]}}))


def test_a_line_that_is_too_long_does_not_pass():
    long = {"messages": [{"role": "user", "content": "x" * MAX_LINE_BYTES}, {"role": "assistant", "content": "b"}]}
    assert not quick.chat(json.dumps(long).encode())


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"7", b"null", b"\xff", b"[" * 100_000, b'{"messages":' * 100_000])
def test_what_is_no_chat_does_not_pass(line):
    assert [quick.chat(line), quick.own_chat(line), quick.contents(line)] == [False] * 3
