import json
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.providers.detached.store import JobFolder, Store
from finetuner.providers.local import connect
from finetuner.providers.local.mapping import KIND
from finetuner.providers.ports import JobRequest, JobSnapshot, Provider

LABELS = ("refund", "card", "login", "limit")
PATIENCE = 60.0


def lines(n: int) -> list[dict]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"request {number}: please help me with my {LABELS[number % 4]} today"},
                {"role": "assistant", "content": LABELS[number % 4]},
            ]
        }
        for number in range(n)
    ]


def until(condition: Callable[[], object], what: str) -> None:
    """Real processes take real time: look often, give up late."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.005)


@attrs.frozen
class Bench:
    """A workspace with its embedded provider."""

    folder: Path
    provider: Provider

    @property
    def store(self) -> Store:
        return Store(KIND, self.folder / "local")

    def upload(self, records: list[dict] | str) -> str:
        text = records if isinstance(records, str) else "\n".join(json.dumps(record) for record in records)
        path = self.folder / "upload.jsonl"
        path.write_text(text, encoding="utf-8")
        return self.provider.files.upload(path, name="upload.jsonl", sha256=file_sha256(path)).id

    def request(self, **changes) -> JobRequest:
        """A job of 20 short epochs: long enough to be interrupted, short enough to wait for."""
        settings = {
            "model": "ngram-small",
            "training_file": changes.pop("training_file", None) or self.upload(lines(120)),
            "hyperparameters": {"epochs": 20, "batch_size": 1},
            "seed": 7,
        }
        return JobRequest(**(settings | changes))

    def job(self, job_id: str) -> JobFolder:
        return self.store.job(job_id)

    def finished(self, job_id: str) -> JobSnapshot:
        until(lambda: self.provider.trainer.get(job_id).ended, f"the end of {job_id}")
        return self.provider.trainer.get(job_id)

    def run(self, **changes) -> JobSnapshot:
        return self.finished(self.provider.trainer.create(self.request(**changes)).id)

    def until_first_epoch(self, job_id: str) -> None:
        until(lambda: self.provider.trainer.checkpoints(job_id), f"the first checkpoint of {job_id}")

    def weights(self, job_id: str) -> str:
        """SHA-256 of the final weights."""
        step = self.provider.trainer.checkpoints(job_id)[-1].step
        return file_sha256(self.job(job_id).weights(step))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, connect(workspace=tmp_path))


@pytest.fixture
def second_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("second")
    return Bench(folder, connect(workspace=folder))
