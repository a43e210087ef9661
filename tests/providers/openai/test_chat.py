import pytest

from finetuner.data.examples import Message, ToolCall, assistant, user
from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.openai import chat
from finetuner.providers.ports import CompletionOptions, Usage

CLOSED = {
    "type": "object",
    "properties": {"type": {"type": "string"}, "items": {"type": "array", "items": {"type": "number"}}},
    "required": ["type", "items"],
    "additionalProperties": False,
}


def body(*messages, **options):
    return chat.request("m", messages, CompletionOptions(**options), max_tokens_field="max_tokens")


def test_only_what_is_asked_for_is_sent():
    assert body(user("hi"), temperature=None) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_options_get_their_wire_names():
    sent = body(user("hi"), max_tokens=5, stop=("a",), seed=0, tools=({"type": "function"},))
    assert sent["temperature"] == 0.0
    assert (sent["max_tokens"], sent["stop"], sent["seed"]) == (5, ["a"], 0)
    assert sent["tools"] == [{"type": "function"}]


def test_weights_are_for_training_and_not_sent():
    assert "weight" not in body(Message(role="assistant", content="a", weight=0), user("b"))["messages"][0]


def test_a_closed_schema_is_enforced_word_by_word():
    definition = body(user("hi"), response_schema=CLOSED)["response_format"]["json_schema"]
    assert definition == {"name": "answer", "schema": CLOSED, "strict": True}


@pytest.mark.parametrize(
    "schema",
    [
        {**CLOSED, "required": ["type"]},
        {**CLOSED, "additionalProperties": True},
        {"type": "array", "items": {"type": "object", "properties": {}}},
        {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}]},
    ],
)
def test_an_open_schema_is_not_called_strict(schema):
    assert not chat.strict(schema)


def test_tool_calls_refusal_and_cached_tokens_are_read():
    calls = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}]
    raw = {
        "model": "m",
        "choices": [
            {"message": {"content": None, "refusal": "no", "tool_calls": calls}, "finish_reason": "tool_calls"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
    }
    found = chat.completion(raw, latency=0.5, request_id="r")
    assert (found.text, found.refusal, found.finish_reason) == ("", "no", "tool_calls")
    assert found.tool_calls == (ToolCall("c1", "find", "{}"),)
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=2, cached_tokens=4)


def test_an_answer_without_choices_is_unexpected():
    with pytest.raises(UnexpectedAnswerError):
        chat.completion({"choices": []}, latency=0.0, request_id=None)


def test_a_stream_without_an_end_is_unexpected():
    end = chat.StreamEnd()
    assert end.take({"choices": [{"delta": {"content": "half"}}]}) == "half"
    with pytest.raises(UnexpectedAnswerError):
        end.last()


def test_a_conversation_keeps_its_order():
    assert [m["role"] for m in body(user("a"), assistant("b"), user("c"))["messages"]] == ["user", "assistant", "user"]
