"""A provider under test: what its suite says about it, and what all tests of the contract need."""

import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import attrs

from finetuner._core import codec
from finetuner._core.hashing import file_sha256
from finetuner.data import formats
from finetuner.data.examples import Example, assistant, system, user
from finetuner.errors import FinetunerError
from finetuner.providers.ports import Completer, FileReference, JobRequest, JobSnapshot, Provider, Trainer

T = TypeVar("T")
E = TypeVar("E", bound=FinetunerError)

LABELS = ("refund", "card", "login")
"""What the small training file teaches."""


class Subject:
    """The provider of a suite. Override `make_provider`, and what else differs.

    Attributes:
        wait_seconds: Longest that a tiny job may take.
        poll_seconds: Pause between looks at a job.
        secret: A key that the provider was given: it must not occur in any text.
        unknown_job: An id that is well formed but nobody has.
    """

    wait_seconds: ClassVar[float] = 60.0
    poll_seconds: ClassVar[float] = 0.02
    secret: ClassVar[str | None] = None
    unknown_job: ClassVar[str] = "ftjob-000000000000"

    # -- what a provider's suite overrides -----------------------------------------------------------------------------

    def make_provider(self) -> Provider:
        """The provider under test, with no jobs."""
        raise NotImplementedError("override make_provider")

    def training_file(self, provider: Provider, folder: Path) -> Path:
        """Write a small valid training file in the provider's preferred format; the folder is removed after upload."""
        wire = formats.get(provider.formats[0])
        examples = (
            Example(
                messages=(
                    system(f"Answer with one of: {', '.join(LABELS)}."),
                    user(f"Request {number}: I need help with my {label}"),
                    assistant(label),
                )
            )
            for number in range(10)
            for label in LABELS
        )
        path = folder / "training.jsonl"
        path.write_bytes(b"".join(codec.encode(wire.to_record(example)) + b"\n" for example in examples))
        return path

    def base_model(self, provider: Provider) -> str:
        """A base model that takes jobs."""
        return provider.catalog.tunable()[0].name

    def request(self, provider: Provider, *, key: str = "") -> JobRequest:
        """A small job."""
        return JobRequest(
            model=self.base_model(provider),
            training_file=self.upload(provider).id,
            hyperparameters={"epochs": 2},
            suffix="contract",
            seed=7,
            key=key,
        )

    def long_request(self, provider: Provider) -> JobRequest:
        """A job that runs long enough to be paused; the same on more epochs by default."""
        return attrs.evolve(self.request(provider), hyperparameters={"epochs": 50})

    def failing(self, failure: str) -> Provider | None:
        """A provider whose next look at a job fails; None where that can't be arranged.

        Args:
            failure: A key of `FAILURES`.
        """
        del failure
        return None

    def in_strange_status(self) -> tuple[Provider, str] | None:
        """A provider and the id of a job whose status nobody has heard of; None where that can't be arranged."""
        return None

    # -- helpers -------------------------------------------------------------------------------------------------------

    def upload(self, provider: Provider) -> FileReference:
        """The training file, sent."""
        with tempfile.TemporaryDirectory(prefix="finetuner-contract-") as folder:
            path = self.training_file(provider, Path(folder))
            return capability(provider.files, "files").upload(path, name=path.name, sha256=file_sha256(path))

    def finished(self, trainer: Trainer, job_id: str) -> JobSnapshot:
        """The job once it ended."""
        deadline = time.monotonic() + self.wait_seconds
        while not (job := trainer.get(job_id)).ended:
            assert time.monotonic() < deadline, f"{job_id} is still {job.status!r} after {self.wait_seconds} s"
            time.sleep(self.poll_seconds)
        return job


def capability(part: T | None, name: str) -> T:
    """A part of a provider; the test is skipped where it lacks it."""
    if part is None:
        raise unittest.SkipTest(f"the provider has no {name}")
    return part


def trainer_of(provider: Provider) -> Trainer:
    """The provider's trainer; the test is skipped where it has none."""
    return capability(provider.trainer, "trainer")


def completer_of(provider: Provider) -> Completer:
    """The provider's completer; the test is skipped where it has none."""
    return capability(provider.completer, "completer")


def raised(expected: type[E], call: Callable[[], object]) -> E:
    """The error that a call raises; no error, or another one, fails the test."""
    try:
        result = call()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected.__name__}, got {result!r}")
