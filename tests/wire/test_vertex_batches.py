"""Batch predictions through Google's own clients over loopback, against the emulator."""

import json

import attrs
import pytest

from finetuner.data.examples import MediaPart, Message, system, user
from finetuner.emulator import Fault
from finetuner.errors import NotFoundError, ProviderConnectionError, RequestRejectedError, UnexpectedAnswerError
from finetuner.providers.ports import BatchRequest, CompletionOptions, JobRequest
from finetuner.providers.vertex import connect

BASE = "gemini-3.5-flash"
BATCHES = "/projects/[^/]+/locations/[^/]+/batchPredictionJobs"


@pytest.fixture
def emulator(shared_emulator, monkeypatch):
    shared_emulator.faults.clear()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", shared_emulator.address)
    yield shared_emulator
    shared_emulator.faults.clear()


@pytest.fixture
def provider(emulator):
    return connect(project="acme", bucket="gs://acme-data/batches", endpoint=emulator.address)


def questions(*texts):
    asked = system("Answer with one of: billing, account.")
    return [BatchRequest(id=f"Row {n}/ä", messages=(asked, user(text))) for n, text in enumerate(texts)]


def test_each_question_is_answered_under_its_callers_id(provider):
    batch = provider.batches.create(BASE, questions("my billing", "my account", "billing again"), key="batch-1")
    assert batch.status == "queued"
    assert provider.batches.find("batch-1").id == batch.id
    done = provider.batches.get(batch.id)
    assert (done.status, done.total, done.completed, done.failed) == ("succeeded", 3, 3, 0)
    assert done.finished_at >= done.created_at
    answers = {answer.id: answer.completion.text for answer in provider.batches.answers(batch.id)}
    assert answers == {"Row 0/ä": "billing", "Row 1/ä": "account", "Row 2/ä": "billing"}
    assert provider.batches.cancel(batch.id).status == "succeeded"


def test_a_question_that_is_refused_says_why_and_the_others_are_answered(provider):
    good, bad = questions("my billing", "my account")
    bad = attrs.evolve(bad, options=CompletionOptions(temperature=3.0))
    batch = provider.batches.create(BASE, [good, bad])
    done = provider.batches.get(batch.id)
    assert (done.completed, done.failed) == (1, 1)
    answers = {answer.id: answer for answer in provider.batches.answers(batch.id)}
    assert answers[good.id].completion.text == "billing"
    assert "temperature" in answers[bad.id].failure.message


def test_a_tuned_model_is_asked_by_its_own_name(provider, tmp_path):
    path = tmp_path / "train.jsonl"
    contents = [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "good day"}]}]
    path.write_text((json.dumps({"contents": contents}) + "\n") * 12)
    file = provider.files.upload(path, name="train.jsonl", sha256="0" * 64)
    job = provider.trainer.create(JobRequest(model=BASE, training_file=file.id, hyperparameters={"epochs": 2}))
    while not job.ended:
        job = provider.trainer.get(job.id)
    batch = provider.batches.create(job.tuned_model, questions("hi"))
    assert provider.batches.get(batch.id).status == "succeeded"
    assert [answer.completion.text for answer in provider.batches.answers(batch.id)] == ["good day"]
    first = provider.trainer.checkpoints(job.id)[0]
    with pytest.raises(RequestRejectedError, match="is a checkpoint"):
        provider.batches.create(first.model, questions("hi"))


def test_a_cancelled_batch_has_no_answers(emulator, provider):
    batch = provider.batches.create(BASE, questions("cancel me"))
    emulator.faults.add(Fault(method="GET", path=f"{BATCHES}/.*", merge={"state": "JOB_STATE_RUNNING"}))
    cancelled = provider.batches.create(BASE, questions("and me"))
    with pytest.raises(RequestRejectedError, match="wait until it has ended"):
        provider.batches.answers(batch.id)
    assert provider.batches.cancel(cancelled.id).status == "cancelled"
    assert list(provider.batches.answers(cancelled.id)) == []


def test_a_lost_answer_is_found_again(emulator, provider):
    emulator.faults.add(Fault(path=BATCHES, accepted=True, drop=True))
    with pytest.raises(ProviderConnectionError):
        provider.batches.create(BASE, questions("lost"), key="lost-batch")
    assert provider.batches.find("lost-batch").key == "lost-batch"
    assert provider.batches.find("nobody") is None
    assert provider.batches.find("") is None


def test_a_failed_batch_says_why(emulator, provider):
    batch = provider.batches.create(BASE, questions("fail"))
    failed = {"state": "JOB_STATE_FAILED", "error": {"code": 8, "message": "no capacity"}}
    emulator.faults.add(Fault(method="GET", path=f"{BATCHES}/.*", merge={**failed, "outputInfo": None}), times=2)
    found = provider.batches.get(batch.id)
    assert (found.status, found.failure.code) == ("failed", "RESOURCE_EXHAUSTED")
    with pytest.raises(RequestRejectedError, match="no capacity"):
        provider.batches.answers(batch.id)


def test_answers_that_name_no_question_are_unexpected(emulator, provider):
    batch = provider.batches.create(BASE, questions("garbage"))
    provider.batches.get(batch.id)
    garbage = Fault(method="GET", path="/download/.*predictions.jsonl", status=200, body='{"status": ""}\n')
    emulator.faults.add(garbage)
    with pytest.raises(UnexpectedAnswerError, match="which question"):
        list(provider.batches.answers(batch.id))


def test_what_cannot_be_a_batch_is_refused_before_sending(provider):
    (one,) = questions("hi")
    image = Message(role="user", content=(MediaPart("https://example.com/a.png"),))
    for requests, match in (
        ([], "1 to 200,000"),
        ([one, one], "same id"),
        ([BatchRequest(id="a", messages=(image,))], "Cloud Storage"),
    ):
        with pytest.raises(RequestRejectedError, match=match):
            provider.batches.create(BASE, requests)
    with pytest.raises(NotFoundError, match="is no batch"):
        provider.batches.get("batch_1")
    with pytest.raises(NotFoundError):
        provider.batches.get("projects/acme/locations/us-central1/batchPredictionJobs/7")
