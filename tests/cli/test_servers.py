"""`emulate` as a process of its own, as a person runs it."""

import json
import os
import signal
import stat
import subprocess
import sys

import openai
import pytest

COMMAND = (sys.executable, "-c", "import sys; from finetuner.cli import main; sys.exit(main())", "emulate")


@pytest.fixture
def emulating(tmp_path):
    started = []

    def start(*options):
        process = subprocess.Popen(
            [*COMMAND, "--state", str(tmp_path / "state"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "FINETUNER_WORKSPACE": str(tmp_path)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_prints_what_to_export_answers_and_keeps_its_state(emulating, tmp_path):
    first = emulating("--fault", "server-error")
    lines = [first.stdout.readline() for _ in range(2)]
    exported = dict(line.strip().removeprefix("export ").split("=", 1) for line in lines)
    with openai.OpenAI(base_url=exported["OPENAI_BASE_URL"], api_key=exported["OPENAI_API_KEY"]) as client:
        with pytest.raises(openai.InternalServerError):
            client.with_options(max_retries=0).files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        sent = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0

    again = emulating("--json")
    settings = json.loads(again.stdout.readline())
    assert settings["OPENAI_API_KEY"] == exported["OPENAI_API_KEY"]
    with openai.OpenAI(base_url=settings["OPENAI_BASE_URL"], api_key=settings["OPENAI_API_KEY"]) as client:
        assert client.files.retrieve(sent.id).filename == "a.jsonl"
    again.send_signal(signal.SIGINT)
    assert again.wait(20) == 130
    assert stat.S_IMODE((tmp_path / "state" / "token").stat().st_mode) == 0o600


def test_an_unknown_fault_lists_the_known_ones(emulating):
    process = emulating("--fault", "nope")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "lost-create" in errors
