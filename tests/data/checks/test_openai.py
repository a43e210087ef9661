"""OpenAI's rules beyond the plain chat: what each says about a bad line."""

import pytest

from finetuner.data.checks import openai

USER = {"role": "user", "content": "a"}
ANSWER = {"role": "assistant", "content": "b"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}


def tool(name="f", **more):
    return {"type": "function", "function": {"name": name, **more}}


def call(identifier, name="f"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": "{}"}}


def chat(*messages, **more):
    return {"messages": list(messages), **more}


def pair(*messages, **more):
    return {
        "input": {"messages": list(messages), **more},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{"role": "assistant", "content": "c"}],
    }


def said(problems):
    return [(problem.severity, problem.field, problem.code, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            chat(USER, ANSWER, tools=[tool("a b")]),
            (
                "error",
                "tools[0].function.name",
                "bad_tool_name",
                "'a b' isn't made of at most 64 letters, digits, _ and -",
            ),
        ),
        (
            chat(USER, ANSWER, tools=[tool(), tool()]),
            (
                "error",
                "tools",
                "repeated_tool",
                "two functions are named 'f', so a call doesn't say which one is meant",
            ),
        ),
        (
            chat(USER, ANSWER, tools=[tool(f"f{n}") for n in range(129)]),
            ("error", "tools", "too_many_tools", "129 functions are more than 128"),
        ),
        (
            chat(USER, ANSWER, functions=[{"name": f"f{n}"} for n in range(129)]),
            ("error", "functions", "too_many_tools", "129 functions are more than 128"),
        ),
        (
            chat(USER, ANSWER, functions={}),
            ("error", "functions", "wrong_type", "is an object, where a list of functions is expected"),
        ),
        (
            chat(USER, ANSWER, parallel_tool_calls=True),
            ("warning", "parallel_tool_calls", "no_tools", "means nothing without tools"),
        ),
        (
            chat(
                USER,
                {"role": "assistant", "tool_calls": [call("c1"), call("c1")]},
                {"role": "tool", "tool_call_id": "c1", "content": "1"},
                ANSWER,
                tools=[tool()],
            ),
            (
                "error",
                "messages[1].tool_calls[1].id",
                "repeated_id",
                "'c1' is the id of another call, so nobody knows which one is answered",
            ),
        ),
        (
            chat(
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "https://a.example/B.GIF?size=2"}}],
                },
                ANSWER,
            ),
            (
                "error",
                "messages[0].content[0].image_url.url",
                "bad_image",
                "is no JPEG, PNG or WEBP image by its name; others are refused",
            ),
        ),
    ],
)
def test_supervised(record, expected):
    assert said(openai.check_chat(record)) == [expected]


def test_supervised_lines_that_use_all_of_it_are_good():
    record = chat(
        USER,
        {"role": "assistant", "tool_calls": [call("c1"), call("c2", "g")]},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        ANSWER,
        tools=[tool(), tool("g")],
        parallel_tool_calls=True,
    )
    assert said(openai.check_chat(record)) == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            pair(USER, ANSWER, USER),
            (
                "warning",
                "input.messages",
                "several_turns",
                "holds earlier answers; preference tuning is documented for a single turn",
            ),
        ),
        (
            pair({"role": "user", "content": [IMAGE]}),
            (
                "error",
                "input.messages[0].content[0].image_url",
                "images_not_supported",
                "preference tuning takes text only",
            ),
        ),
        (
            pair(USER, parallel_tool_calls=True),
            ("warning", "input.parallel_tool_calls", "no_tools", "means nothing without tools"),
        ),
    ],
)
def test_preference(record, expected):
    assert said(openai.check_pair(record)) == [expected]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"reference": "42"}, ("error", "messages", "missing_messages", 'is missing; the keys here are "reference"')),
        (
            chat(USER, ANSWER, reference="42"),
            (
                "error",
                "messages[1].role",
                "no_user_end",
                'the last message is by "assistant"; in reinforcement the model answers the user itself',
            ),
        ),
        (
            chat({"role": "user", "content": ""}, reference="42"),
            ("error", "messages[0].content", "empty_content", "is empty"),
        ),
        (
            chat(USER, tools=[{"name": "f"}]),
            ("error", "tools[0]", "bad_tool", 'isn\'t {"type": "function", "function": {…}}'),
        ),
    ],
)
def test_reinforcement(record, expected):
    assert said(openai.check_task(record)) == [expected]


def test_reinforcement_takes_any_other_key():
    """Graders see them as `{{item.key}}`."""
    record = chat({"role": "developer", "content": "s"}, USER, reference={"x": [1]}, difficulty=3)
    assert said(openai.check_task(record)) == []
    images = chat({"role": "user", "content": [IMAGE]})
    assert said(openai.check_task(images)) == []
    assert [problem.code for problem in openai.check_task(images, images=False)] == ["images_not_supported"]
