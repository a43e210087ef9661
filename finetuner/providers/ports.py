"""What a provider is made of: small protocols, and the plain values that cross them.

All ids are the provider's own, without the `provider:` prefix. Every method may raise `ProviderError` (translated
once, at the provider's border) and nothing else on purpose. No constructor does I/O.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from finetuner._core.types import Json
from finetuner.data.examples import Message, ToolCall
from finetuner.providers.catalog import Catalog

if TYPE_CHECKING:  # naming providers must stay cheap: the data layer's ports bring numpy
    from finetuner.data.ports import Examples

_NOTHING: Mapping[str, Json] = MappingProxyType({})
_NO_METRICS: Mapping[str, float] = MappingProxyType({})

# -- completions -----------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class CompletionOptions:
    """How to answer.

    Attributes:
        temperature: 0 is the most repeatable; None is the provider's default.
        max_tokens: Longest answer, in tokens.
        seed: For providers that sample repeatably.
        stop: Texts that end the answer.
        response_schema: JSON Schema that the answer must obey.
        tools: Tool definitions in OpenAI's shape.
        tool_choice: `auto`, `none`, `required`, or the name of the tool that must be called; None is the provider's
            default.
        logprobs: Whether log probabilities of the answer's tokens are wanted, where the provider knows them.
        timeout: Seconds for the whole call; None is the provider's default.
        max_retries: How often the provider's client may send again; None is its default.
    """

    temperature: float | None = 0.0
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_schema: Mapping[str, Json] | None = None
    tools: tuple[Mapping[str, Json], ...] = ()
    tool_choice: str | None = None
    logprobs: bool = False
    timeout: float | None = None
    max_retries: int | None = None


@attrs.frozen(kw_only=True)
class Usage:
    """Tokens of one call."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@attrs.frozen
class TokenLogprob:
    """A token of an answer, and the natural logarithm of the probability with which the model said it."""

    token: str
    logprob: float


@attrs.frozen(kw_only=True)
class Completion:
    """An answer.

    Attributes:
        text: The answer's text; empty where only tools are called.
        model: The model that answered, as the provider names it.
        finish_reason: `stop`, `length`, `tool_calls`, `content_filter`, or the provider's own word.
        usage: Tokens.
        latency: Seconds from sending to the last byte.
        request_id: The provider's id of the call.
        tool_calls: Tools that the model calls.
        refusal: The model's refusal, where it marks one.
        confidence: Probability of the answer (0 to 1), where the provider knows it.
        logprobs: The answer's tokens, where they were asked for and are known.
    """

    text: str
    model: str
    finish_reason: str = "stop"
    usage: Usage = attrs.field(factory=Usage)
    latency: float = 0.0
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    confidence: float | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@attrs.frozen(kw_only=True)
class CompletionChunk:
    """A piece of a streamed answer.

    The last one has a `finish_reason`, the whole `tool_calls` where tools are called, and `usage` where it is known.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class Completer(Protocol):
    """Answers messages with a model. Safe to call from several threads and tasks at once."""

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer."""
        ...

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer, without blocking the event loop."""
        ...

    def stream(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Iterator[CompletionChunk]:
        """The answer in pieces, in order. Errors may surface at any piece."""
        ...

    def stream_async(
        self, model: str, messages: Sequence[Message], options: CompletionOptions
    ) -> AsyncIterator[CompletionChunk]:
        """The answer in pieces, without blocking the event loop."""
        ...


class BulkSession(Protocol):
    """Answers messages for as long as it is open, with as little work for each as can be."""

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        """The whole answer. Sent once: whoever asks for many decides what is asked again."""
        ...


class BulkCompleter(Protocol):
    """Answers thousands of messages at once, where the provider has a leaner way than its `Completer`."""

    def open(self, concurrency: int) -> AbstractAsyncContextManager[BulkSession]:
        """A session of the running event loop, for at most so many calls in flight.

        Where the leaner way doesn't lead to this service (through a proxy, for one), the session takes the usual one.
        """
        ...


# -- files -----------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class FileReference:
    """A file that a provider holds.

    Attributes:
        id: What a job names: `file-…`, or `gs://…`.
        name: The file's name at upload.
        bytes: Size.
        status: `uploaded`, `processed`, `error`, or the provider's own word.
        status_details: The provider's words about an error.
    """

    id: str
    name: str
    bytes: int
    status: str = "processed"
    status_details: str | None = None


class FileStore(Protocol):
    """Holds training files."""

    def upload(self, path: Path, *, name: str, sha256: str) -> FileReference:
        """Send a file and return when the provider can use it.

        Uploading the same content (`sha256`) again may return the file that is already there; a half-sent file is
        never returned.
        """
        ...

    def get(self, file_id: str) -> FileReference:
        """The file as the provider sees it now. Raises `NotFoundError`."""
        ...

    def delete(self, file_id: str) -> None:
        """Remove the file; removing it twice is no error. Jobs that already read it go on."""
        ...


# -- jobs ------------------------------------------------------------------------------------------------------------

JobStatus = str
"""One of the words below; or the provider's own, which means "not ended, show as is"."""

VALIDATING: Final = "validating"
QUEUED: Final = "queued"
RUNNING: Final = "running"
PAUSED: Final = "paused"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

TERMINAL: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})
"""Statuses that never change again."""


@attrs.frozen(kw_only=True)
class JobRequest:
    """All that a job is: two equal requests mean the same training.

    Attributes:
        model: The base model's id, or a tuned one to go on from.
        training_file: A `FileReference.id`.
        validation_file: Likewise, or None.
        method: `supervised`, `dpo`, `preference` or `reinforcement`.
        hyperparameters: `epochs`, `batch_size`, `learning_rate_multiplier`, `beta`, …; absent means the
            provider's choice.
        suffix: Part of the tuned model's name, at most 64 characters.
        seed: 0 to 2147483647.
        key: Our idempotency key: the provider stores it with the job, so that a lost answer can be found again.
        metadata: Pairs of text that the provider stores with the job.
        extra: Fields that only one provider knows, passed through as they are.
    """

    model: str
    training_file: str
    validation_file: str | None = None
    method: str = "supervised"
    hyperparameters: Mapping[str, Json] = _NOTHING
    suffix: str | None = None
    seed: int | None = None
    key: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    extra: Mapping[str, Json] = _NOTHING


@attrs.frozen(kw_only=True)
class JobFailure:
    """Why a job failed, in the provider's words."""

    message: str
    code: str | None = None
    param: str | None = None


@attrs.frozen(kw_only=True)
class JobSnapshot:
    """What the provider says about a job at one moment.

    Attributes:
        id: The provider's id.
        model: The base model's id.
        status: See `JobStatus`.
        created_at: Seconds since the epoch.
        finished_at: Likewise, None while it runs.
        estimated_finish: Likewise, where the provider says so.
        tuned_model: Id of the tuned model, once there is one.
        training_file: File id.
        validation_file: File id, or None.
        method: As in `JobRequest`.
        hyperparameters: What is used, as far as the provider tells.
        seed: As given or chosen.
        suffix: As given.
        key: Our key, where the provider returns it.
        step: Training steps done, None where unknown.
        total_steps: Training steps in all, None where unknown.
        epoch: Epochs done or in work (1-based), None where unknown.
        trained_tokens: What is billed, once known.
        failure: Set when the status is `failed`.
        raw_status: The provider's own word.
    """

    id: str
    model: str
    status: JobStatus
    created_at: float
    finished_at: float | None = None
    estimated_finish: float | None = None
    tuned_model: str | None = None
    training_file: str | None = None
    validation_file: str | None = None
    method: str = "supervised"
    hyperparameters: Mapping[str, Json] = _NOTHING
    seed: int | None = None
    suffix: str | None = None
    key: str | None = None
    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    trained_tokens: int | None = None
    failure: JobFailure | None = None
    raw_status: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the status never changes again."""
        return self.status in TERMINAL


@attrs.frozen(kw_only=True)
class JobEvent:
    """Something that happened in a job.

    Attributes:
        id: The provider's id.
        created_at: Seconds since the epoch.
        message: For people.
        level: `info`, `warn` or `error`.
        metrics: `step, total_steps, epoch, train_loss, valid_loss, train_accuracy, valid_accuracy`, as far as given.
    """

    id: str
    created_at: float
    message: str
    level: str = "info"
    metrics: Mapping[str, float] = _NO_METRICS


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A saved state of training that can answer as a model.

    Attributes:
        id: The provider's id.
        model: Model id to complete with.
        step: Training step at which it was saved.
        epoch: Its epoch (1-based), where known.
        metrics: `train_loss, valid_loss, train_accuracy, valid_accuracy`, as far as given. Validation over the whole
            validation file where the provider has it.
        created_at: Seconds since the epoch, where known.
    """

    id: str
    model: str
    step: int
    epoch: int | None = None
    metrics: Mapping[str, float] = _NO_METRICS
    created_at: float | None = None


class Trainer(Protocol):
    """Runs training jobs."""

    def create(self, request: JobRequest) -> JobSnapshot:
        """Start a job. Sent exactly once: never retried inside.

        After an ambiguous failure (`ProviderConnectionError`, `ProviderTimeoutError`, `UnexpectedAnswerError`) the job
        may exist; the caller looks with `find`.
        """
        ...

    def find(self, key: str) -> JobSnapshot | None:
        """The newest job that was created with this key, or None."""
        ...

    def get(self, job_id: str) -> JobSnapshot:
        """The job now. Raises `NotFoundError`."""
        ...

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs, newest first."""
        ...

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """All events, oldest first."""
        ...

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """Checkpoints that can be used, earliest step first."""
        ...

    def cancel(self, job_id: str) -> JobSnapshot:
        """Ask the job to stop. Cancelling an ended job is no error and changes nothing."""
        ...


class Pauser(Protocol):
    """Pauses and resumes jobs, where the provider can."""

    def pause(self, job_id: str) -> JobSnapshot:
        """Stop the job so that it can go on later."""
        ...

    def resume(self, job_id: str) -> JobSnapshot:
        """Let a paused job go on."""
        ...


# -- advice before a job -----------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Finding:
    """Something to know before a job is paid for.

    Attributes:
        severity: `error` stops the job, `warning` doesn't.
        code: Stable name, such as `not_closed_set`.
        message: What is the matter.
        fix: What to do about it.
    """

    severity: Literal["error", "warning"]
    code: str
    message: str
    fix: str = ""


class Advisor(Protocol):
    """What only the provider knows about a planned job. Costs nothing."""

    def advise(self, model: str, training: "Examples", method: str) -> tuple[Finding, ...]:
        """Findings about this training data on this base model; empty where all is well."""
        ...


# -- many answers at once, later and cheaper -------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class BatchRequest:
    """One of many questions.

    Attributes:
        id: The caller's own, unique in its batch: answers come in any order.
        messages: See `Completer.complete`.
        options: Likewise; `timeout` and `max_retries` don't apply.
    """

    id: str
    messages: tuple[Message, ...]
    options: CompletionOptions = attrs.field(factory=CompletionOptions)


@attrs.frozen(kw_only=True)
class BatchAnswer:
    """The answer to one of them: a completion, or why there is none."""

    id: str
    completion: Completion | None = None
    failure: JobFailure | None = None


@attrs.frozen(kw_only=True)
class BatchSnapshot:
    """What the provider says about a batch at one moment.

    Attributes:
        id: The provider's id.
        status: As `JobStatus`.
        created_at: Seconds since the epoch.
        finished_at: Likewise, None while it runs.
        total: Requests in it, 0 while they aren't counted.
        completed: Requests that were answered.
        failed: Requests that weren't.
        failure: Why the whole batch failed.
        key: Our key, where the provider returns it.
        raw_status: The provider's own word.
    """

    id: str
    status: JobStatus
    created_at: float
    finished_at: float | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    failure: JobFailure | None = None
    key: str | None = None
    raw_status: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the status never changes again."""
        return self.status in TERMINAL


class BatchCompleter(Protocol):
    """Answers many questions at once, within a day, at the catalog's batch prices."""

    def create(self, model: str, requests: Sequence[BatchRequest], *, key: str = "") -> BatchSnapshot:
        """Start a batch. Sent once, like `Trainer.create`; after an ambiguous failure the caller looks with `find`."""
        ...

    def find(self, key: str) -> BatchSnapshot | None:
        """The newest batch that was created with this key, or None."""
        ...

    def get(self, batch_id: str) -> BatchSnapshot:
        """The batch now. Raises `NotFoundError`."""
        ...

    def answers(self, batch_id: str) -> Iterator[BatchAnswer]:
        """All answers of an ended batch, in any order; of a cancelled or expired one, those that there are."""
        ...

    def cancel(self, batch_id: str) -> BatchSnapshot:
        """Ask the batch to stop. Cancelling an ended batch is no error and changes nothing."""
        ...


# -- the provider ------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Provider:
    """A place where models are trained and served. A capability that it lacks is None.

    Attributes:
        name: As in `provider:model`.
        formats: Wire formats that it trains on, preferred first (names of `finetuner.data.formats`).
        catalog: Dated facts: models, limits, prices, retirement dates.
        completer: Answers messages.
        bulk: Answers very many messages.
        trainer: Runs jobs.
        files: Holds training files.
        pauser: Pauses and resumes jobs.
        advisor: Looks at a planned job.
        batches: Answers many questions at once.
    """

    name: str
    formats: tuple[str, ...]
    catalog: Catalog
    completer: Completer | None = None
    bulk: BulkCompleter | None = None
    trainer: Trainer | None = None
    files: FileStore | None = None
    pauser: Pauser | None = None
    advisor: Advisor | None = None
    batches: BatchCompleter | None = None
