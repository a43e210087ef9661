import asyncio

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import JobTimeoutError
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.job import Job
from finetuner.training.waiting import wait_all, wait_all_async

DATA = Dataset.from_examples([Example(messages=(user(f"question {n}"), assistant("ab"[n % 2]))) for n in range(20)])


@pytest.fixture
def jobs(tmp_path):
    provider = ScriptedProvider()
    return [Job.create(DATA, provider=provider, model="scripted-base", seed=n, workspace=tmp_path) for n in (1, 2)]


def test_all_end_in_their_order_and_events_say_whose_they_are(jobs):
    told = []
    ended = wait_all(jobs, on_event=lambda job_id, event: told.append((job_id, event.id)), clock=FakeClock())
    assert [job.id for job in ended] == [job.id for job in jobs]
    assert {job.status for job in ended} == {"succeeded"}
    assert {job_id for job_id, _ in told} == {job.id for job in jobs}
    assert len(set(told)) == len(told)


def test_a_failure_does_not_hide_the_others(tmp_path):
    bad = ScriptedProvider(statuses=["running", "failed"])
    failing = Job.create(DATA, provider=bad, model="scripted-base", workspace=tmp_path)
    assert [job.status for job in wait_all([failing], clock=FakeClock())] == ["failed"]


def test_without_blocking_it_is_the_same(jobs):
    ended = asyncio.run(wait_all_async(jobs, clock=FakeClock()))
    assert {job.status for job in ended} == {"succeeded"}


def test_a_time_out_leaves_the_jobs_alone(tmp_path):
    slow = ScriptedProvider(statuses=["queued"])
    job = Job.create(DATA, provider=slow, model="scripted-base", workspace=tmp_path)
    with pytest.raises(JobTimeoutError):
        wait_all([job], timeout=30, clock=FakeClock())
    assert job.refresh().status == "queued"


def test_nothing_to_wait_for_is_over_at_once():
    assert wait_all([]) == ()
