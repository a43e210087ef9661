"""A job is created once, whatever dies in between, and waiting tells the truth."""

import asyncio

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import (
    AuthenticationError,
    BudgetExceededError,
    InvalidDataError,
    JobCancelledError,
    JobFailedError,
    JobNotReadyError,
    JobTimeoutError,
    NotFoundError,
    ProviderConnectionError,
    RequestRejectedError,
    TrainingNotAvailableError,
    UnknownNameError,
    UsageError,
)
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.ports import Checkpoint, JobEvent, JobFailure
from finetuner.records.jobs import JobRecords
from finetuner.records.journal import Journal
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.job import Job

MODEL = "scripted-base"
LOST = ProviderConnectionError("connection dropped", retryable=True)


def examples(n=20, start=0):
    return Dataset.from_examples(
        [
            Example(messages=(user(f"question {row} about {'cards' if row % 2 else 'fees'}"), assistant("ab"[row % 2])))
            for row in range(start, start + n)
        ]
    )


def create(provider, workspace, **changes):
    options = {"model": MODEL, "epochs": 2, "seed": 1} | changes
    return Job.create(options.pop("training", examples()), provider=provider, workspace=workspace, **options)


def test_the_same_call_gives_the_same_job(tmp_path):
    provider = ScriptedProvider()
    first, second = create(provider, tmp_path), create(provider, tmp_path)
    assert first.id == second.id
    assert len(provider.trainer.requests) == 1


def test_another_seed_is_another_job(tmp_path):
    provider = ScriptedProvider()
    assert create(provider, tmp_path).id != create(provider, tmp_path, seed=2).id


def test_a_lost_answer_is_looked_for_and_ends_in_one_job(tmp_path):
    provider = ScriptedProvider(failures={"create_answer": [LOST]})
    job = create(provider, tmp_path)
    assert len(provider.trainer.requests) == 1
    assert JobRecords(Journal.open(tmp_path)).by_job_id(job.id).state == "created"


def test_a_process_that_died_before_the_answer_leaves_one_job(tmp_path):
    """The intent is in the journal and the job at the provider; the next process finds it by its key."""
    provider = ScriptedProvider(failures={"create_answer": [KeyboardInterrupt()]})
    with pytest.raises(KeyboardInterrupt):
        create(provider, tmp_path)
    job = create(provider, tmp_path)
    assert len(provider.trainer.requests) == 1
    assert job.id == "ftjob-scripted-1"


def test_a_refused_job_can_be_created_again(tmp_path):
    provider = ScriptedProvider(failures={"create": [RequestRejectedError("bad suffix")]})
    with pytest.raises(RequestRejectedError):
        create(provider, tmp_path)
    assert create(provider, tmp_path).id == "ftjob-scripted-1"


def test_a_failed_job_is_followed_by_a_new_one(tmp_path):
    provider = ScriptedProvider(statuses=["running", "failed"])
    first = create(provider, tmp_path)
    with pytest.raises(JobFailedError):
        first.wait(clock=FakeClock())
    second = create(provider, tmp_path)
    assert second.id != first.id


def test_data_that_was_sent_is_not_sent_again(tmp_path):
    provider = ScriptedProvider(failures={"upload": [None, AssertionError("uploaded twice")]})
    create(provider, tmp_path)
    create(provider, tmp_path, seed=2)


def test_invalid_data_is_refused_before_anything_is_sent(tmp_path):
    provider = ScriptedProvider(name="openai")
    broken = Dataset.from_examples([Example(messages=(user("a question without an answer"),))] * 12)
    with pytest.raises(InvalidDataError, match="nothing was sent"):
        create(provider, tmp_path, training=broken)
    assert provider.trainer.requests == []


def test_a_limit_without_a_known_price_is_refused(tmp_path):
    with pytest.raises(BudgetExceededError, match="price of scripted:scripted-base is unknown"):
        create(ScriptedProvider(), tmp_path, max_usd=5.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 51}, "epochs must be 1 to 50, not 51"),
        ({"suffix": "x" * 65}, "suffix must have 1 to 64 characters"),
        ({"seed": -1}, "seed must be 0 to 2147483647"),
        ({"learning_rate_multiplier": 0.0}, "learning_rate_multiplier must be above 0"),
        ({"method": "reinforcement"}, "needs validation data"),
        ({"training": "missing.jsonl"}, "no file 'missing.jsonl'"),
    ],
)
def test_arguments_that_cannot_be_right_are_named(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        create(ScriptedProvider(), tmp_path, **changes)


def test_waiting_tells_every_event_once_and_returns_the_model(tmp_path):
    told = []
    job = create(ScriptedProvider(), tmp_path).wait(on_event=told.append, clock=FakeClock())
    assert job.status == "succeeded"
    assert str(job.model).startswith("scripted:")
    assert len({event.id for event in told}) == len(told) > 0


def test_waiting_without_blocking_gives_the_same(tmp_path):
    job = asyncio.run(create(ScriptedProvider(), tmp_path).wait_async(clock=FakeClock()))
    assert job.status == "succeeded"


def test_a_snapshot_never_changes(tmp_path):
    job = create(ScriptedProvider(statuses=["queued", "running", "succeeded"]), tmp_path)
    assert (job.status, job.refresh().status, job.status) == ("queued", "running", "queued")


def test_a_time_out_leaves_the_job_alone(tmp_path):
    job = create(ScriptedProvider(statuses=["queued"]), tmp_path)
    with pytest.raises(JobTimeoutError, match="it goes on, wait again to re-attach"):
        job.wait(timeout=60, clock=FakeClock())
    assert job.refresh().status == "queued"


def test_a_failure_says_the_providers_reason(tmp_path):
    failure = JobFailure(message="line 3 has no answer", code="invalid_training_file")
    job = create(ScriptedProvider(statuses=["running", "failed"], failure=failure), tmp_path)
    with pytest.raises(JobFailedError, match=r"failed \(invalid_training_file\): line 3 has no answer") as caught:
        job.wait(clock=FakeClock())
    assert (caught.value.code, caught.value.job_id) == ("invalid_training_file", job.id)


def test_a_cancelled_job_is_not_a_success(tmp_path):
    job = create(ScriptedProvider(statuses=["running"]), tmp_path).cancel()
    with pytest.raises(JobCancelledError):
        job.wait(clock=FakeClock())


def test_an_unfinished_job_has_no_model(tmp_path):
    with pytest.raises(JobNotReadyError, match="wait\\(\\) first"):
        create(ScriptedProvider(), tmp_path).model  # noqa: B018  # asking for it is the test


def test_another_process_finds_the_job_by_its_id(tmp_path):
    provider = ScriptedProvider()
    job = create(provider, tmp_path)
    again = Job.get(job.id, provider=provider, workspace=tmp_path)
    assert (again.id, again.training_fingerprint) == (job.id, examples().fingerprint)


def test_a_job_that_nobody_knows_asks_for_its_provider(tmp_path):
    with pytest.raises(UnknownNameError, match="give provider="):
        Job.get("unknown-form", workspace=tmp_path)


def test_a_job_that_the_journal_does_not_know_is_told_with_the_journal_that_was_asked(tmp_path, monkeypatch):
    """Whoever mistyped an id, or stands in another folder, is not sent to look for a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(
        AuthenticationError, match=r"^job 'ftjob-nope' isn't in the journal of .*; asked instead, openai"
    ):
        Job.get("ftjob-nope", workspace=tmp_path)
    with pytest.raises(NotFoundError, match=r"^job 'ftjob-local-0' isn't in the journal of .*; asked instead, local"):
        Job.get("ftjob-local-0", workspace=tmp_path)


def test_the_journal_knows_what_a_tuned_model_has_seen(tmp_path):
    job = create(ScriptedProvider(), tmp_path).wait(clock=FakeClock())
    seen = JobRecords(Journal.open(tmp_path)).training_hashes(str(job.model))
    assert seen == set(examples().prompt_hashes())


def test_another_machine_without_the_journal_finds_the_job_and_sends_nothing(tmp_path):
    provider = ScriptedProvider(failures={"upload": [None, AssertionError("uploaded twice")]})
    first = create(provider, tmp_path / "one")
    second = create(provider, tmp_path / "two")
    assert (second.id, second.existing) == (first.id, True)
    assert len(provider.trainer.requests) == 1


def test_a_job_is_found_by_the_fingerprint_of_its_data(tmp_path):
    provider = ScriptedProvider()
    job = create(provider, tmp_path)
    for name in (job.training_fingerprint, job.training_fingerprint[:12]):
        assert Job.get(name, provider=provider, workspace=tmp_path).id == job.id


def test_a_job_that_the_provider_deleted_is_made_anew(tmp_path):
    create(ScriptedProvider(), tmp_path)
    fresh = ScriptedProvider()
    assert not create(fresh, tmp_path).existing
    assert len(fresh.trainer.requests) == 1


def test_files_are_taken_back_where_nobody_may_train(tmp_path):
    """The upload succeeds first; after the refusal the files would only lie about."""
    refusal = TrainingNotAvailableError("closed to this organization", code="training_not_available")
    provider = ScriptedProvider(failures={"create": [refusal]})
    with pytest.raises(TrainingNotAvailableError):
        create(provider, tmp_path)
    assert provider.files.contents == {}
    assert create(provider, tmp_path).id == "ftjob-scripted-1"


def test_a_limit_refuses_before_the_upload(tmp_path):
    provider = ScriptedProvider()
    with pytest.raises(BudgetExceededError):
        create(provider, tmp_path, max_usd=1.0)
    assert provider.files.contents == {}


def test_each_call_that_waits_on_the_network_has_a_twin(tmp_path):
    saved = (Checkpoint(id="c", model="m:ckpt", step=20, metrics={"valid_loss": 0.5}),)
    provider = ScriptedProvider(checkpoints=saved, statuses=["queued"] * 6 + ["running", "succeeded"])

    async def live():
        job = await Job.create_async(examples(), provider=provider, model=MODEL, seed=1, workspace=tmp_path)
        again = await Job.get_async(job.id, provider=provider, workspace=tmp_path)
        listed = await Job.list_async(provider=provider, workspace=tmp_path)
        assert {job.id, again.id, *(each.id for each in listed)} == {job.id}
        paused = await (await job.refresh_async()).pause_async()
        assert (paused.status, (await paused.resume_async()).status) == ("paused", "running")
        done = await job.wait_async(clock=FakeClock())
        assert (await done.events_async()) == done.events()
        assert (await done.checkpoints_async()) == saved
        assert str((await done.best_checkpoint_async()).model) == "scripted:m:ckpt"
        assert (await done.curve_async()).latest("valid_loss") == 0.5
        assert (await done.verdict_async()).shape == "too few steps"
        assert (await done.progress_async()).share == 1.0
        return await done.cancel_async()

    assert asyncio.run(live()).status == "succeeded"


def test_every_touching_method_of_a_job_has_its_twin():
    waits = {"create", "get", "list", "refresh", "wait", "cancel", "pause", "resume", "retarget"}
    asks = {"events", "checkpoints", "curve", "best_checkpoint", "verdict", "progress"}
    for name in waits | asks:
        assert asyncio.iscoroutinefunction(getattr(Job, f"{name}_async")), name


def test_an_outage_while_waiting_is_outlasted(tmp_path):
    job = create(ScriptedProvider(failures={"get": [LOST] * 5}), tmp_path)
    assert job.wait(clock=FakeClock()).status == "succeeded"


def test_the_bar_on_a_terminal_shows_the_job(tmp_path, capsys):
    job = create(ScriptedProvider(), tmp_path).wait(progress=True, clock=FakeClock())
    assert job.id in capsys.readouterr().err


def test_the_cost_so_far_comes_from_the_price_and_the_data(tmp_path):
    entry = BaseModel(id=f"scripted:{MODEL}", methods=("supervised",), prices=Prices(training=10.0))
    steps = [JobEvent(id="e", created_at=0.0, message="", metrics={"step": 5, "total_steps": 10})]
    provider = ScriptedProvider(catalog=Catalog(provider="scripted", models=(entry,)), events=steps)
    total = examples().tokens(MODEL).total * 2 * 10.0 / 1e6
    assert create(provider, tmp_path).progress().usd == pytest.approx(total / 2)
