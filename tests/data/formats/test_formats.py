"""One property for all formats, and what each of them refuses."""

import json
import string
from collections.abc import Callable
from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data import formats
from finetuner.data.examples import Example, MediaPart, Message, TextPart, ToolCall, assistant, system, user
from finetuner.errors import DataFormatError, UnknownNameError

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
TURNS = st.lists(st.tuples(TEXTS.map(user), TEXTS.map(assistant)), min_size=1, max_size=3).map(
    lambda pairs: tuple(message for pair in pairs for message in pair)
)
SYSTEM = st.one_of(st.just(()), TEXTS.map(lambda text: (system(text),)))
CHATS = st.tuples(SYSTEM, TURNS).map(lambda both: Example(messages=both[0] + both[1]))
SINGLE = st.tuples(TEXTS.map(user), TEXTS.map(assistant)).map(lambda both: Example(messages=both))
METADATA = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-9, 9) | TEXTS, max_size=3)
PAIRS = st.tuples(SYSTEM, TEXTS.map(user), TEXTS.map(assistant), TEXTS.map(assistant)).map(
    lambda four: Example(messages=(*four[0], four[1]), preferred=four[2], rejected=four[3])
)


@st.composite
def tool_chats(draw: st.DrawFn) -> Example:
    """Calls of tools with their answers, then a reply; ids as Gemini's reader numbers them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    arguments = st.dictionaries(NAMES, st.integers(0, 9), max_size=2).map(
        lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"))
    )
    calls = tuple(ToolCall(f"call_{n}", name, draw(arguments)) for n, name in enumerate(names))
    answers = tuple(Message(role="tool", content=draw(TEXTS), tool_call_id=call.id) for call in calls)
    called = Message(role="assistant", content=draw(st.none() | TEXTS), tool_calls=calls)
    tools = tuple({"type": "function", "function": {"name": name}} for name in names)
    return Example(messages=(user("?"), called, *answers, assistant("done")), tools=tools)


@st.composite
def media_chats(draw: st.DrawFn, uri: str, mime_type: str | None) -> Example:
    content = (TextPart(draw(TEXTS)), MediaPart(uri, mime_type))
    return Example(messages=(Message(role="user", content=content), assistant(draw(TEXTS))))


def weighted(example: Example) -> Example:
    last = attrs.evolve(example.messages[-1], weight=1)
    return attrs.evolve(example, messages=(*example.messages[:-1], last), parallel_tool_calls=False)


IMAGES = media_chats("https://a.example/b.png", None)
FILES = media_chats("gs://bucket/b.png", "image/png")
RICH = CHATS | tool_chats()
EVERYTHING = st.tuples(RICH.map(weighted) | RICH | PAIRS | IMAGES | FILES, METADATA).map(
    lambda both: attrs.evolve(both[0], metadata=both[1])
)
HELD: dict[str, st.SearchStrategy[Example]] = {
    "finetuner": EVERYTHING,
    "openai": RICH | RICH.map(weighted) | IMAGES,
    "openai-preference": PAIRS,
    "vertex": RICH | FILES,
    "vertex-preference": PAIRS,
    "sharegpt": CHATS,
    "alpaca": CHATS,
    "prompt-completion": CHATS,
    "plain": SINGLE,
}


def test_every_format_is_in_the_round_trip() -> None:
    assert set(HELD) == set(formats.names())


@pytest.mark.parametrize("name", formats.names())
@given(data=st.data())
def test_what_a_format_holds_comes_back_unchanged(name: str, data: st.DataObject) -> None:
    """Writing and reading an example gives the same one, through JSON text."""
    example = data.draw(HELD[name])
    wire = formats.get(name)
    record = json.loads(json.dumps(wire.to_record(example)))
    assert wire.from_record(record) == example
    assert formats.detect([record]) is wire


@given(chat=RICH)
def test_conversion_over_vertex_loses_nothing(chat: Example) -> None:
    wire = formats.get("vertex")
    assert wire.from_record(wire.to_record(chat)).content_hash == chat.content_hash


WEIGHTED_OUT = Example(messages=(user("a"), Message(role="assistant", content="b", weight=0)))
WITH_TOOLS = Example(messages=(user("a"), assistant("b")), tools=({"type": "function", "function": {"name": "f"}},))
PAIR = Example(messages=(user("a"),), preferred=assistant("b"), rejected=assistant("c"))


@pytest.mark.parametrize(
    ("name", "example", "field"),
    [
        ("vertex", WEIGHTED_OUT, "messages[1].weight"),
        ("sharegpt", WEIGHTED_OUT, "messages[1].weight"),
        ("alpaca", WITH_TOOLS, "tools"),
        ("prompt-completion", WITH_TOOLS, "tools"),
        ("openai", PAIR, "preferred"),
        ("vertex", PAIR, "preferred"),
        ("plain", PAIR, "preferred"),
        ("openai-preference", WEIGHTED_OUT, "preferred"),
        ("vertex", Example(messages=(user("a"), system("b"), assistant("c"))), "messages[1].role"),
        (
            "vertex",
            Example(messages=(Message(role="user", content=(MediaPart("https://x/y.png"),)), assistant("c"))),
            "messages[0].content[0]",
        ),
        (
            "openai",
            Example(messages=(Message(role="user", content=(MediaPart("gs://x/y.png"),)), assistant("c"))),
            "messages[0].content[0]",
        ),
        (
            "vertex",
            Example(
                messages=(user("a"), Message(role="assistant", tool_calls=(ToolCall("1", "f", "not json"),))),
            ),
            "messages[1].tool_calls[0].function.arguments",
        ),
    ],
)
def test_a_format_refuses_what_it_cannot_hold(name: str, example: Example, field: str) -> None:
    """Nothing is lost silently: the error names the field."""
    with pytest.raises(DataFormatError) as caught:
        formats.get(name).to_record(example)
    assert caught.value.field == field


def test_older_openai_lines_are_read() -> None:
    record = {
        "messages": [
            {"role": "user", "content": "Order 7?"},
            {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}},
            {"role": "function", "name": "find", "content": "shipped"},
            {"role": "assistant", "content": "It has shipped."},
        ],
        "functions": [{"name": "find", "parameters": {}}],
    }
    example = formats.get("openai").from_record(record)
    assert example.messages[2].tool_call_id == example.messages[1].tool_calls[0].id
    assert example.tools == ({"type": "function", "function": {"name": "find", "parameters": {}}},)


def test_flat_input_and_old_names_of_pairs_are_read() -> None:
    record = {
        "input": [{"role": "user", "content": "a"}],
        "preferred_completion": [{"role": "assistant", "content": "b"}],
        "non_preferred_completion": [{"role": "assistant", "content": "c"}],
    }
    assert formats.get("openai-preference").from_record(record) == PAIR


def test_vertex_merges_the_answers_of_parallel_calls() -> None:
    calls = (ToolCall("call_0", "f", "{}"), ToolCall("call_1", "g", "{}"))
    answers = tuple(Message(role="tool", content='{"n":1}', tool_call_id=call.id) for call in calls)
    example = Example(messages=(user("a"), Message(role="assistant", tool_calls=calls), *answers, assistant("b")))
    record = formats.get("vertex").to_record(example)
    assert [content["role"] for content in record["contents"]] == ["user", "model", "user", "model"]
    assert record["contents"][2]["parts"][1] == {"functionResponse": {"name": "g", "response": {"n": 1}}}


def test_openai_lines_leave_metadata_out_and_read_it() -> None:
    """The provider refuses keys that it doesn't know."""
    wire = formats.get("openai")
    example = wire.from_record({"messages": [{"role": "user", "content": "a"}], "metadata": {"user": "u"}, "topic": 1})
    assert example.metadata == {"user": "u", "topic": 1}
    assert set(wire.to_record(example)) == {"messages"}


@pytest.mark.parametrize(
    ("record", "text", "answer", "label"),
    [
        ({"text": "hi", "category": "greeting"}, "hi", "greeting", "greeting"),
        ({"question": "1+1?", "answer": "2"}, "1+1?", "2", None),
        ({"Utterance": "hi", "Intent": "x"}, "hi", "x", "x"),
        ({"text": "hi", "label": 3}, "hi", "3", "3"),
    ],
)
def test_columns_are_told_by_their_names(record: dict, text: str, answer: str, label: str | None) -> None:
    example = formats.get("plain").from_record(record)
    assert (example.user_text, example.completion, example.metadata.get("label")) == (text, answer, label)


def test_rows_whose_columns_nobody_knows_are_told_how_to_name_them() -> None:
    with pytest.raises(DataFormatError, match=r'the keys here are "what", "kind"\. Name the columns .* --text COLUMN'):
        formats.get("openai").from_record({"what": "a", "kind": "b"})
    with pytest.raises(DataFormatError) as caught:
        formats.get("openai").from_record({"turns": [{"what": "a"}]})
    assert "COLUMN" not in str(caught.value)


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="known: finetuner, openai"):
        formats.get("xml")


READERS: list[Callable[..., Example]] = [formats.get(name).from_record for name in formats.names()]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["messages", "role", "content", "contents", "parts", "text", "input", "output", "instruction", "prompt", "from",
     "completion", "completions", "score", "conversations", "value", "preferred_output", "tool_calls", "function",
     "systemInstruction", "tools", "metadata", "functionCall", "fileData", "weight", "history", "preferred"]
)  # fmt: skip
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["user", "model", "assistant", "human", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(record=st.dictionaries(KEYS, JSON | SHAPES, max_size=5))
def test_no_record_makes_a_reader_fail_in_another_way(record: dict) -> None:
    """Whatever JSON a line holds: an example, or `DataFormatError`."""
    for read in READERS:
        with suppress(DataFormatError):
            assert isinstance(read(record), Example)
