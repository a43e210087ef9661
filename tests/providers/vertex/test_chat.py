import pytest

from finetuner.data.examples import MediaPart, Message, TextPart, ToolCall, assistant, system, user
from finetuner.errors import RequestRejectedError, UnexpectedAnswerError
from finetuner.providers.ports import CompletionOptions
from finetuner.providers.vertex import chat

TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def answer(parts, **fields):
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", **fields}]}


def test_a_request_in_geminis_words():
    messages = [system("be brief"), user("hi"), assistant("hello"), user("again")]
    options = CompletionOptions(max_tokens=5, seed=1, stop=("x",), tools=(TOOL,), tool_choice="f", logprobs=True)
    body = chat.request(messages, options, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}})
    assert body["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "maxOutputTokens": 5,
        "seed": 1,
        "stopSequences": ["x"],
        "responseLogprobs": True,
        "thinkingConfig": {"thinkingLevel": "MINIMAL"},
    }
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared == {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}


@pytest.mark.parametrize(("choice", "mode"), [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")])
def test_tool_choices_are_modes(choice, mode):
    body = chat.request([user("hi")], CompletionOptions(tool_choice=choice), {})
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": mode}


def test_a_schema_asks_for_json():
    body = chat.request([user("hi")], CompletionOptions(response_schema={"type": "object"}), {})
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseJsonSchema"] == {"type": "object"}


def test_what_gemini_cannot_be_sent_is_refused():
    image = Message(role="user", content=(TextPart("what?"), MediaPart("https://example.com/a.png")))
    with pytest.raises(RequestRejectedError, match="Cloud Storage"):
        chat.request([image], CompletionOptions(), {})


def test_thoughts_are_billed_but_not_said():
    raw = answer([{"text": "hm", "thought": True}, {"text": "bil"}, {"text": "ling"}]) | {
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 10},
        "responseId": "r1",
    }
    found = chat.completion(raw, model="m", latency=0.5)
    assert (found.text, found.model, found.request_id, found.latency) == ("billing", "m", "r1", 0.5)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 12)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("NEW_ONE", "new_one")],
)
def test_reasons(word, reason):
    assert chat.completion(answer([{"text": "x"}], finishReason=word), model="m", latency=0).finish_reason == reason


def test_called_tools_are_numbered_where_gemini_gives_no_id():
    raw = answer(
        [{"functionCall": {"name": "f", "args": {"b": 1, "a": 2}}}, {"functionCall": {"id": "7", "name": "g"}}]
    )
    found = chat.completion(raw, model="m", latency=0)
    assert found.finish_reason == "tool_calls"
    assert found.tool_calls == (ToolCall("call_0", "f", '{"a":2,"b":1}'), ToolCall("7", "g", "{}"))


def test_a_blocked_prompt_is_a_refusal_and_nothing_at_all_an_error():
    found = chat.completion({"promptFeedback": {"blockReason": "SAFETY"}}, model="m", latency=0)
    assert (found.text, found.finish_reason) == ("", "content_filter")
    assert "SAFETY" in found.refusal
    with pytest.raises(UnexpectedAnswerError, match="no candidates") as caught:
        chat.completion({}, model="m", latency=0)
    assert caught.value.retryable


def test_log_probabilities():
    chosen = [{"token": "bil", "logProbability": -0.1}, {"token": "ling", "logProbability": -0.2}]
    raw = answer([{"text": "billing"}], logprobsResult={"chosenCandidates": chosen})
    assert [(each.token, each.logprob) for each in chat.completion(raw, model="m", latency=0).logprobs] == [
        ("bil", -0.1),
        ("ling", -0.2),
    ]


def test_a_stream_gathers_its_end():
    end = chat.StreamEnd()
    pieces = [
        {"candidates": [{"content": {"parts": [{"text": "a "}]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}}]},
        answer([{"text": "b"}]) | {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}},
    ]
    assert "".join(map(end.take, pieces)) == "a b"
    last = end.last()
    assert (last.finish_reason, last.usage.total_tokens, last.tool_calls[0].name) == ("tool_calls", 3, "f")


def test_a_stream_without_an_end_is_broken():
    end = chat.StreamEnd()
    end.take({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})
    with pytest.raises(UnexpectedAnswerError, match="before the answer did"):
        end.last()
