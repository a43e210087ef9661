"""Kill -9 of real processes, at every point where a careless library would pay twice or lose its job."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from finetuner.emulator import Emulator, Fault
from finetuner.errors import JobFailedError
from finetuner.providers.detached.store import Store
from finetuner.providers.local.mapping import KIND
from finetuner.records.jobs import CREATED, INTENT, JobRecords
from finetuner.records.journal import Journal
from finetuner.training.job import Job

PATIENCE = 60.0
TUNABLE = "gpt-4.1-mini-2025-04-14"
CREATE = """
import sys
from finetuner.training.job import Job
{before}
job = Job.create(sys.argv[1], provider=sys.argv[2], model=sys.argv[3], epochs=2, seed=1, workspace=sys.argv[4])
print(job.id)
"""
DIES = """
import os, signal
from finetuner.providers.detached import jobs
launch = jobs._launch
def dying(*arguments):
    {launched}
    os.kill(os.getpid(), signal.SIGKILL)
jobs._launch = dying
"""
WAIT = "import sys; from finetuner.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def training(tmp_path):
    path = tmp_path / "train.jsonl"
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"request {n}: my {label} broke"},
                {"role": "assistant", "content": label},
            ]
        }
        for n in range(40)
        for label in ("card", "login")
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    with Emulator(workspace=tmp_path / "host") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def until(condition, what):
    """Real processes take real time: look often, give up late."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)
    return found


def started(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed(process):
    process.kill()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, err


def intents(workspace):
    return [record for record in JobRecords(Journal.open(workspace)).recent() if record.state == INTENT]


class TestKilledWhileCreating:
    @pytest.mark.parametrize(
        ("provider", "model", "path"),
        [
            ("openai", TUNABLE, "/fine_tuning/jobs"),
            pytest.param("vertex", "gemini-3.1-flash-lite", r"/.*/tuningJobs", marks=pytest.mark.slow),
        ],
    )
    def test_after_the_host_took_the_job_there_is_one_job(self, emulator, training, tmp_path, provider, model, path):
        """The answer is on its way when the process dies; the next process finds the job by its key."""
        emulator.faults.add(Fault(path=path, delay=PATIENCE))
        process = started(CREATE.format(before=""), training, provider, model, tmp_path / "work")
        taken = until(lambda: Job.list(provider=provider, workspace=tmp_path / "work"), "the host to take the job")
        killed(process)
        assert [record.job_id for record in intents(tmp_path / "work")] == [None]
        job = Job.create(training, provider=provider, model=model, epochs=2, seed=1, workspace=tmp_path / "work")
        assert job.id == taken[0].id
        assert job.existing
        assert len(Job.list(provider=provider, workspace=tmp_path / "work")) == 1
        assert job.wait(timeout=PATIENCE).status == "succeeded"

    def test_before_the_host_took_the_job_there_is_one_job(self, emulator, training, tmp_path):
        """The request never got through: looking finds nothing, so it is sent again, once."""
        emulator.faults.add(Fault(path="/fine_tuning/jobs", status=500, delay=PATIENCE))
        process = started(CREATE.format(before=""), training, "openai", TUNABLE, tmp_path / "work")
        until(lambda: intents(tmp_path / "work"), "the intent")
        until(lambda: not emulator.faults._queue, "the request to be on its way")
        killed(process)
        assert Job.list(provider="openai", workspace=tmp_path / "work") == ()
        job = Job.create(training, provider="openai", model=TUNABLE, epochs=2, seed=1, workspace=tmp_path / "work")
        assert [each.id for each in Job.list(provider="openai", workspace=tmp_path / "work")] == [job.id]

    @pytest.mark.parametrize("launched", ["launch(*arguments)", "pass"], ids=["after the launch", "before the launch"])
    def test_the_embedded_provider_trains_once(self, training, tmp_path, launched):
        """Killed between intent and answer, before or after the training process was started."""
        process = started(
            CREATE.format(before=DIES.format(launched=launched)), training, "local", "ngram-small", tmp_path
        )
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL, err
        (record,) = intents(tmp_path)
        job = Job.create(training, provider="local", model="ngram-small", epochs=2, seed=1, workspace=tmp_path)
        assert (record.key, record.state) == (job.snapshot.key, INTENT)
        assert [each.id for each in Job.list(provider="local", workspace=tmp_path)] == [job.id]
        assert JobRecords(Journal.open(tmp_path)).by_job_id(job.id).state == CREATED


class TestKilledWhileWaiting:
    def test_waiting_again_re_attaches_to_the_same_job(self, training, tmp_path):
        """The training outlives the process that waits for it, by command or in a program."""
        job = Job.create(
            training, provider="local", model="ngram-small", epochs=40, batch_size=1, seed=1, workspace=tmp_path
        )
        waiting = started(WAIT, "wait", job.id, "--workspace", tmp_path)
        until(job.checkpoints, "an epoch")
        assert waiting.poll() is None
        killed(waiting)
        again = started(WAIT, "wait", job.id, "--workspace", tmp_path)
        out, err = again.communicate(timeout=PATIENCE)
        assert again.returncode == 0, err
        assert "Status: succeeded" in out
        done = Job.get(job.id, workspace=tmp_path)
        assert done.status == "succeeded"
        assert [each.id for each in Job.list(provider="local", workspace=tmp_path)] == [job.id]
        assert not [event for event in done.events() if "took over" in event.message]


class TestKilledWhileTraining:
    def test_the_job_fails_with_its_reason_and_goes_on_when_created_again(self, training, tmp_path):
        """Epochs that are finished aren't trained again."""
        options = {"provider": "local", "model": "ngram-small", "epochs": 40, "batch_size": 1, "seed": 1}
        job = Job.create(training, **options, workspace=tmp_path)
        until(job.checkpoints, "an epoch")
        os.kill(Store(KIND, tmp_path / "local").job(job.id).process().pid, signal.SIGKILL)
        with pytest.raises(JobFailedError, match=r"killed or died .* create the job again .* goes on after epoch"):
            job.wait(timeout=PATIENCE)
        kept = len(job.checkpoints())
        again = Job.create(training, **options, workspace=tmp_path).wait(timeout=PATIENCE)
        said = " ".join(event.message for event in again.events())
        assert again.id != job.id
        assert f"training goes on after epoch {kept}" in said
        assert f"epoch {kept}/40 finished" not in said
