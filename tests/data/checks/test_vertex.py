"""Vertex AI's rules beyond the plain chat: what each says about a bad line."""

import pytest

from finetuner.data.checks import vertex

ASKED = {"role": "user", "parts": [{"text": "a"}]}
TOLD = {"role": "model", "parts": [{"text": "b"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"y": 2}}}]}
TOOLS = [{"functionDeclarations": [{"name": "f"}]}]


def turns(*contents, **more):
    return {"contents": list(contents), **more}


def pair(*contents, answers=("b", "c"), **more):
    completions = [
        {"score": score, "completion": {"role": "model", "parts": [{"text": answer}]}}
        for score, answer in zip((1, 0), answers, strict=True)
    ]
    return {"contents": list(contents or [ASKED]), "completions": completions, **more}


def said(problems):
    return [(problem.severity, problem.field, problem.code, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            turns(TOLD),
            (
                "warning",
                "contents",
                "no_user",
                "there is no turn of the user, so the model learns to answer nothing",
            ),
        ),
        (
            turns(ASKED, CALL, RESULT, TOLD),
            (
                "warning",
                "contents[1].parts[0].functionCall.name",
                "undeclared_tool",
                "'f' isn't among the line's tools",
            ),
        ),
        (
            turns(ASKED, RESULT, TOLD, tools=TOOLS),
            (
                "warning",
                "contents[1].parts[0].functionResponse.name",
                "answer_without_call",
                "'f' wasn't called before",
            ),
        ),
        (
            turns(ASKED, TOLD, tools=[{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]),
            (
                "error",
                "tools[0].functionDeclarations",
                "repeated_tool",
                "two functions are named 'f', so a call doesn't say which one is meant",
            ),
        ),
    ],
)
def test_supervised(record, expected):
    assert said(vertex.check_contents(record)) == [expected]


def test_supervised_lines_with_functions_are_good():
    assert said(vertex.check_contents(turns(ASKED, CALL, RESULT, TOLD, tools=TOOLS))) == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            pair(answers=("b", "b")),
            (
                "error",
                "completions",
                "same_answers",
                "both answers are the same, so there is nothing to prefer",
            ),
        ),
        (
            pair(systemInstruction={"parts": [{"text": "s"}]}),
            (
                "warning",
                "systemInstruction",
                "camel_case",
                "preference lines are documented with the key system_instruction",
            ),
        ),
    ],
)
def test_preference(record, expected):
    assert said(vertex.check_pair(record)) == [expected]


def test_preference_lines_in_snake_case_are_good():
    assert said(vertex.check_pair(pair(system_instruction={"parts": [{"text": "s"}]}))) == []
