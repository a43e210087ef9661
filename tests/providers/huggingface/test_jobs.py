"""The life of a job, with real processes, libraries and a tiny model."""

import os
import signal

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import user
from finetuner.errors import MissingExtraError, NotFoundError, RequestRejectedError
from finetuner.providers.huggingface import connect, libraries
from finetuner.providers.ports import CANCELLED, FAILED, PAUSED, SUCCEEDED, CompletionOptions, JobRequest
from finetuner.testing import ProviderContract
from finetuner.training.job import Job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # among libraries

LONG = {"epochs": 50, "batch_size": 1, "learning_rate": 0.01}


def messages(bench, job_id):
    return [event.message for event in bench.provider.trainer.events(job_id)]


def until_first_epoch(bench, job_id):
    bench.until(lambda: bench.provider.trainer.checkpoints(job_id), f"the first checkpoint of {job_id}")


class TestRefusals:
    """Before anything is kept, with what to do."""

    @pytest.mark.parametrize(
        ("changes", "kind", "said"),
        [
            ({"method": "reinforcement"}, RequestRejectedError, "'supervised' and 'dpo'"),
            ({"hyperparameters": {"rank": 3}}, RequestRejectedError, "lora_rank"),
            ({"hyperparameters": {"early_stopping_patience": 1}}, RequestRejectedError, "needs a validation file"),
            ({"model": "/nowhere"}, NotFoundError, "no folder"),
            ({"training_file": "file-huggingface-0"}, NotFoundError, "upload it first"),
        ],
    )
    def test_what_cannot_be_trained(self, bench, changes, kind, said):
        with pytest.raises(kind, match=said):
            bench.provider.trainer.create(bench.request(**changes))
        assert bench.provider.trainer.list() == ()

    def test_without_the_extra_one_line_says_how_to_get_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(libraries, "MODULES", ("a_module_that_nobody_has",))
        with pytest.raises(MissingExtraError, match=r"finetuner-sdk\[huggingface\]"):
            connect(workspace=tmp_path).trainer.create(JobRequest(model="/nowhere", training_file="f"))


@pytest.mark.slow
class TestALife:
    def test_supervised(self, bench):
        """Events, a checkpoint for each epoch with both losses, and a model that answers."""
        file = bench.upload(bench.lines(30))
        job = bench.run(training_file=file, validation_file=file, suffix="tick ets")
        assert job.status == SUCCEEDED, job.failure
        assert job.tuned_model == f"ft:tiny:huggingface:tick-ets:{job.id.removeprefix('ftjob-huggingface-')}"
        points = bench.provider.trainer.checkpoints(job.id)
        assert [point.epoch for point in points] == [1, 2]
        assert points[1].metrics["valid_loss"] < points[0].metrics["valid_loss"]
        assert points[1].metrics["train_loss"] < points[0].metrics["train_loss"]
        options = CompletionOptions(max_tokens=3)
        answer = bench.provider.completer.complete(job.tuned_model, (user("my card"),), options)
        assert answer.usage.completion_tokens >= 1
        kept = {path.name for point in points for path in bench.job(job.id).checkpoint(point.step).iterdir()}
        assert not [name for name in kept if name.endswith((".bin", ".pt", ".pth"))], "only safetensors stay"

    def test_by_preference(self, bench):
        """The preferred answers gain on the others."""
        file = bench.upload(bench.pairs(30))
        settings = {"epochs": 3, "learning_rate": 0.01, "beta": 0.2}
        job = bench.run(training_file=file, validation_file=file, method="dpo", hyperparameters=settings)
        assert job.status == SUCCEEDED, job.failure
        points = bench.provider.trainer.checkpoints(job.id)
        assert points[-1].metrics["valid_loss"] < points[0].metrics["valid_loss"]
        assert 0 <= points[-1].metrics["valid_accuracy"] <= 1

    def test_it_stops_early_and_keeps_the_best(self, bench):
        """Validation on other answers than were trained gets worse: the model is the epoch before."""
        wrong = [
            {"messages": [line["messages"][0], {"role": "assistant", "content": "zebra quux"}]}
            for line in bench.lines(12)
        ]
        job = bench.run(
            validation_file=bench.upload(wrong),
            hyperparameters={"epochs": 30, "learning_rate": 0.03, "early_stopping_patience": 1},
        )
        assert job.status == SUCCEEDED, job.failure
        points = bench.provider.trainer.checkpoints(job.id)
        losses = [point.metrics["valid_loss"] for point in points]
        assert len(points) < 30
        assert bench.job(job.id).model_step() == points[losses.index(min(losses))].step != points[-1].step

    def test_data_that_cannot_be_learned_is_the_reason(self, bench):
        job = bench.run(method="dpo")
        assert (job.status, job.failure.code) == (FAILED, "invalid_training_file")
        assert "preference pair" in job.failure.message

    def test_a_tuned_model_can_be_gone_on_from(self, bench):
        first = bench.run(hyperparameters={"epochs": 1})
        second = bench.run(model=first.tuned_model, hyperparameters={"epochs": 1})
        assert second.status == SUCCEEDED, second.failure
        assert second.tuned_model.startswith("ft:tiny:huggingface:")


@pytest.mark.slow
class TestDeath:
    def test_kill_9_then_creating_again_goes_on_from_the_last_epoch(self, bench):
        """The dead job says so; the new one takes its epochs over and repeats none."""
        settings = {"epochs": 6, "batch_size": 1, "learning_rate": 0.01}
        dead = bench.provider.trainer.create(bench.request(hyperparameters=settings, key="first"))
        until_first_epoch(bench, dead.id)
        os.kill(bench.job(dead.id).process().pid, signal.SIGKILL)
        gone = bench.finished(dead.id)
        assert (gone.status, gone.failure.code) == (FAILED, "process_ended")
        kept = bench.provider.trainer.checkpoints(dead.id)[-1]
        again = bench.run(hyperparameters=settings, key="second")
        assert again.status == SUCCEEDED, again.failure
        said = messages(bench, again.id)
        assert f"took over step {kept.step} from {dead.id}" in said
        assert f"training goes on after epoch {kept.epoch}" in " ".join(said)
        assert not [text for text in said if text.startswith(f"epoch {kept.epoch}/6 finished")]
        assert [point.epoch for point in bench.provider.trainer.checkpoints(again.id)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
class TestWishes:
    def test_paused_resumed_and_cancelled(self, bench):
        job = bench.provider.trainer.create(bench.request(hyperparameters=LONG))
        until_first_epoch(bench, job.id)
        bench.provider.pauser.pause(job.id)
        bench.until(lambda: bench.provider.trainer.get(job.id).status == PAUSED, "the pause")
        done = len(bench.provider.trainer.checkpoints(job.id))
        bench.provider.pauser.resume(job.id)
        bench.until(lambda: len(bench.provider.trainer.checkpoints(job.id)) > done, "the next epoch")
        assert any(text.startswith(f"training goes on after epoch {done}") for text in messages(bench, job.id))
        bench.provider.trainer.cancel(job.id)
        assert bench.finished(job.id).status == CANCELLED


@pytest.mark.slow
class TestSeveralProcesses:
    """As several GPUs are used: one process each, of which the first tells of the job."""

    @pytest.fixture(autouse=True)
    def _two(self, monkeypatch) -> None:
        monkeypatch.setenv("FINETUNER_HUGGINGFACE_PROCESSES", "2")

    def test_they_train_one_job(self, bench):
        file = bench.upload(bench.lines(30))
        job = bench.run(training_file=file, validation_file=file)
        assert job.status == SUCCEEDED, job.failure
        points = bench.provider.trainer.checkpoints(job.id)
        assert [point.epoch for point in points] == [1, 2]
        assert points[1].metrics["valid_loss"] < points[0].metrics["valid_loss"]
        assert sum(text.startswith("epoch") for text in messages(bench, job.id)) == 2, "one process alone tells"

    def test_they_stop_together(self, bench):
        job = bench.provider.trainer.create(bench.request(hyperparameters=LONG))
        until_first_epoch(bench, job.id)
        bench.provider.trainer.cancel(job.id)
        assert bench.finished(job.id).status == CANCELLED


@pytest.mark.slow
def test_a_job_of_the_embedded_provider_moves_here(bench, tmp_path):
    """The same data and settings, on open weights, in one call."""
    path = tmp_path / "train.jsonl"
    bench.upload(bench.lines(30))
    path.write_bytes((tmp_path / "upload.jsonl").read_bytes())
    data = Dataset.load(path)
    job = Job.create(data, provider="local", model="ngram-small", epochs=2, workspace=tmp_path).wait()
    move = job.retarget("huggingface", model=bench.model)
    moved = move.wait()
    assert moved.status == SUCCEEDED
    assert str(moved.model).startswith("huggingface:ft:tiny:huggingface:")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
class TestContract(ProviderContract):
    """The suite of every provider."""

    unknown_job = "ftjob-huggingface-000000000000"
    wait_seconds = 240.0

    @pytest.fixture(autouse=True)
    def _bench(self, bench) -> None:
        self.bench = bench

    def make_provider(self):
        return self.bench.provider

    def base_model(self, provider) -> str:  # noqa: ARG002  # the contract's argument
        return self.bench.model
