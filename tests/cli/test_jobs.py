"""The commands about jobs against hosts that speak OpenAI's and Vertex AI's own HTTP, as the workflow writes them."""

import json
import re

import pytest

from finetuner._core.hashing import file_sha256
from finetuner.cli.jobs import _worth_telling
from finetuner.emulator import Emulator
from finetuner.providers.openai import connect
from finetuner.providers.ports import JobEvent

HOSTS = {
    "openai": ("gpt-4.1-mini-2025-04-14", "--validation-file", r"file-\w+", r"ftjob-\w+", r"ft:gpt-4\.1-mini\S+"),
    "vertex": (
        "gemini-3.1-flash-lite",
        "--validation",
        r"gs://\S+\.jsonl",
        r"projects/\S+/tuningJobs/\d+",
        r"projects/\S+/endpoints/\d+",
    ),
}


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    with Emulator(workspace=tmp_path / "host") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("provider", HOSTS)
def test_upload_create_status_events_and_checkpoints_pipe_into_each_other(shell, training, tmp_path, provider):
    base, validation, file_form, job_form, model_form = HOSTS[provider]
    other = tmp_path / "val.jsonl"
    lines = training.read_text("utf-8").splitlines()
    other.write_text("\n".join(line.replace("broke", "is odd") for line in lines[:20]), encoding="utf-8")
    files = []
    for path in (training, other):
        assert shell("upload", path, "--provider", provider) == 0, shell.err
        assert re.fullmatch(file_form, shell.out.strip())
        files.append(shell.out.strip())
    words = ("--provider", provider, "--model", base, validation, files[1], "--epochs", 3)
    assert shell("create", files[0], *words) == 0, shell.err
    job = shell.out.strip()
    assert re.fullmatch(job_form, job)
    assert shell.out == f"{job}\n"
    assert shell("status", job) == 0, shell.err
    assert shell.out.startswith("Status: ")
    assert shell("wait", job, "--timeout", 90) == 0, shell.err
    assert shell("status", job) == 0
    told = dict(line.split(": ", 1) for line in shell.out.splitlines())
    assert (told["Status"], told["Progress"]) == ("succeeded", "100% (epoch 3/3)")
    assert told["Cost"].startswith("$")
    assert re.fullmatch(model_form, told["fine_tuned_model"])
    assert shell("events", job) == 0
    assert len(shell.out.splitlines()) > 1 or provider == "vertex"
    assert shell("checkpoints", job) == 0
    assert shell.out.startswith("Checkpoint 1: step ")
    assert "Best: step " in shell.out
    assert shell("create", files[0], *words) == 0
    assert shell.out.strip() == job
    assert shell("jobs", "--provider", provider, "--json") == 0
    assert [each["id"] for each in shell.json] == [job]


@pytest.mark.usefixtures("emulator")
def test_losses_of_an_openai_job_are_shown(shell, training):
    assert (
        shell("create", training, "--validation", training, "--provider", "openai", "--model", HOSTS["openai"][0]) == 0
    )
    job = shell.out.strip()
    assert shell("wait", job, "--timeout", 90, "--json") == 0, shell.err
    assert shell.json["train_loss"] > 0
    assert shell.json["valid_loss"] > 0
    assert shell.json["usd"] > 0


@pytest.mark.usefixtures("emulator")
def test_a_failed_job_says_why_and_exits_with_1(shell, training):
    short = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})
    path = training.parent / "short.jsonl"
    path.write_text("\n".join([short] * 3), encoding="utf-8")
    sent = connect().files.upload(path, name="short.jsonl", sha256=file_sha256(path))
    assert shell("create", sent.id, "--provider", "openai", "--model", HOSTS["openai"][0]) == 0
    job = shell.out.strip()
    assert shell("wait", job, "--timeout", 60) == 1
    assert "add examples: fine-tuner-cc validate FILE tells how many are needed" in shell.err
    assert shell("status", job) == 1
    assert "Error (invalid_n_examples): " in shell.out


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"step": 1.0, "total_steps": 800.0}, False),
        ({"step": 40.0, "total_steps": 800.0}, True),
        ({"step": 41.0, "total_steps": 800.0, "valid_loss": 0.5}, True),
        ({"step": 3.0, "total_steps": 12.0}, True),
        ({}, True),
    ],
)
def test_who_waits_reads_twenty_steps_of_a_training(metrics, told):
    assert _worth_telling(JobEvent(id="1", created_at=0.0, message="", metrics=metrics)) is told
