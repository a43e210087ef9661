"""What is sent, when, and what is remembered of it; the promises of `Job.create` are in test_job and test_kill."""

import attrs
import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import (
    ProviderConnectionError,
    ProviderTimeoutError,
    RequestRejectedError,
    TrainingNotAvailableError,
    UnexpectedAnswerError,
    UsageError,
)
from finetuner.providers.ports import JobRequest
from finetuner.records.jobs import CREATED, INTENT, REFUSED, JobRecords
from finetuner.records.journal import Journal
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.creation import create_once, format_for, local_copy, located, trainer_of, upload
from finetuner.training.spec import TrainingSpec

DATA = Dataset.from_examples([Example(messages=(user(f"question {n}"), assistant("ab"[n % 2]))) for n in range(20)])
PAIRS = Dataset.from_examples(
    [Example(messages=(user(f"q {n}"),), preferred=assistant("a"), rejected=assistant("b")) for n in range(3)]
)
SPEC = TrainingSpec(model="m", epochs=2)
DOUBTS = [ProviderConnectionError("lost"), ProviderTimeoutError("late"), UnexpectedAnswerError("garbage")]


@pytest.fixture
def journal(tmp_path):
    return Journal.open(tmp_path)


def created(provider, journal, clock=None):
    data = located(DATA, provider, journal)
    return create_once(SPEC, data, None, provider=provider, journal=journal, clock=clock or FakeClock())


@pytest.mark.parametrize("doubt", DOUBTS)
def test_each_doubtful_answer_is_looked_after(journal, doubt):
    provider = ScriptedProvider(failures={"create_answer": [doubt], "find": [None, None, doubt, doubt]})
    clock = FakeClock()
    found = created(provider, journal, clock)
    assert len(provider.trainer.requests) == 1
    assert found.snapshot.key == provider.trainer.requests[0].key


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubt_that_stays_says_that_nothing_is_paid_twice(journal, doubt):
    provider = ScriptedProvider(failures={"create": [doubt]})
    clock = FakeClock()
    with pytest.raises(type(doubt)) as caught:
        created(provider, journal, clock)
    assert "doesn't pay twice" in caught.value.__notes__[0]
    assert sum(clock.sleeps) == 7.0
    assert JobRecords(journal).recent()[0].state == INTENT
    assert created(provider, journal).snapshot.id == "ftjob-scripted-1"
    assert JobRecords(journal).recent()[0].state == CREATED


def test_a_refusal_is_written_down(journal):
    with pytest.raises(RequestRejectedError):
        created(ScriptedProvider(failures={"create": [RequestRejectedError("no")]}), journal)
    assert JobRecords(journal).recent()[0].state == REFUSED


def test_where_a_file_cannot_be_taken_back_the_refusal_says_so(journal):
    provider = ScriptedProvider(failures={"create": [TrainingNotAvailableError("closed")]})

    def stubborn(_file_id):
        raise ProviderConnectionError("no network")

    provider.files.delete = stubborn
    with pytest.raises(TrainingNotAvailableError) as caught:
        created(provider, journal)
    assert "couldn't be deleted: no network" in caught.value.__notes__[0]


def test_an_upload_is_remembered_by_content_and_sent_again_only_where_it_is_gone(journal):
    provider = ScriptedProvider()
    first = upload(DATA, provider, journal)
    assert upload(DATA, provider, journal) == first
    provider.files.delete(first.id)
    assert upload(DATA, provider, journal).id in provider.files.contents


def test_data_is_located_without_sending_and_found_again_by_its_fingerprint(journal):
    provider = ScriptedProvider()
    found = located(DATA, provider, journal)
    assert provider.files.contents == {}
    assert (found.fingerprint, found.dataset) == (DATA.fingerprint, DATA)
    assert local_copy(DATA.fingerprint, journal).fingerprint == DATA.fingerprint
    assert local_copy("0" * 64, journal) is None
    sent = upload(DATA, provider, journal)
    assert located(sent.id, provider, journal) == attrs.evolve(found, file_id=sent.id)


def test_a_path_that_does_not_exist_is_no_file_id(journal):
    with pytest.raises(UsageError, match=r"no file 'x\.parquet'"):
        located("x.parquet", ScriptedProvider(), journal)
    assert located("gs://bucket/x.jsonl", ScriptedProvider(), journal).file_id == "gs://bucket/x.jsonl"


def test_the_format_is_the_providers_own_for_such_data():
    assert format_for(DATA, ScriptedProvider()) == "openai"
    with pytest.raises(UsageError, match="doesn't train on preference pairs; it takes openai"):
        format_for(PAIRS, ScriptedProvider())


def test_a_provider_that_does_not_train_or_takes_no_files_says_so(journal):
    bare = ScriptedProvider()
    object.__setattr__(bare, "trainer", None)
    object.__setattr__(bare, "files", None)
    with pytest.raises(UsageError, match="doesn't train models"):
        trainer_of(bare)
    with pytest.raises(UsageError, match="takes no training files"):
        upload(DATA, bare, journal)


def test_the_request_holds_what_was_specified(journal):
    provider = ScriptedProvider()
    created(provider, journal)
    (request,) = provider.trainer.requests
    assert request == JobRequest(
        model="m", training_file=request.training_file, hyperparameters={"epochs": 2}, key=request.key
    )
    assert request.training_file in provider.files.contents
