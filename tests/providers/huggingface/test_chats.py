"""What is learned, with a template and a tokenizer that can be read: a character is a token."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.examples import Example, MediaPart, Message, ToolCall, assistant, system, user
from finetuner.errors import DataFormatError
from finetuner.providers.huggingface.chats import IGNORED, calls_in, plain, supervised

WORDS = st.text(st.characters(exclude_characters="<>", exclude_categories=("Cs",)), min_size=1, max_size=12)


def render(messages, _tools, answering):
    return "".join(f"<{message.role}>{message.text}<end>\n" for message in messages) + "<assistant>" * answering


def encode(text):
    return [ord(letter) for letter in text], [(place, place + 1) for place in range(len(text))]


def learned(example, **options):
    row = supervised(example, options.pop("render", render), encode, **options)
    return "".join(chr(label) for label in row.labels if label != IGNORED)


def test_only_the_assistant_is_learned():
    """Its words and the mark that ends them, so that the model learns to stop."""
    example = Example(messages=(system("be brief"), user("hi"), assistant("hello"), user("bye"), assistant("ciao")))
    assert learned(example) == "hello<end>\nciao<end>\n"


def test_an_answer_without_weight_is_not_learned():
    silent = Message(role="assistant", content="hello", weight=0)
    assert learned(Example(messages=(user("hi"), silent, user("bye"), assistant("ciao")))) == "ciao<end>\n"


def test_what_is_cut_off_is_not_learned():
    example = Example(messages=(user("hi"), assistant("hello")))
    whole = render(example.messages, (), False)
    assert learned(example, max_length=len(whole) - len("llo<end>\n")) == "he"
    assert learned(example, max_length=5) == ""


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_every_answer_and_nothing_else(turns):
    """Whatever is said, by a template that writes turns one after the other."""
    messages = tuple(message for asked, answer in turns for message in (user(asked), assistant(answer)))
    assert learned(Example(messages=messages)) == "".join(f"{answer}<end>\n" for _, answer in turns)


def test_a_template_that_rewrites_earlier_turns_teaches_the_last_answer():
    """Such as one that drops the reasoning of all answers but the last."""

    def forgetful(messages, _tools, answering):
        last = len(messages) - 1
        texts = [
            f"<{message.role}>{message.text if n == last or message.role == 'user' else '…'}<end>\n"
            for n, message in enumerate(messages)
        ]
        return "".join(texts) + "<assistant>" * answering

    example = Example(messages=(user("hi"), assistant("hello"), user("bye"), assistant("ciao")))
    assert learned(example, render=forgetful) == "ciao<end>\n"


def test_a_call_is_written_as_templates_take_it():
    """With arguments as an object; one that isn't JSON is refused."""
    call = ToolCall(id="1", name="look", arguments='{"id": 7}')
    record = plain(Message(role="assistant", tool_calls=(call,)))
    assert record["tool_calls"][0]["function"] == {"name": "look", "arguments": {"id": 7}}
    broken = ToolCall(id="1", name="look", arguments="{")
    with pytest.raises(DataFormatError, match="look"):
        plain(Message(role="assistant", tool_calls=(broken,)))


def test_images_are_refused():
    with pytest.raises(DataFormatError, match="image"):
        plain(Message(role="user", content=(MediaPart("https://example.com/a.png"),)))


def test_calls_are_taken_out_of_an_answer():
    text, calls = calls_in('Let me look. <tool_call>\n{"name": "look", "arguments": {"id": 7}}\n</tool_call>')
    assert text == "Let me look."
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("look", {"id": 7})]


@pytest.mark.parametrize("text", ["plain", "<tool_call>{broken}</tool_call>", '<tool_call>{"x": 1}</tool_call>'])
def test_what_is_no_call_stays_text(text):
    assert calls_in(text) == (text, ())
