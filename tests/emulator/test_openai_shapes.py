"""The emulator's checks of requests, against OpenAI's own OpenAPI document."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from finetuner.emulator import openai_shapes
from finetuner.emulator.openai_job_routes import job_body
from finetuner.emulator.routing import RefusedError

SPEC = Path(__file__).parents[3] / "shared" / "spec" / "openai-openapi.json"

GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference}}",
    "operation": "eq",
}
JOBS = (
    {"model": "m", "training_file": "file-1"},
    {
        "model": "m",
        "training_file": "file-1",
        "validation_file": "file-2",
        "seed": 7,
        "suffix": "tickets",
        "metadata": {"team": "support"},
        "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["a"]}}],
        "method": {
            "type": "supervised",
            "supervised": {
                "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.5},
            },
        },
    },
    {
        "model": "m",
        "training_file": "file-1",
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": "auto"}}},
    },
    {
        "model": "m",
        "training_file": "file-1",
        "validation_file": "file-2",
        "method": {
            "type": "reinforcement",
            "reinforcement": {
                "grader": GRADER,
                "hyperparameters": {"compute_multiplier": 2.5, "eval_interval": 5, "reasoning_effort": "low"},
            },
        },
    },
)
CHATS = (
    {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "d"},
        ],
        "temperature": 0.5,
        "top_p": 1,
        "n": 2,
        "stop": ["x"],
        "max_completion_tokens": 5,
        "logprobs": True,
        "top_logprobs": 3,
        "seed": 1,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "metadata": {"a": "b"},
        "user": "u",
    },
)
UPLOADS = ({"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 3, "mime_type": "text/jsonl"},)
BATCHES = (
    {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
        "output_expires_after": {"anchor": "created_at", "seconds": 3_600},
    },
)
KINDS = {
    "CreateFineTuningJobRequest": (openai_shapes.JOB, JOBS),
    "CreateChatCompletionRequest": (openai_shapes.COMPLETION, CHATS),
    "CreateUploadRequest": (openai_shapes.UPLOAD, UPLOADS),
    "CreateBatchRequest": (openai_shapes.BATCH, BATCHES),
    "CompleteUploadRequest": (openai_shapes.COMPLETE_UPLOAD, ({"part_ids": ["part_1"], "md5": "0"},)),
    "RunGraderRequest": (openai_shapes.RUN_GRADER, ({"grader": GRADER, "model_sample": "a", "item": {}},)),
}
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 50, 51, 256, 257, 2**31, 0.5, 2.5, 11.0, 1e-6]),
    st.sampled_from(["", "auto", "x", "x" * 65, "none"]),
    st.just([]),
    st.just({}),
    st.just([1]),
    st.just({"a": 1}),
)


def normalized(node):
    """JSON Schema 2020-12 of a document that mixes in idioms of OpenAPI 3.0."""
    if isinstance(node, list):
        return [normalized(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: normalized(value) for key, value in node.items()}
    if found.get("exclusiveMinimum") is True and "minimum" in found:
        found["exclusiveMinimum"] = found.pop("minimum")
    return {"anyOf": [found, {"type": "null"}]} if found.pop("nullable", False) else found


@pytest.fixture(scope="module")
def document():
    if not SPEC.is_file():
        pytest.skip("OpenAI's OpenAPI document isn't here")
    contents = normalized(json.loads(SPEC.read_text()))
    registry = Registry().with_resource("urn:openai", Resource(contents=contents, specification=DRAFT202012))
    return {
        kind: Draft202012Validator({"$ref": f"urn:openai#/components/schemas/{kind}"}, registry=registry)
        for kind in KINDS
    }


def places(value, path=()):
    """Paths of all values inside a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(body, path, value):
    """The body with another value at a path; without the field where the value is `...`."""
    body = copy.deepcopy(body)
    parent = body
    for step in path[:-1]:
        parent = parent[step]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return body


def taken(check, body):
    try:
        check(body, "")
    except RefusedError as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_document_takes_is_taken(document, kind):
    check, bodies = KINDS[kind]
    for body in bodies:
        document[kind].validate(body)
        assert taken(check, body) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_document_refuses_is_refused_by_name(document, data):
    """A body with one strange value: where the document refuses it, so does the emulator, and names a parameter."""
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    check, bodies = KINDS[kind]
    body = data.draw(st.sampled_from(bodies))
    path = data.draw(st.sampled_from(sorted(places(body), key=str)))
    strange = changed(body, path, data.draw(STRANGE | st.just(...)))
    if not document[kind].is_valid(strange) and not _null_inside(strange):
        refused = taken(check, strange)
        assert refused is not None, strange
        assert refused.status == 400
        assert refused.code
        assert refused.param


def _null_inside(value):
    """Null stands for an absent field at the emulator, as at the service; the document isn't of one mind about it."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(item is None or _null_inside(item) for item in items)


@pytest.mark.parametrize(
    ("kind", "path", "value", "code", "param"),
    [
        ("CreateFineTuningJobRequest", ("nope",), 1, "unknown_parameter", "nope"),
        ("CreateFineTuningJobRequest", ("model",), ..., "missing_required_parameter", "model"),
        ("CreateFineTuningJobRequest", ("training_file",), 3, "invalid_type", "training_file"),
        ("CreateFineTuningJobRequest", ("seed",), -1, "integer_below_min_value", "seed"),
        ("CreateFineTuningJobRequest", ("seed",), 1.5, "invalid_type", "seed"),
        ("CreateFineTuningJobRequest", ("suffix",), "x" * 65, "string_above_max_length", "suffix"),
        ("CreateFineTuningJobRequest", ("metadata",), {"a": 1}, "invalid_type", "metadata.a"),
        (
            "CreateFineTuningJobRequest",
            ("metadata",),
            {str(n): "" for n in range(17)},
            "object_above_max_length",
            "metadata",
        ),
        ("CreateFineTuningJobRequest", ("method",), {"type": "magic"}, "invalid_value", "method.type"),
        ("CreateFineTuningJobRequest", ("integrations",), [{"type": "x"}], "missing_required_parameter", None),
        ("CreateChatCompletionRequest", ("temperature",), 2.1, "decimal_above_max_value", "temperature"),
        ("CreateChatCompletionRequest", ("messages",), [], "array_below_min_length", "messages"),
        ("CreateChatCompletionRequest", ("messages", 0, "role"), "robot", "invalid_value", "messages[0].role"),
        ("CreateChatCompletionRequest", ("stop",), list("abcde"), "array_above_max_length", "stop"),
        ("CreateUploadRequest", ("purpose",), "fun", "invalid_value", "purpose"),
        ("CreateBatchRequest", ("completion_window",), "1h", "invalid_value", "completion_window"),
    ],
)
def test_each_kind_of_mistake_has_its_code_and_its_place(kind, path, value, code, param):
    check, bodies = KINDS[kind]
    refused = taken(check, changed(bodies[0], path, value))
    assert refused is not None
    assert refused.code == code
    assert param is None or refused.param == param


@pytest.mark.parametrize(
    ("name", "value"), [("n_epochs", 51), ("n_epochs", 0), ("batch_size", 257), ("learning_rate_multiplier", 0)]
)
def test_hyperparameters_out_of_range_are_refused_by_their_whole_name(name, value):
    body = changed(JOBS[1], ("method", "supervised", "hyperparameters", name), value)
    refused = taken(openai_shapes.JOB, body)
    assert refused is not None
    assert refused.param == f"method.supervised.hyperparameters.{name}"


def test_reinforcement_needs_a_validation_file():
    with pytest.raises(RefusedError) as caught:
        job_body(changed(JOBS[3], ("validation_file",), ...))
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "validation_file")


def test_the_older_place_of_hyperparameters_is_read_too():
    body = job_body({**JOBS[0], "hyperparameters": {"n_epochs": 2}})
    assert dict(body.hyperparameters) == {"n_epochs": 2}
