"""A provider that does what a test tells it: answers, failures, and the life of jobs, without network or waiting."""

import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.data.examples import Example, Message
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    TERMINAL,
    VALIDATING,
    Checkpoint,
    Completion,
    CompletionChunk,
    CompletionOptions,
    FileReference,
    JobEvent,
    JobFailure,
    JobRequest,
    JobSnapshot,
    JobStatus,
    Provider,
    Usage,
)

Answer = Callable[[str, Sequence[Message]], str | Completion]
"""From a model's id and messages to its answer."""

Answers = str | Mapping[str, str] | Answer
"""The same answer to everything; answers by the user's text; or a function."""

Failures = Mapping[str, Sequence[Exception | None]]
"""What calls of a method raise, in order, by the method's name; None and the end of the list let calls through."""

_NO_FAILURES: Final[Failures] = MappingProxyType({})
_HEALTHY: Final = (VALIDATING, QUEUED, RUNNING, SUCCEEDED)
_WORDS: Final = re.compile(r"\S+\s*")


class _Script:
    """Failures that are still to come. Shared by the parts of a provider."""

    def __init__(self, failures: Failures, models: Sequence[str] | None) -> None:
        self._left = {method: list(errors) for method, errors in failures.items()}
        self._models = models
        self._lock = threading.Lock()

    def check_model(self, model: str) -> None:
        """Refuse a model that the script doesn't know."""
        if self._models is not None and model not in self._models:
            raise NotFoundError(f"no model {model!r}; there are {', '.join(self._models)}")

    def play(self, method: str) -> None:
        """Raise what is next for a method."""
        with self._lock:
            left = self._left.get(method)
            error = left.pop(0) if left else None
        if error is not None:
            raise error


@attrs.frozen
class Call:
    """What a scripted model was asked."""

    model: str
    messages: tuple[Message, ...]
    options: CompletionOptions


class ScriptedCompleter:
    """A `Completer` with scripted answers.

    Attributes:
        calls: All calls so far, failed ones included.
    """

    def __init__(self, answers: Answers, *, script: _Script, latency: float, clock: Clock) -> None:
        self.calls: list[Call] = []
        self._answers = answers
        self._script = script
        self._latency = latency
        self._clock = clock

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The scripted answer, after the scripted latency."""
        self._clock.sleep(self._latency)
        return self._complete(model, messages, options)

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The scripted answer, after the scripted latency."""
        await self._clock.sleep_async(self._latency)
        return self._complete(model, messages, options)

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The scripted answer word by word."""
        yield from _chunks(self.complete(model, messages, options))

    async def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The scripted answer word by word."""
        for chunk in _chunks(await self.complete_async(model, messages, options)):
            yield chunk

    def _complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        self.calls.append(Call(model, tuple(messages), options))
        self._script.play("complete")
        self._script.check_model(model)
        answer = self._answer(model, messages)
        if isinstance(answer, Completion):
            return answer
        usage = Usage(
            prompt_tokens=sum(len(message.text.split()) for message in messages), completion_tokens=len(answer.split())
        )
        return Completion(text=answer, model=model, usage=usage, latency=self._latency)

    def _answer(self, model: str, messages: Sequence[Message]) -> str | Completion:
        if isinstance(self._answers, str):
            return self._answers
        if callable(self._answers):
            return self._answers(model, messages)
        asked = Example(messages=tuple(messages)).user_text
        try:
            return self._answers[asked]
        except KeyError as error:
            raise RequestRejectedError(f"no scripted answer to {asked!r}; add it to `answers`") from error


class ScriptedFiles:
    """A `FileStore` that remembers what was sent.

    Attributes:
        contents: Bytes of each file by its id.
    """

    def __init__(self, script: _Script) -> None:
        self.contents: dict[str, bytes] = {}
        self._references: dict[str, FileReference] = {}
        self._script = script

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:
        """Remember a file. Raises `RequestRejectedError` where it can't be read."""
        self._script.play("upload")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RequestRejectedError(f"{path} can't be read: {error.strerror}") from error
        reference = FileReference(id=f"file-scripted-{sha256[:12]}", name=name, bytes=len(content))
        self.contents[reference.id] = content
        return self._references.setdefault(reference.id, reference)

    def get(self, file_id: str) -> FileReference:
        """The file. Raises `NotFoundError`."""
        try:
            return self._references[file_id]
        except KeyError as error:
            raise NotFoundError(f"no file {file_id!r}; upload it first") from error

    def delete(self, file_id: str) -> None:
        """Forget the file."""
        self._references.pop(file_id, None)
        self.contents.pop(file_id, None)


class ScriptedTrainer:
    """A `Trainer` and `Pauser` whose jobs go through scripted statuses, one further with each look.

    Attributes:
        requests: What was created, in order.
    """

    def __init__(
        self,
        statuses: Sequence[JobStatus],
        *,
        script: _Script,
        clock: Clock,
        failure: JobFailure,
        checkpoints: Sequence[Checkpoint],
        events: Sequence[JobEvent],
    ) -> None:
        self.requests: list[JobRequest] = []
        self._statuses = tuple(statuses)
        self._script = script
        self._clock = clock
        self._failure = failure
        self._checkpoints = tuple(checkpoints)
        self._scripted_events = tuple(events)
        self._jobs: dict[str, JobSnapshot] = {}
        self._seen: dict[str, list[JobEvent]] = {}
        self._waiting: dict[str, list[JobStatus]] = {}

    def create(self, request: JobRequest) -> JobSnapshot:
        """Start a scripted job. Failures of `create` leave none; those of `create_answer` come after it was made."""
        self._script.play("create")
        self._script.check_model(request.model)
        found = self.find(request.key)
        if found is not None:
            return found
        number = len(self.requests) + 1
        self.requests.append(request)
        job = JobSnapshot(
            id=f"ftjob-scripted-{number}",
            model=request.model,
            status=self._statuses[0],
            created_at=self._clock.now(),
            training_file=request.training_file,
            validation_file=request.validation_file,
            method=request.method,
            hyperparameters=request.hyperparameters,
            seed=request.seed,
            suffix=request.suffix,
            key=request.key or None,
        )
        self._waiting[job.id] = list(self._statuses[1:])
        self._seen[job.id] = list(self._scripted_events)
        self._become(job, self._statuses[0])
        self._script.play("create_answer")
        return self._jobs[job.id]

    def find(self, key: str) -> JobSnapshot | None:
        """The newest job with this key, or None."""
        self._script.play("find")
        return next((job for job in reversed(self._jobs.values()) if key and job.key == key), None)

    def get(self, job_id: str) -> JobSnapshot:
        """The job, one status further. Raises `NotFoundError`."""
        self._script.play("get")
        job = self._job(job_id)
        waiting = self._waiting[job_id]
        return self._become(job, waiting.pop(0)) if waiting and job.status != PAUSED and not job.ended else job

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs, newest first, each one status further: a look at many is a look at each."""
        return tuple(self.get(job_id) for job_id in list(reversed(self._jobs))[:limit])

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """The scripted events, and one for each status so far. Raises `NotFoundError`."""
        return tuple(self._seen[self._job(job_id).id])

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """The scripted checkpoints, earliest step first. Raises `NotFoundError`."""
        self._job(job_id)
        return tuple(sorted(self._checkpoints, key=lambda checkpoint: checkpoint.step))

    def cancel(self, job_id: str) -> JobSnapshot:
        """Cancel at once; an ended job stays as it is. Raises `NotFoundError`."""
        self._script.play("cancel")
        job = self._job(job_id)
        return job if job.ended else self._become(job, CANCELLED)

    def pause(self, job_id: str) -> JobSnapshot:
        """Pause at once; an ended job stays as it is. Raises `NotFoundError`."""
        job = self._job(job_id)
        return job if job.ended else self._become(job, PAUSED)

    def resume(self, job_id: str) -> JobSnapshot:
        """Let a paused job run. Raises `NotFoundError`."""
        job = self._job(job_id)
        return self._become(job, RUNNING) if job.status == PAUSED else job

    def _job(self, job_id: str) -> JobSnapshot:
        try:
            return self._jobs[job_id]
        except KeyError as error:
            raise NotFoundError(f"no job {job_id!r}; there are {', '.join(self._jobs) or 'none'}") from error

    def _become(self, job: JobSnapshot, status: JobStatus) -> JobSnapshot:
        now = self._clock.now()
        number = job.id.rpartition("-")[2]
        changed = attrs.evolve(
            job,
            status=status,
            raw_status=status,
            finished_at=now if status in TERMINAL else None,
            tuned_model=f"ft:{job.model}:scripted:{job.suffix or ''}:{number}" if status == SUCCEEDED else None,
            failure=self._failure if status == FAILED else None,
        )
        self._jobs[job.id] = changed
        seen = self._seen[job.id]
        seen.append(JobEvent(id=f"ftevent-scripted-{number}-{len(seen) + 1}", created_at=now, message=status))
        return changed


class ScriptedProvider(Provider):
    """A provider for tests, with every capability but the advisor.

    Example:
        ```python
        provider = ScriptedProvider(answers={"I lost my card": "card_lost"}, statuses=["running", "succeeded"])
        Model("scripted:any", provider=provider).complete("I lost my card").text  # "card_lost"
        provider.completer.calls[0].model  # "any"
        ```
    """

    completer: ScriptedCompleter
    trainer: ScriptedTrainer
    files: ScriptedFiles
    pauser: ScriptedTrainer

    def __init__(
        self,
        *,
        name: str = "scripted",
        answers: Answers = "ok",
        models: Sequence[str] | None = None,
        statuses: Sequence[JobStatus] = _HEALTHY,
        failures: Failures = _NO_FAILURES,
        latency: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
        failure: JobFailure | None = None,
        checkpoints: Sequence[Checkpoint] = (),
        events: Sequence[JobEvent] = (),
        catalog: Catalog | None = None,
    ) -> None:
        """Write the script.

        Args:
            name: The provider's name.
            answers: What models answer.
            models: Models that exist, base and tuned; None lets every name answer and train.
            statuses: What a job goes through: the first when created, one further with each look, the last for good.
            failures: What calls of `complete`, `upload`, `create`, `create_answer` (the job is made, but the answer is
                lost), `find`, `get` and `cancel` raise, in order.
            latency: Seconds that each answer takes on `clock`.
            clock: A `FakeClock` lets latency pass at once.
            failure: Why a job fails whose status becomes `failed`.
            checkpoints: What each job has saved.
            events: What each job tells before its statuses.
            catalog: The provider's facts; by default one model named `scripted-base`.
        """
        script = _Script(failures, models)
        trainer = ScriptedTrainer(
            statuses,
            script=script,
            clock=clock,
            failure=failure or JobFailure(message="the script says so", code="scripted"),
            checkpoints=checkpoints,
            events=events,
        )
        super().__init__(
            name=name,
            formats=("openai",),
            catalog=catalog or Catalog(provider=name, models=(_base_model(name),)),
            completer=ScriptedCompleter(answers, script=script, latency=latency, clock=clock),
            trainer=trainer,
            files=ScriptedFiles(script),
            pauser=trainer,
        )


def _base_model(provider: str) -> BaseModel:
    return BaseModel(id=f"{provider}:scripted-base", methods=("supervised",), description="Answers as a test says.")


def _chunks(completion: Completion) -> Iterator[CompletionChunk]:
    for word in _WORDS.findall(completion.text):
        yield CompletionChunk(text=word)
    yield CompletionChunk(finish_reason=completion.finish_reason, usage=completion.usage)
