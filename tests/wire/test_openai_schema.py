"""What we send, against OpenAI's own OpenAPI document."""

import json
from pathlib import Path

import attrs
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from finetuner.data.examples import system, user
from finetuner.emulator import openai_shapes
from finetuner.providers.openai import chat, flavours
from finetuner.providers.openai.trainer import job_body
from finetuner.providers.ports import BatchRequest, CompletionOptions, JobRequest

SPEC = Path(__file__).parents[3] / "shared" / "spec" / "openai-openapi.json"


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
def validator():
    if not SPEC.is_file():
        pytest.skip("OpenAI's OpenAPI document isn't here")
    document = normalized(json.loads(SPEC.read_text()))
    registry = Registry().with_resource("urn:openai", Resource(contents=document, specification=DRAFT202012))

    def of(schema):
        return Draft202012Validator({"$ref": f"urn:openai#/components/schemas/{schema}"}, registry=registry)

    return of


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(model="gpt-4.1-mini-2025-04-14", training_file="file-1", key="k"),
        JobRequest(
            model="gpt-4o-2024-08-06",
            training_file="file-1",
            validation_file="file-2",
            method="dpo",
            hyperparameters={"epochs": "auto", "beta": 0.1, "batch_size": 8},
            suffix="tickets",
            seed=7,
            key="k",
            metadata={"a": "b"},
        ),
        JobRequest(
            model="o4-mini-2025-04-16",
            training_file="file-1",
            validation_file="file-2",
            method="reinforcement",
            hyperparameters={"epochs": 1, "compute_multiplier": 2.0, "eval_interval": 5, "reasoning_effort": "low"},
            extra={
                "grader": {
                    "type": "string_check",
                    "name": "same",
                    "input": "{{sample.output_text}}",
                    "reference": "{{item.label}}",
                    "operation": "eq",
                },
                "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
            },
        ),
    ],
)
def test_jobs_are_as_openai_describes_them(validator, request_):
    body, extra = job_body(request_, flavours.OPENAI)
    validator("CreateFineTuningJobRequest").validate(body | extra)


def test_an_impossible_job_is_caught_by_the_document(validator):
    body, _ = job_body(JobRequest(model="m", training_file="f", hyperparameters={"epochs": 51}), flavours.OPENAI)
    assert not validator("CreateFineTuningJobRequest").is_valid(body)


@pytest.mark.parametrize("choice", [None, "auto", "none", "required", "find"])
def test_completions_are_as_openai_describes_them(validator, choice):
    options = CompletionOptions(
        max_tokens=10,
        seed=1,
        stop=("\n",),
        response_schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
        tools=({"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}},),
        tool_choice=choice,
        logprobs=True,
    )
    body = chat.request("m", (system("a"), user("b")), options, max_tokens_field="max_completion_tokens")
    validator("CreateChatCompletionRequest").validate(chat.streamed(body) | {"stream": True})


def test_what_batches_and_uploads_send_is_as_openai_describes_it(validator, provider, tmp_path):
    """Seen on the wire: the bodies that the real SDK makes of our calls."""
    path = tmp_path / "large.jsonl"
    path.write_text("{}\n" * 100)
    flavour = attrs.evolve(provider.files.client.flavour, max_single_bytes=10)
    files = attrs.evolve(provider.files, client=attrs.evolve(provider.files.client, flavour=flavour), part_bytes=100)
    bodies = {"CreateUploadRequest": {}, "CompleteUploadRequest": {}, "CreateBatchRequest": {}}

    def keep(schema, check):
        def checked(body, place):
            bodies[schema] = body
            check(body, place)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        for schema, name in zip(bodies, ("UPLOAD", "COMPLETE_UPLOAD", "BATCH"), strict=True):
            patch.setattr(openai_shapes, name, keep(schema, getattr(openai_shapes, name)))
        files.upload(path, name="large.jsonl", sha256="")
        provider.batches.create("nobody", [BatchRequest(id="q", messages=(user("a"),))], key="schema")
    for schema, body in bodies.items():
        assert body
        validator(schema).validate(body)
