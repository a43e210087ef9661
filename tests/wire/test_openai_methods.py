"""Preference pairs, graders, integrations, limits and result files, through the provider."""

import json
import time

import openai
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.data.examples import user
from finetuner.errors import RequestRejectedError
from finetuner.providers.ports import SUCCEEDED, CompletionOptions, JobRequest

BASE = "gpt-4.1-mini-2025-04-14"
GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
    "operation": "eq",
}


@pytest.fixture
def sent(provider, tmp_path):
    def send(records, name="data.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return provider.files.upload(path, name=name, sha256=file_sha256(path)).id

    return send


def finished(provider, job):
    deadline = time.monotonic() + 60
    while not (job := provider.trainer.get(job.id)).ended:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


def pairs():
    for n in range(8):
        for text, good, bad in (("hi", "hello", "hey"), ("bye", "farewell", "cu")):
            yield {
                "input": {"messages": [{"role": "user", "content": f"{text} {n}"}]},
                "preferred_output": [{"role": "assistant", "content": good}],
                "non_preferred_output": [{"role": "assistant", "content": bad}],
            }


def tasks():
    for n in range(8):
        for text, label in (("refund", "billing"), ("password", "account")):
            yield {"messages": [{"role": "user", "content": f"{text} {n}"}], "label": label}


@pytest.mark.parametrize("method", ["dpo", "preference"])
def test_preferences_are_learned_with_their_own_hyperparameters(provider, sent, method):
    request = JobRequest(
        model=BASE, training_file=sent(pairs()), method=method, hyperparameters={"epochs": 3, "beta": 0.2}
    )
    job = finished(provider, provider.trainer.create(request))
    assert (job.status, job.method, job.hyperparameters["beta"]) == (SUCCEEDED, "dpo", 0.2)
    assert provider.completer.complete(job.tuned_model, [user("bye 3")], CompletionOptions()).text == "farewell"


def test_what_a_grader_rewards_is_learned(provider, sent):
    file = sent(tasks())
    request = JobRequest(
        model="o4-mini-2025-04-16",
        training_file=file,
        validation_file=file,
        method="reinforcement",
        hyperparameters={"epochs": 3, "reasoning_effort": "low"},
        extra={"grader": GRADER},
    )
    job = finished(provider, provider.trainer.create(request))
    assert (job.status, job.method) == (SUCCEEDED, "reinforcement")
    assert provider.completer.complete(job.tuned_model, [user("refund 3")], CompletionOptions()).text == "billing"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"extra": {}}, "method.reinforcement"),
        ({"extra": {"grader": {**GRADER, "operation": "near"}}}, "grader.operation"),
        ({"hyperparameters": {"compute_multiplier": 11}}, "compute_multiplier"),
        ({"validation_file": None}, "validation_file"),
    ],
)
def test_a_task_that_cannot_be_graded_is_refused_by_name(provider, sent, changes, named):
    file = sent(tasks())
    options = {"validation_file": file, "extra": {"grader": GRADER}} | changes
    request = JobRequest(model="o4-mini-2025-04-16", training_file=file, method="reinforcement", **options)
    with pytest.raises(RequestRejectedError, match=rf"parameter \S*{named}"):
        provider.trainer.create(request)


def test_suffix_seed_metadata_and_integrations_arrive(emulator, provider, training_file):
    request = JobRequest(
        model=BASE,
        training_file=training_file.id,
        suffix="tickets",
        seed=11,
        key="with-all",
        metadata={"team": "support"},
        extra={"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]},
    )
    job = provider.trainer.create(request)
    provider.trainer.cancel(job.id)
    assert (job.suffix, job.seed, job.key) == ("tickets", 11, "with-all")
    with openai.OpenAI(base_url=emulator.url, api_key="any") as client:
        seen = client.fine_tuning.jobs.retrieve(job.id)
    assert seen.metadata == {"team": "support", "finetuner_key": "with-all"}
    assert seen.integrations[0].wandb.project == "p"


def test_result_files_tell_the_losses_of_every_step(provider, tuned):
    rows = provider.trainer.results(tuned.id)
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert any("valid_loss" in row for row in rows)


def test_limits_are_told_by_model(provider):
    assert set(provider.trainer.limits()[BASE]) == {"max_total_jobs", "max_concurrent_jobs", "active_jobs"}
