"""What every provider must do, as tests that a provider's own test suite inherits.

```python
class TestAcme(ProviderContract):
    def make_provider(self) -> Provider:
        return connect(base_url="http://127.0.0.1:8000")
```

Works with pytest and needs none of its fixtures; a test whose capability the provider lacks is skipped.
"""

import asyncio
import tempfile
import time
import unittest
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import attrs

from finetuner._core import codec
from finetuner._core.hashing import file_sha256
from finetuner.data import formats
from finetuner.data.examples import Example, assistant, system, user
from finetuner.errors import FinetunerError, NotFoundError, ProviderError
from finetuner.providers.ports import (
    FAILED,
    TERMINAL,
    Completer,
    CompletionOptions,
    FileReference,
    JobRequest,
    JobSnapshot,
    Provider,
    Trainer,
)

T = TypeVar("T")

_LABELS = ("refund", "card", "login")


class ProviderContract:
    """The suite. Override `make_provider`, and what else differs.

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
                    system(f"Answer with one of: {', '.join(_LABELS)}."),
                    user(f"Request {number}: I need help with my {label}"),
                    assistant(label),
                )
            )
            for number in range(10)
            for label in _LABELS
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

    # -- helpers -------------------------------------------------------------------------------------------------------

    def upload(self, provider: Provider) -> FileReference:
        """The training file, sent."""
        with tempfile.TemporaryDirectory(prefix="finetuner-contract-") as folder:
            path = self.training_file(provider, Path(folder))
            return _capability(provider.files, "files").upload(path, name=path.name, sha256=file_sha256(path))

    def finished(self, trainer: Trainer, job_id: str) -> JobSnapshot:
        """The job once it ended."""
        deadline = time.monotonic() + self.wait_seconds
        while not (job := trainer.get(job_id)).ended:
            assert time.monotonic() < deadline, f"{job_id} is still {job.status!r} after {self.wait_seconds} s"
            time.sleep(self.poll_seconds)
        return job

    # -- the provider --------------------------------------------------------------------------------------------------

    def test_describes_itself(self) -> None:
        """It has a name, its catalog's, and formats that exist."""
        provider = self.make_provider()
        assert provider.name, "a provider needs a name"
        assert provider.catalog.provider == provider.name, "the catalog is another provider's"
        unknown = set(provider.formats) - set(formats.names())
        assert not unknown, f"formats that finetuner doesn't know: {unknown}"
        wrong = [model.id for model in provider.catalog.models if not model.id.startswith(f"{provider.name}:")]
        assert not wrong, f"ids must start with {provider.name}: {wrong}"

    def test_no_key_in_any_text(self) -> None:
        """Neither the provider's repr nor its errors hold the key."""
        provider = self.make_provider()
        if self.secret is None:
            raise unittest.SkipTest("the suite names no secret")
        texts = [repr(provider), repr(attrs.asdict(provider, recurse=False))]
        if provider.trainer is not None:
            texts.append(repr(_raised(ProviderError, lambda: _trainer(provider).get(self.unknown_job))))
        assert not [text for text in texts if self.secret in text], "a key occurs in a text"

    # -- files ---------------------------------------------------------------------------------------------------------

    def test_uploaded_file_is_found(self) -> None:
        """What was uploaded can be asked for by its id."""
        provider = self.make_provider()
        sent = self.upload(provider)
        found = _capability(provider.files, "files").get(sent.id)
        assert (found.id, found.bytes) == (sent.id, sent.bytes), f"sent {sent}, found {found}"
        assert found.bytes > 0, "an uploaded file has a size"

    def test_deleting_a_file_twice_is_no_error(self) -> None:
        """Deleting is idempotent, and a deleted file isn't found."""
        provider = self.make_provider()
        files = _capability(provider.files, "files")
        sent = self.upload(provider)
        files.delete(sent.id)
        files.delete(sent.id)
        _raised(NotFoundError, lambda: files.get(sent.id))

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def test_unknown_job_is_not_found(self) -> None:
        """Whatever is asked of a job that isn't there raises `NotFoundError`."""
        trainer = _trainer(self.make_provider())
        asks: tuple[Callable[[str], object], ...] = (trainer.get, trainer.events, trainer.checkpoints, trainer.cancel)
        for ask in asks:
            _raised(NotFoundError, partial(ask, self.unknown_job))

    def test_unknown_base_model_is_refused(self) -> None:
        """A job on a model that isn't there raises a `ProviderError` that may not be retried."""
        provider = self.make_provider()
        request = attrs.evolve(self.request(provider), model="no-such-model")
        error = _raised(ProviderError, lambda: _trainer(provider).create(request))
        assert not error.retryable, "sending it again won't help"

    def test_job_runs_to_its_end(self) -> None:
        """A valid job ends, keeps its identity, and says what came out."""
        provider = self.make_provider()
        trainer = _trainer(provider)
        request = self.request(provider)
        created = trainer.create(request)
        job = self.finished(trainer, created.id)
        assert job.id == created.id, "the id changed"
        assert job.status in TERMINAL, f"{job.status!r} isn't terminal"
        assert (job.failure is not None) == (job.status == FAILED), f"status {job.status}, failure {job.failure}"
        assert job.tuned_model, "a succeeded job names its model"
        assert job.finished_at is not None, "an ended job says when"
        assert job.finished_at >= job.created_at, "it ended before it was created"
        assert trainer.get(job.id).status == job.status, "a terminal status changed"
        assert job.id in [listed.id for listed in trainer.list()], "list() leaves it out"

    def test_events_are_oldest_first(self) -> None:
        """Events come in the order in which they happened, each with an id of its own."""
        provider = self.make_provider()
        trainer = _trainer(provider)
        job = self.finished(trainer, trainer.create(self.request(provider)).id)
        events = trainer.events(job.id)
        times = [event.created_at for event in events]
        assert events, "a finished job has events"
        assert times == sorted(times), "events aren't oldest first"
        assert len({event.id for event in events}) == len(events), "events share ids"

    def test_checkpoints_are_earliest_first(self) -> None:
        """Checkpoints come by step, each with a model of its own."""
        provider = self.make_provider()
        trainer = _trainer(provider)
        job = self.finished(trainer, trainer.create(self.request(provider)).id)
        checkpoints = trainer.checkpoints(job.id)
        steps = [checkpoint.step for checkpoint in checkpoints]
        assert steps == sorted(steps), f"steps aren't in order: {steps}"
        assert len({checkpoint.model for checkpoint in checkpoints}) == len(checkpoints), "checkpoints share models"

    def test_job_is_found_by_its_key(self) -> None:
        """After a lost answer the job is found again; another key finds nothing."""
        provider = self.make_provider()
        trainer = _trainer(provider)
        created = trainer.create(self.request(provider, key="contract-key-1"))
        found = trainer.find("contract-key-1")
        assert found is not None, "the job isn't found by its key"
        assert found.id == created.id, "another job has the key"
        assert trainer.find("contract-key-2") is None, "a job is found by a key that nobody used"
        trainer.cancel(created.id)
        self.finished(trainer, created.id)

    def test_cancelling_twice_is_no_error(self) -> None:
        """Cancelling is idempotent, and changes nothing about an ended job."""
        provider = self.make_provider()
        trainer = _trainer(provider)
        job = trainer.create(self.request(provider))
        trainer.cancel(job.id)
        trainer.cancel(job.id)
        ended = self.finished(trainer, job.id)
        assert trainer.cancel(job.id).status == ended.status, "cancelling changed an ended job"

    # -- answers -------------------------------------------------------------------------------------------------------

    def test_completion_is_whole(self) -> None:
        """An answer has a text, the model's name, tokens and a latency that can be true."""
        provider = self.make_provider()
        messages = (system(f"Answer with one of: {', '.join(_LABELS)}."), user("I lost my card"))
        completion = _completer(provider).complete(self.base_model(provider), messages, CompletionOptions())
        assert completion.text, "the answer is empty"
        assert completion.model, "the answer doesn't say which model gave it"
        assert completion.finish_reason, "the answer doesn't say why it ended"
        assert completion.usage.prompt_tokens >= 0, "negative tokens"
        assert completion.usage.completion_tokens >= 0, "negative tokens"
        assert completion.latency >= 0, "negative latency"
        assert completion.confidence is None or 0 <= completion.confidence <= 1, "confidence isn't a probability"

    def test_stream_and_async_agree_with_the_whole_answer(self) -> None:
        """The four ways to ask give the same answer; the last piece of a stream says why it ended."""
        provider = self.make_provider()
        completer, model = _completer(provider), self.base_model(provider)
        messages = (system(f"Answer with one of: {', '.join(_LABELS)}."), user("I lost my card"))
        options = CompletionOptions(seed=7)
        whole = completer.complete(model, messages, options).text
        pieces = list(completer.stream(model, messages, options))

        async def both() -> tuple[str, str]:
            text = (await completer.complete_async(model, messages, options)).text
            streamed = [piece.text async for piece in completer.stream_async(model, messages, options)]
            return text, "".join(streamed)

        texts = {whole, "".join(piece.text for piece in pieces), *asyncio.run(both())}
        assert len(texts) == 1, f"different answers to one question: {texts}"
        assert pieces[-1].finish_reason, "the last piece of a stream has a finish_reason"

    def test_unknown_model_is_refused(self) -> None:
        """Asking a model that isn't there raises a `ProviderError`."""
        completer = _completer(self.make_provider())
        ask = (user("hello"),)
        _raised(ProviderError, lambda: completer.complete("no-such-model", ask, CompletionOptions()))


def _capability(part: T | None, name: str) -> T:
    if part is None:
        raise unittest.SkipTest(f"the provider has no {name}")
    return part


def _trainer(provider: Provider) -> Trainer:
    return _capability(provider.trainer, "trainer")


def _completer(provider: Provider) -> Completer:
    return _capability(provider.completer, "completer")


E_ = TypeVar("E_", bound=FinetunerError)


def _raised(expected: type[E_], call: Callable[[], object]) -> E_:
    """The error that a call raises; no error, or another one, fails the test."""
    try:
        result = call()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected.__name__}, got {result!r}")
