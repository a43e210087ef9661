import json
import time
from collections.abc import Iterator

import pytest

from finetuner._core.hashing import file_sha256
from finetuner.emulator import Emulator
from finetuner.providers.openai import connect
from finetuner.providers.ports import JobRequest, JobSnapshot, Provider

CANARY = "sk-canary-0123456789abcdef"
BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory) -> Iterator[Emulator]:
    with Emulator(workspace=tmp_path_factory.mktemp("emulator"), organization="acme") as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator) -> Iterator[Emulator]:
    shared_emulator.faults.clear()
    yield shared_emulator
    shared_emulator.faults.clear()


@pytest.fixture
def provider(emulator) -> Provider:
    return connect(base_url=emulator.url, api_key=CANARY)


@pytest.fixture(scope="session")
def training_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    pairs = (("refund please", "billing"), ("password lost", "account"))
    lines = [
        {"messages": [{"role": "user", "content": f"{text} {n}"}, {"role": "assistant", "content": label}]}
        for n in range(12)
        for text, label in pairs
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def training_file(provider, training_path):
    return provider.files.upload(training_path, name="train.jsonl", sha256=file_sha256(training_path))


@pytest.fixture(scope="session")
def tuned(shared_emulator, training_path) -> JobSnapshot:
    """A job that succeeded, with validation."""
    provider = connect(base_url=shared_emulator.url, api_key=CANARY)
    sent = provider.files.upload(training_path, name="train.jsonl", sha256=file_sha256(training_path))
    request = JobRequest(
        model=BASE,
        training_file=sent.id,
        validation_file=sent.id,
        hyperparameters={"epochs": 4},
        suffix="tickets",
        key="tuned-once",
    )
    return wait(provider, provider.trainer.create(request).id)


def wait(provider: Provider, job_id: str, seconds: float = 60.0) -> JobSnapshot:
    deadline = time.monotonic() + seconds
    while not (job := provider.trainer.get(job_id)).ended:
        assert time.monotonic() < deadline, f"{job_id} is still {job.status}"
        time.sleep(0.05)
    return job
