"""What a person at the command line reads on a bad day: one line, and never a second job."""

import json

import openai
import pytest

from finetuner.cli import main
from finetuner.emulator import Fault
from finetuner.emulator.faults import FILE_ERROR, GARBAGE, LOST_CREATE, TRAINING_NOT_AVAILABLE, UNSAFE_FILE

CREATE = "/fine_tuning/jobs"
BASE = "gpt-4.1-mini-2025-04-14"
LABELS = ("refund", "card", "login")


@pytest.fixture
def shell(capsys, monkeypatch, tmp_path, emulator):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("OPENAI_BASE_URL", emulator.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")

    def run(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out.strip(), err.strip()

    return run


@pytest.fixture
def training(tmp_path):
    """Requests that differ in their words: numbers alone would make them duplicates."""
    words = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven", "islet", "jetty", "knoll", "larch")
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"{words[n % 12]} {words[(n * 7 + n // 12) % 12]} {tmp_path.name} {label}"},
                {"role": "assistant", "content": label},
            ]
        }
        for n in range(36)
        for label in (LABELS[n % 3],)
    ]  # fmt: skip
    path = tmp_path / "training.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def create(shell, training):
    def run():
        return shell("create", training, "--provider", "openai", "--model", BASE, "--epochs", 2)

    return run


def jobs(emulator):
    with openai.OpenAI(base_url=emulator.url, api_key="any") as client:
        return [job.id for job in client.fine_tuning.jobs.list(limit=100)]


def test_a_lost_answer_is_nothing_that_one_notices(emulator, shell, create):
    before = set(jobs(emulator))
    emulator.faults.add(LOST_CREATE)
    status, made, _ = create()
    assert status == 0
    assert set(jobs(emulator)) - before == {made}
    assert create()[1] == made
    assert shell("cancel", made)[0] in {0, 1}
    assert set(jobs(emulator)) - before == {made}


def test_a_locked_out_organization_reads_where_else_to_go_and_leaves_no_file(emulator, create):
    with openai.OpenAI(base_url=emulator.url, api_key="any") as client:
        before = {file.id for file in client.files.list()}
        emulator.faults.add(TRAINING_NOT_AVAILABLE)
        status, out, err = create()
        assert {file.id for file in client.files.list()} <= before
    assert (status, out) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert "no new fine-tuning jobs from this organization" in line
    assert "local" in line


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(path=CREATE, status=400, code="x", message="No such plan"), "refuses the request: No such plan"),
        (Fault(path=CREATE, status=429, code="insufficient_quota", message="Pay"), "quota is used up"),
        (FILE_ERROR, "line 3 isn't a JSON object"),
        (Fault(path=CREATE, status=401, message="Bad key sk-canary-0123456789abcdef"), "OPENAI_API_KEY"),
    ],
    ids=["refused", "no money", "bad file", "bad key"],
)  # fmt: skip
def test_what_stops_a_job_is_said_in_one_line_without_the_key(emulator, create, fault, words):
    emulator.faults.add(fault)
    status, out, err = create()
    assert (status, out) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert words in line
    assert "sk-canary" not in err
    assert "Traceback" not in err


def test_status_tells_a_failure_and_its_reason(emulator, shell, create):
    made = create()[1]
    emulator.faults.add(UNSAFE_FILE, times=None)
    status, out, err = shell("status", made)
    assert status == 1
    assert "failed" in out
    assert "usage policies" in out + err
    emulator.faults.clear()
    emulator.faults.add(GARBAGE, times=None)
    status, _, err = shell("status", made)
    assert status == 1
    assert "We'll be back soon" in err
