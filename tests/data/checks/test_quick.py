"""Lines that are recognized at once: never one in which the rules would find something."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.checks import openai, quick, vertex
from finetuner.data.formats import finetuner
from finetuner.data.formats import openai as wire_openai
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


@given(record=CHATS, style=STYLES, ascii=st.booleans(), repeat=REPEATED)
def test_the_short_way_to_an_example_leads_to_the_same_one(record, style, ascii, repeat):
    line = written(record, style, ascii, repeat)
    example = quick.example(line)
    if example is not None:
        assert example == finetuner.from_record(parse(line))
        assert example == wire_openai.from_record(parse(line))


NAMES = st.sampled_from(["role", "content", "name", "messages", "metadata", "a"])
STRINGS = st.sampled_from(["user", "assistant", "system", "a", "", "a:b", '"', '}, {"role": "user", "content": "'])


@st.composite
def pairs(draw, inner):
    """Text of an object whose keys may repeat, the rest as `json.dumps` writes it."""
    found = [f"{json.dumps(draw(NAMES))}: {draw(inner)}" for _ in range(draw(st.integers(0, 2)))]
    return ", ".join(found)


@st.composite
def repeating(draw):
    """A chat with keys put in, behind or before its own: often a repeated one."""
    value = STRINGS.map(json.dumps)
    messages = [
        ", ".join(
            filter(None, [draw(pairs(value)), f'"role": "{role}"', f'"content": {draw(value)}', draw(pairs(value))])
        )
        for role in draw(st.sampled_from([("user", "assistant"), ("system", "user", "assistant")]))
    ]
    whole = f'"messages": [{", ".join(f"{{{message}}}" for message in messages)}]'
    metadata = draw(st.sampled_from(["", '"metadata": {"a": "b"}', '"metadata": {"a": "b", "a": "c"}']))
    parts = [metadata, whole, metadata] if draw(st.booleans()) else [whole, metadata]
    return f"{{{', '.join(filter(None, parts))}}}".encode()


@given(line=repeating())
def test_no_repeated_key_passes(line):
    if quick.own_chat(line):
        assert problems(line, openai.check_chat, own=True) == []
        assert quick.example(line) == finetuner.from_record(parse(line))


@pytest.mark.parametrize("start", ["a", "é", "語", "あ", "😀", '"', "\\", "/", "\u200b"])
@pytest.mark.parametrize("ascii", [True, False])
def test_a_text_may_start_with_any_visible_character(start, ascii):
    line = json.dumps(
        {**GOOD, "messages": [{"role": "user", "content": start}, *GOOD["messages"][2:]]}, ensure_ascii=ascii
    )
    assert quick.own_chat(line.encode())


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
