import asyncio

import pytest

from finetuner._core.hashing import file_sha256
from finetuner.data.examples import user
from finetuner.errors import NotFoundError, ProviderTimeoutError, RateLimitError, RequestRejectedError
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    RUNNING,
    SUCCEEDED,
    Checkpoint,
    Completion,
    CompletionOptions,
    JobFailure,
    JobRequest,
)
from finetuner.testing import FakeClock, ScriptedProvider

REQUEST = JobRequest(model="scripted-base", training_file="file-1", key="k")
OPTIONS = CompletionOptions()


def ask(provider, text="q", model="m"):
    return provider.completer.complete(model, (user(text),), OPTIONS)


def test_answers_may_be_a_text_a_table_or_a_function():
    assert ask(ScriptedProvider(answers="always")).text == "always"
    table = ScriptedProvider(answers={"q": "a"})
    assert ask(table).text == "a"
    with pytest.raises(RequestRejectedError, match="no scripted answer to 'other'"):
        ask(table, "other")
    by_model = ScriptedProvider(answers=lambda model, messages: f"{model}: {messages[-1].text}")
    assert ask(by_model).text == "m: q"
    whole = Completion(text="t", model="m", confidence=0.5)
    assert ask(ScriptedProvider(answers=lambda *_: whole)) is whole


def test_failures_come_in_order_and_none_lets_a_call_through():
    provider = ScriptedProvider(failures={"complete": [RateLimitError("busy"), None, RateLimitError("again")]})
    with pytest.raises(RateLimitError, match="busy"):
        ask(provider)
    assert ask(provider).text == "ok"
    with pytest.raises(RateLimitError, match="again"):
        ask(provider)
    assert ask(provider).text == "ok"
    assert len(provider.completer.calls) == 4


def test_latency_passes_on_the_given_clock():
    clock = FakeClock()
    provider = ScriptedProvider(latency=2.0, clock=clock)
    assert ask(provider).latency == 2.0
    asyncio.run(provider.completer.complete_async("m", (user("q"),), OPTIONS))
    assert clock.sleeps == [2.0, 2.0]


def test_a_job_goes_one_status_further_with_each_look_and_stays_at_the_last():
    trainer = ScriptedProvider(statuses=[RUNNING, "evaluating_safety", SUCCEEDED]).trainer
    job = trainer.create(REQUEST)
    assert [job.status, *(trainer.get(job.id).status for _ in range(3))] == [
        RUNNING,
        "evaluating_safety",
        SUCCEEDED,
        SUCCEEDED,
    ]
    assert trainer.get(job.id).tuned_model == "ft:scripted-base:scripted::1"
    assert [event.message for event in trainer.events(job.id)] == [RUNNING, "evaluating_safety", SUCCEEDED]


def test_a_failed_job_has_the_scripted_reason():
    why = JobFailure(message="bad line 3", code="invalid_training_file")
    trainer = ScriptedProvider(statuses=[RUNNING, FAILED], failure=why).trainer
    job = trainer.get(trainer.create(REQUEST).id)
    assert (job.failure, job.tuned_model) == (why, None)


def test_a_lost_answer_leaves_a_job_that_is_found_by_its_key():
    """As when the connection breaks after the provider took the job."""
    trainer = ScriptedProvider(failures={"create_answer": [ProviderTimeoutError("lost")]}).trainer
    with pytest.raises(ProviderTimeoutError):
        trainer.create(REQUEST)
    assert trainer.find("k").id == trainer.create(REQUEST).id
    assert len(trainer.requests) == 1


def test_a_refused_creation_leaves_no_job():
    trainer = ScriptedProvider(failures={"create": [RateLimitError("busy")]}).trainer
    with pytest.raises(RateLimitError):
        trainer.create(REQUEST)
    assert trainer.find("k") is None


def test_pause_holds_the_script_and_cancel_ends_it():
    provider = ScriptedProvider()
    job = provider.trainer.create(REQUEST)
    assert provider.pauser.pause(job.id).status == PAUSED
    assert provider.trainer.get(job.id).status == PAUSED
    assert provider.pauser.resume(job.id).status == RUNNING
    assert provider.trainer.cancel(job.id).status == CANCELLED
    assert provider.trainer.get(job.id).status == CANCELLED
    assert provider.pauser.pause(job.id).status == CANCELLED


def test_checkpoints_are_as_scripted_earliest_first():
    saved = [Checkpoint(id=str(step), model=f"m{step}", step=step) for step in (20, 10)]
    trainer = ScriptedProvider(checkpoints=saved).trainer
    assert [found.step for found in trainer.checkpoints(trainer.create(REQUEST).id)] == [10, 20]


def test_files_are_remembered_by_content(tmp_path):
    path = tmp_path / "f"
    path.write_text("{}")
    files = ScriptedProvider().files
    sent = files.upload(path, name="f", sha256=file_sha256(path))
    assert files.contents[sent.id] == b"{}"
    assert files.get(sent.id) == sent
    files.delete(sent.id)
    with pytest.raises(NotFoundError):
        files.get(sent.id)
