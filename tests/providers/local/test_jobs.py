"""The life of a job, with real processes."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import attrs
import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import user
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.detached.liveness import ProcessIdentity
from finetuner.providers.detached.store import PAUSE
from finetuner.providers.local import connect
from finetuner.providers.local.mapping import KIND
from finetuner.providers.local.process import Training
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    VALIDATING,
    CompletionOptions,
    JobRequest,
)


def lines(n):
    return [
        {"messages": [{"role": "user", "content": f"help {k}"}, {"role": "assistant", "content": "refund"}]}
        for k in range(n)
    ]


def messages(bench, job_id):
    return [event.message for event in bench.provider.trainer.events(job_id)]


def kill(bench, job_id):
    process = bench.job(job_id).process()
    os.kill(process.pid, signal.SIGKILL)


def killed_after_an_epoch(bench, **changes):
    """A job whose process was killed with signal 9 once it had saved an epoch."""
    job = bench.provider.trainer.create(bench.request(**changes))
    bench.until_first_epoch(job.id)
    kill(bench, job.id)
    return bench.finished(job.id)


class TestALife:
    def test_a_job_succeeds_like_a_hosted_one(self, bench):
        """It has events, a checkpoint for each epoch with validation metrics, and a model that answers."""
        file = bench.upload(
            [
                {"messages": [{"role": "user", "content": f"my {label} {k}"}, {"role": "assistant", "content": label}]}
                for k in range(10)
                for label in ("card", "login")
            ]
        )
        job = bench.run(training_file=file, validation_file=file, hyperparameters={"epochs": 3}, suffix="tick ets")
        assert job.status == SUCCEEDED
        assert job.tuned_model == f"ft:ngram-small:local:tick-ets:{job.id.removeprefix('ftjob-local-')}"
        assert job.hyperparameters["epochs"] == 3
        assert (job.epoch, job.step) == (3, job.total_steps)
        assert job.trained_tokens > 0
        assert job.finished_at >= job.created_at
        checkpoints = bench.provider.trainer.checkpoints(job.id)
        assert [checkpoint.epoch for checkpoint in checkpoints] == [1, 2, 3]
        assert checkpoints[0].model == f"{job.tuned_model}:ckpt-step-{checkpoints[0].step}"
        assert {"train_loss", "valid_loss", "valid_accuracy"} <= set(checkpoints[-1].metrics)
        assert any("train_loss" in event.metrics for event in bench.provider.trainer.events(job.id))

    def test_statuses_follow_each_other_as_at_a_host(self, bench):
        """Only the documented statuses are seen, in their order."""
        order = [VALIDATING, QUEUED, RUNNING, SUCCEEDED]
        job = bench.provider.trainer.create(bench.request())
        seen = [job.status]
        while not job.ended:
            job = bench.provider.trainer.get(job.id)
            if job.status != seen[-1]:
                seen.append(job.status)
        assert seen[0] == VALIDATING
        assert seen == [status for status in order if status in seen]
        assert {RUNNING, SUCCEEDED} <= set(seen)

    def test_it_says_when_it_will_be_done(self, bench):
        """After the first epoch there is an estimate, not before the present."""
        job = bench.provider.trainer.create(bench.request(hyperparameters={"epochs": 50, "batch_size": 1}))
        bench.until_first_epoch(job.id)
        running = bench.provider.trainer.get(job.id)
        while running.estimated_finish is None and not running.ended:
            running = bench.provider.trainer.get(job.id)
        assert running.estimated_finish > running.created_at
        bench.provider.trainer.cancel(job.id)
        bench.finished(job.id)

    def test_same_seed_same_weights(self, bench, second_bench):
        """Two runs agree bit by bit; another seed doesn't."""
        first, second = bench.run(hyperparameters={"epochs": 2}), second_bench.run(hyperparameters={"epochs": 2})
        other = second_bench.run(hyperparameters={"epochs": 2}, seed=8)
        assert bench.weights(first.id) == second_bench.weights(second.id)
        assert bench.weights(first.id) != second_bench.weights(other.id)


class TestDeath:
    def test_kill_9_of_the_training_is_a_failure_with_its_reason(self, bench):
        """The job says what happened, since when, and what to do."""
        job = killed_after_an_epoch(bench)
        assert job.status == FAILED
        assert job.failure.code == "process_ended"
        assert "killed" in job.failure.message
        assert "goes on after epoch" in job.failure.message
        assert job.finished_at is not None
        last = bench.provider.trainer.events(job.id)[-1]
        assert (last.level, last.message) == ("error", job.failure.message)

    def test_creating_again_goes_on_from_the_last_epoch(self, bench, second_bench):
        """Finished epochs aren't repeated, and the weights are those of a run that nobody interrupted."""
        dead = killed_after_an_epoch(bench, key="first")
        kept = len(bench.provider.trainer.checkpoints(dead.id))
        again = bench.run(key="second", training_file=dead.training_file)
        assert again.status == SUCCEEDED
        said = messages(bench, again.id)
        assert sum(text.startswith("took over step") for text in said) == kept
        assert f"training goes on after epoch {kept}" in " ".join(said)
        assert f"epoch {kept}/20 finished" not in " ".join(said)
        assert bench.weights(again.id) == second_bench.weights(second_bench.run().id)

    def test_creating_again_with_the_same_key_finds_the_dead_job(self, bench):
        """A key names one job for good."""
        dead = killed_after_an_epoch(bench, key="first")
        again = bench.provider.trainer.create(bench.request(key="first", training_file=dead.training_file))
        assert (again.id, again.status) == (dead.id, FAILED)

    def test_another_training_starts_over(self, bench):
        """Checkpoints are taken over from an equal request only."""
        dead = killed_after_an_epoch(bench)
        other = bench.run(training_file=dead.training_file, seed=8, hyperparameters={"epochs": 2})
        assert not [text for text in messages(bench, other.id) if text.startswith("took over")]

    def test_a_broken_checkpoint_is_passed_over(self, bench):
        """The next one before it is used, and the job says so."""
        dead = killed_after_an_epoch(bench)
        last = bench.provider.trainer.checkpoints(dead.id)[-1]
        bench.job(dead.id).weights(last.step).write_bytes(b"torn")
        again = bench.run(training_file=dead.training_file)
        assert again.status == SUCCEEDED
        assert [text for text in messages(bench, again.id) if f"checkpoint of step {last.step} can't be used" in text]

    def test_killing_the_waiting_process_leaves_the_training_alone(self, bench):
        """Whoever created a job may die; any other process finds the job and its end."""
        request = bench.request(key="orphan")
        program = (
            "import sys, time; from finetuner.providers.local import connect; "
            "from finetuner.providers.ports import JobRequest\n"
            "trainer = connect(workspace=sys.argv[1]).trainer\n"
            "job = trainer.create(JobRequest(model='ngram-small', training_file=sys.argv[2], seed=7, key='orphan', "
            "hyperparameters={'epochs': 20, 'batch_size': 1}))\n"
            "print(job.id, flush=True)\n"
            "while True: time.sleep(1)\n"
        )
        command = [sys.executable, "-c", program, str(bench.folder), request.training_file]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
            job_id = waiting.stdout.readline().strip()
            waiting.kill()
        trainer = connect(workspace=bench.folder).trainer
        assert trainer.create(request).id == trainer.find("orphan").id == job_id
        assert bench.finished(job_id).status == SUCCEEDED

    def test_a_process_that_cannot_start_says_why(self, bench, monkeypatch):
        """The last line of its log is in the reason."""
        monkeypatch.setenv("PYTHONHOME", str(bench.folder))
        job = bench.run()
        assert (job.status, job.failure.code) == (FAILED, "process_ended")
        assert "its log ends with" in job.failure.message
        assert "starts over (no epoch was finished)" in job.failure.message


class TestWishes:
    def test_cancel_stops_a_running_job(self, bench):
        """It ends as cancelled, without a model, and stays so."""
        job = bench.provider.trainer.create(bench.request(hyperparameters={"epochs": 50, "batch_size": 1}))
        bench.until_first_epoch(job.id)
        bench.provider.trainer.cancel(job.id)
        ended = bench.finished(job.id)
        assert (ended.status, ended.tuned_model) == (CANCELLED, None)
        assert bench.provider.trainer.cancel(job.id) == ended

    def test_pause_and_resume_change_nothing_about_the_result(self, bench, second_bench):
        """A paused job has no process; resumed, it ends with the weights of an uninterrupted one."""
        trainer, pauser = bench.provider.trainer, bench.provider.pauser
        job = trainer.create(bench.request())
        bench.until_first_epoch(job.id)
        pauser.pause(job.id)
        while trainer.get(job.id).status != PAUSED:
            assert not trainer.get(job.id).ended
        assert pauser.pause(job.id).status == PAUSED
        assert pauser.resume(job.id).status == QUEUED
        assert bench.finished(job.id).status == SUCCEEDED
        assert bench.weights(job.id) == second_bench.weights(second_bench.run().id)

    def test_a_paused_job_can_be_cancelled(self, bench):
        """There is no process to see the wish, so it is done at once."""
        trainer = bench.provider.trainer
        job = trainer.create(bench.request())
        bench.provider.pauser.pause(job.id)
        while trainer.get(job.id).status != PAUSED:
            assert not trainer.get(job.id).ended
        while bench.job(job.id).alive():
            pass
        assert trainer.cancel(job.id).status == CANCELLED
        with pytest.raises(RequestRejectedError, match="has cancelled"):
            bench.provider.pauser.resume(job.id)


class TestCreating:
    def test_one_key_is_one_job(self, bench):
        """Eight creators at once get the same job, and one process is started."""
        request = bench.request(key="k", hyperparameters={"epochs": 1})
        with ThreadPoolExecutor(8) as pool:
            ids = {job.id for job in pool.map(bench.provider.trainer.create, [request] * 8)}
        assert len(ids) == 1
        job_id = ids.pop()
        assert bench.finished(job_id).status == SUCCEEDED
        assert messages(bench, job_id).count("validating the files") == 1
        assert bench.provider.trainer.list() == (bench.provider.trainer.get(job_id),)

    def test_a_key_cannot_name_two_trainings(self, bench):
        """Reusing a key for something else is refused, rather than answered with the wrong job."""
        bench.run(key="k", hyperparameters={"epochs": 1})
        with pytest.raises(RequestRejectedError, match="use another key"):
            bench.provider.trainer.create(bench.request(key="k", hyperparameters={"epochs": 2}))

    def test_a_creator_that_died_halfway_is_helped(self, bench):
        """A job that was written but never started is started by the next one with its key."""
        request = bench.request(key="k", hyperparameters={"epochs": 1})
        folder = bench.store.place(bench.provider.trainer.create(request).id)
        bench.finished(folder.id)
        for path in (*folder.path.glob("launch-*"), folder.path / "state.json", folder.path / "process.json"):
            path.unlink()
        assert bench.provider.trainer.find("k").status == VALIDATING
        bench.provider.trainer.create(request)
        assert bench.finished(folder.id).status == SUCCEEDED

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"hyperparameters": {"epochs": 0}}, "hyperparameters.epochs"),
            ({"hyperparameters": {"epochs": 51}}, "hyperparameters.epochs"),
            ({"hyperparameters": {"epochs": True}}, "hyperparameters.epochs"),
            ({"hyperparameters": {"batch_size": 0}}, "hyperparameters.batch_size"),
            ({"hyperparameters": {"learning_rate_multiplier": 0}}, "hyperparameters.learning_rate_multiplier"),
            ({"hyperparameters": {"beta": 0.1}}, "hyperparameters.beta"),
            ({"method": "dpo"}, "method"),
            ({"suffix": "x" * 65}, "suffix"),
            ({"seed": -1}, "seed"),
            ({"extra": {"integrations": []}}, "extra.integrations"),
        ],
    )
    def test_a_wrong_parameter_is_named(self, bench, change, named):
        with pytest.raises(RequestRejectedError, match=f"^{named} "):
            bench.provider.trainer.create(attrs.evolve(bench.request(), **change))
        assert bench.provider.trainer.list() == ()

    def test_unknown_models_and_files_are_not_found(self, bench):
        trainer = bench.provider.trainer
        with pytest.raises(NotFoundError, match="there are ngram-small"):
            trainer.create(bench.request(model="gpt"))
        with pytest.raises(NotFoundError, match="file-local-0"):
            trainer.create(JobRequest(model="ngram-small", training_file="file-local-0"))
        with pytest.raises(NotFoundError, match=r"no job '\.\./x'"):
            trainer.get("../x")


class TestBadData:
    @pytest.mark.parametrize(
        ("bad", "problem"),
        [
            ('{"messages": [', "line 12: isn't JSON"),
            ("[1]", "line 12: isn't a JSON object"),
            ('{"messages": [{"role": "user", "content": "hi"}]}', "line 12: messages: doesn't end with an assistant"),
            ('{"messages": [{"role": "assistant", "content": "hi"}]}', "line 12: messages: has no user message"),
            ('{"messages": [{"role": "robot", "content": "hi"}]}', "line 12: messages[0].role"),
        ],
    )
    def test_a_bad_line_fails_the_job_and_is_named(self, bench, bad, problem):
        text = "\n".join([*map(json.dumps, lines(10)), "", bad])
        job = bench.run(training_file=bench.upload(text))
        assert (job.status, job.failure.code, job.failure.param) == (FAILED, "invalid_training_file", "training_file")
        assert problem in job.failure.message

    def test_too_few_examples(self, bench):
        job = bench.run(training_file=bench.upload(lines(9)))
        assert (job.failure.code, job.failure.param) == ("invalid_n_examples", "training_file")
        assert "9 examples" in job.failure.message

    def test_a_bad_validation_file_is_told_apart(self, bench):
        job = bench.run(validation_file=bench.upload("[1]"))
        assert (job.failure.code, job.failure.param) == ("invalid_validation_file", "validation_file")

    def test_an_empty_validation_file(self, bench):
        job = bench.run(validation_file=bench.upload(""))
        assert (job.failure.code, job.failure.param) == ("invalid_n_examples", "validation_file")


class TestGoingOnFromATunedModel:
    def test_it_keeps_what_it_knows_and_learns_what_is_new(self, bench):
        """The new file has one new answer only; the old ones aren't forgotten."""
        first = bench.run(hyperparameters={"epochs": 8})
        new = [
            {
                "messages": [
                    {"role": "user", "content": f"where is parcel {n}, it never arrived"},
                    {"role": "assistant", "content": "delivery"},
                ]
            }
            for n in range(12)
        ]
        file = bench.upload(new)
        second = bench.run(model=first.tuned_model, training_file=file, hyperparameters={"epochs": 3}, key="second")
        assert second.status == SUCCEEDED, second.failure
        assert second.tuned_model.startswith("ft:ngram-small:local:")
        assert second.tuned_model != first.tuned_model
        ask = partial(bench.provider.completer.complete, second.tuned_model, options=CompletionOptions())
        assert ask([user("where is my parcel")]).text == "delivery"
        assert ask([user("please help me with my login today")]).text == "login"

    def test_a_checkpoint_can_be_gone_on_from_too_and_runs_repeat(self, bench):
        first = bench.run(hyperparameters={"epochs": 2})
        checkpoint = bench.provider.trainer.checkpoints(first.id)[0]
        file = first.training_file
        again = [
            bench.run(model=checkpoint.model, training_file=file, hyperparameters={"epochs": 2}, key=key, suffix=key)
            for key in ("one", "two")
        ]
        assert bench.weights(again[0].id) == bench.weights(again[1].id) != bench.weights(first.id)

    def test_killed_it_goes_on_from_its_own_last_epoch(self, bench, second_bench):
        first = bench.run(hyperparameters={"epochs": 1})
        changes = {"model": first.tuned_model, "training_file": first.training_file}
        dead = killed_after_an_epoch(bench, key="dead", **changes)
        again = bench.run(key="again", **changes)
        assert "training goes on after epoch" in " ".join(messages(bench, again.id))
        other = second_bench.run(hyperparameters={"epochs": 1})
        whole = second_bench.run(model=other.tuned_model, training_file=other.training_file, key="whole")
        assert dead.status == FAILED
        assert bench.weights(again.id) == second_bench.weights(whole.id)

    @pytest.mark.parametrize("model", ["ft:ngram-small:local::0123456789ab", "ft:gpt-4.1:acme::x"])
    def test_a_model_that_is_not_there_is_named(self, bench, model):
        with pytest.raises(NotFoundError, match=r"no (tuned )?embedded"):
            bench.provider.trainer.create(bench.request(model=model))


def test_trained_tokens_are_what_an_estimate_counts(bench):
    job = bench.run(hyperparameters={"epochs": 2})
    data = Dataset.load(bench.store.content(job.training_file), format="openai")
    assert job.trained_tokens == 2 * data.tokens("ngram-small").total


def test_a_resume_that_comes_while_the_job_is_being_paused_is_not_lost(bench):
    """The wish is withdrawn after the process obeyed it and before the state said so: the process goes on by itself."""

    class Resumed(Training):
        def _end(self, status, words):
            bench.job(ID).withdraw(PAUSE)
            super()._end(status, words)

    request = bench.request(key="raced", hyperparameters={"epochs": 1})
    ID = KIND.job_id("raced")  # noqa: N806  # the class above closes over it
    folder = bench.store.place(ID)
    folder.write_record(bench.provider.trainer._record(request, ID))
    assert folder.claim_launch(1)
    folder.write_process(ProcessIdentity.of(os.getpid(), 1))
    folder.wish(PAUSE)
    assert Resumed(folder, 1).run()
    assert bench.provider.trainer.get(ID).status == PAUSED
    assert not folder.claim_launch(2), "the next launch is the process's own"
    assert not Training(folder, 2).run()
    assert bench.provider.trainer.get(ID).status == SUCCEEDED
