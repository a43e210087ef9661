"""The commands on Vertex AI: what a person types, what is printed, and what a kill or a lost answer leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from finetuner.cli import main
from finetuner.emulator import Emulator, Fault
from finetuner.emulator.faults import LOST_CREATE, preset
from finetuner.providers.vertex import connect

BASE = "gemini-3.5-flash"
JOBS = "(/v1beta1)?/projects/[^/]+/locations/[^/]+/tuningJobs"
LABELS = ("refund", "card", "login", "limit")
WORDS = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven", "islet", "jetty", "knoll", "larch")


class Shell:
    def __init__(self, capsys):
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words):
        status = main([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        return status


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Emulator(workspace=tmp_path_factory.mktemp("emulator"), token="sk-kept") as emulator:
        yield emulator


@pytest.fixture
def emulator(running, monkeypatch, tmp_path):
    running.faults.clear()
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
    yield running
    running.faults.clear()


@pytest.fixture
def shell(capsys):
    return Shell(capsys)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw_data.jsonl"
    lines = []
    for n in range(120):
        text = f"{WORDS[n % 12]} {WORDS[(n * 7 + n // 12) % 12]} {n * n}: my {LABELS[n % 4]} broke"
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": LABELS[n % 4]}]
        lines.append({"messages": [{"role": "system", "content": f"One of: {', '.join(LABELS)}."}, *messages]})
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def training(shell, raw, tmp_path):
    """The raw data in Vertex AI's format, different in each test: jobs of one test aren't another's."""
    path = tmp_path / "training.jsonl"
    lines = raw.read_text().replace("broke", f"broke {time.time_ns()}")
    raw.write_text(lines)
    assert shell("convert", raw, "--to", "vertex", "--output", path) == 0
    return path


@pytest.mark.usefixtures("emulator")
def test_the_seeds_commands_on_vertex_ai(shell, training):
    assert shell("validate", training, "--provider", "vertex") == 0
    assert shell("split", training, "--train", "80", "--val", "10", "--test", "10") == 0
    assert shell("upload", "training_train.jsonl", "--provider", "vertex") == 0
    train = shell.out.strip()
    assert train.startswith("gs://emulated/training_train-")
    assert shell("upload", "training_val.jsonl", "--provider", "vertex", "--to", "gs://elsewhere/val") == 0
    val = shell.out.strip()
    assert val.startswith("gs://elsewhere/val/training_val-")
    create = ("create", train, "--provider", "vertex", "--model", BASE, "--validation", val, "--epochs", "3")
    assert shell(*create) == 0
    job = shell.out.strip()
    assert job.startswith("projects/emulated/locations/us-central1/tuningJobs/")
    assert shell(*create) == 0
    assert shell.out.strip() == job
    assert shell("wait", job) == 0
    assert shell("status", job) == 0
    assert "Status: succeeded" in shell.out
    assert "fine_tuned_model: projects/emulated/locations/us-central1/endpoints/" in shell.out
    assert shell("events", job) == 0
    assert f"Job created on {BASE}" in shell.out
    assert shell("checkpoints", job) == 0
    assert "Checkpoint 3: step" in shell.out
    assert shell("evaluate", job, "training_test.jsonl") == 0
    assert "Accuracy: " in shell.out
    assert shell("compare", f"vertex:{BASE}", job, "training_test.jsonl") == 0
    assert "Improvement: " in shell.out


def test_a_lost_answer_ends_in_one_job(emulator, shell, training):
    emulator.faults.add(LOST_CREATE)
    assert shell("create", training, "--provider", "vertex", "--model", BASE, "--epochs", "1") == 0
    job = shell.out.strip()
    same = [each for each in connect().trainer.list(1000) if each.key == connect().trainer.get(job).key]
    assert [each.id for each in same] == [job]


@pytest.mark.parametrize("accepted", [True, False], ids=["after the host took it", "before the host took it"])
def test_killed_between_intent_and_answer_there_is_one_job(emulator, shell, training, accepted):
    """Killed by the system while the answer is on its way; the next process finds the job, or sends it once."""
    emulator.faults.add(Fault(path=JOBS, delay=600.0, status=None if accepted else 503))
    known = {job.id for job in connect().trainer.list(1000)}
    command = ("create", str(training), "--provider", "vertex", "--model", BASE, "--epochs", "1", "--suffix", "killed")
    program = "import sys; from finetuner.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", program, *command], env={**os.environ})
    deadline = time.monotonic() + 120
    while emulator.faults.ordered() or (accepted and {job.id for job in connect().trainer.list(1000)} == known):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert shell(*command) == 0
    assert {job.id for job in connect().trainer.list(1000)} - known == {shell.out.strip()}


class TestWhatAPersonReads:
    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (
                Fault(path=JOBS, status=429, message="Quota exceeded: concurrent tuning jobs"),
                "Vertex AI's quota is used up for now: Quota exceeded: concurrent tuning jobs. Wait, or ask for more",
            ),
            (
                Fault(path=JOBS, status=403, message="Permission 'aiplatform.tuningJobs.create' denied"),
                "Vertex AI forbids this call: Permission 'aiplatform.tuningJobs.create' denied. Enable the API",
            ),
            (
                Fault(path=JOBS, status=400, message="Base model gemini-9 is not supported"),
                "Vertex AI refuses the request: Base model gemini-9 is not supported",
            ),
        ],
        ids=["quota", "permission", "refused"],
    )
    def test_a_refusal_is_one_line_with_what_to_do(self, emulator, shell, training, fault, message):
        emulator.faults.add(fault)
        assert shell("create", training, "--provider", "vertex", "--model", BASE) == 1
        assert message in shell.err
        assert len(shell.err.strip().splitlines()) == 1
        assert shell.out == ""

    @pytest.mark.usefixtures("emulator")
    def test_a_region_without_tuning_is_found_before_anything_is_sent(self, shell, training, monkeypatch):
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "asia-east1")
        assert shell("create", training, "--provider", "vertex", "--model", BASE) == 1
        assert "is tuned in us-central1, europe-west4 only, not in asia-east1" in shell.err
        assert "set GOOGLE_CLOUD_LOCATION=us-central1" in shell.err

    def test_waiting_for_quota_is_a_status(self, emulator, shell, training):
        assert shell("create", training, "--provider", "vertex", "--model", BASE, "--epochs", "1") == 0
        job = shell.out.strip()
        emulator.faults.add(preset("waiting-for-quota"), times=None)
        assert shell("status", job) == 0
        assert "Status: waiting_for_quota" in shell.out

    @pytest.mark.usefixtures("emulator")
    def test_an_unknown_job_says_where_to_look(self, shell):
        assert shell("status", "projects/emulated/locations/us-central1/tuningJobs/7") == 1
        assert "Vertex AI doesn't have it" in shell.err
        assert "Look at the project and the location" in shell.err
