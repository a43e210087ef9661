"""A training job: a snapshot of what the provider says, and a private connection to ask again."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self, TypeVar

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.retry import retrying
from finetuner._core.types import Json
from finetuner._core.waiting import PollPolicy
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.errors import (
    JobCancelledError,
    JobFailedError,
    JobNotReadyError,
    JobTimeoutError,
    UnknownNameError,
    UsageError,
)
from finetuner.providers.model import Model
from finetuner.providers.ports import CANCELLED, FAILED, Checkpoint, JobEvent, JobSnapshot, Pauser, Provider, Trainer
from finetuner.providers.reference import ModelReference, provider_of_job
from finetuner.providers.registry import connect
from finetuner.records.jobs import JobRecord, JobRecords
from finetuner.records.journal import Journal
from finetuner.training.creation import create_once, training_data
from finetuner.training.curve import BestCheckpoint, Curve, Verdict, best_checkpoint, verdict
from finetuner.training.estimate import estimate
from finetuner.training.preflight import preflight, refuse_errors, require_validation
from finetuner.training.spec import DEFAULT_EPOCHS, TrainingSpec

Data = Dataset | str | Path
"""A data set, a path, or the id of a file at the provider."""

JobT = TypeVar("JobT", bound="Job")

OnEvent = Callable[[JobEvent], None]
"""Is told of every event once, in order."""


@attrs.frozen(kw_only=True)
class Job:
    """A training job at a provider.

    A job is a snapshot: `job = job.refresh()` gives a newer one, the old one stays as it was.

    Attributes:
        provider: The provider's name.
        snapshot: What the provider said last.
        training_fingerprint: Of the training data set, where known.
        validation_fingerprint: Of the validation data set, where known.
    """

    provider: str
    snapshot: JobSnapshot
    training_fingerprint: str | None = None
    validation_fingerprint: str | None = None
    _connection: Provider = attrs.field(eq=False, repr=False, alias="connection")
    _journal: Journal = attrs.field(eq=False, repr=False, alias="journal")

    # -- touch -----------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        training: Data,
        *,
        provider: str | Provider,
        model: str,
        validation: Data | None = None,
        method: str = "supervised",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate_multiplier: float | None = None,
        seed: int | None = None,
        suffix: str | None = None,
        hyperparameters: Mapping[str, Json] | None = None,
        max_usd: float | None = None,
        workspace: str | Path | Workspace | None = None,
    ) -> "Job":
        """Train a model: exactly one job, however often this is called or cut short.

        The same data and arguments give the same job while it runs or after it succeeded. After a failed or cancelled
        job the same call makes a new one, which goes on where the provider can.

        Args:
            training: Data set, local path, or id of an uploaded file.
            provider: A name, or a connected provider.
            model: The base model, or a tuned one to go on from.
            validation: Likewise as `training`; without it overfitting can't be seen.
            method: `supervised`, `dpo`, `preference` or `reinforcement`.
            epochs: 1 to 50; None for the provider's choice.
            batch_size: Examples in a step; None for the provider's choice.
            learning_rate_multiplier: Above 0; None for the provider's choice.
            seed: 0 to 2147483647.
            suffix: Part of the tuned model's name, 1 to 64 characters.
            hyperparameters: Others, passed on as they are.
            max_usd: Refuse to start when the training would cost more, in USD.
            workspace: Folder or database URL; by default `.finetuner`.

        Raises:
            InvalidDataError: The data has errors; nothing was sent.
            BudgetExceededError: It would cost more than `max_usd`.
            TrainingNotAvailableError: The provider takes no jobs from this account.
            ProviderError: It refused, or can't be reached.
        """
        where = Workspace.at(workspace)
        connection = _connected(provider, where)
        spec = TrainingSpec(
            model=model.removeprefix(f"{connection.name}:"),
            method=method,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate_multiplier=learning_rate_multiplier,
            suffix=suffix,
            seed=seed,
            hyperparameters=hyperparameters or {},
        )
        require_validation(spec, validation)
        training, validation = _loaded(training), None if validation is None else _loaded(validation)
        if isinstance(training, Dataset):
            checked = validation if isinstance(validation, Dataset) else None
            refuse_errors(preflight(connection, spec, training, checked))
            if max_usd is not None:
                cost = estimate(training, provider=connection, model=spec.model, epochs=epochs or DEFAULT_EPOCHS)
                cost.within(max_usd)
        elif max_usd is not None:
            raise UsageError("max_usd needs the data itself; give a data set or a path instead of a file id")
        journal = Journal.open(where)
        trained = training_data(training, connection, journal)
        validated = None if validation is None else training_data(validation, connection, journal, role="validation")
        snapshot = create_once(spec, trained, validated, provider=connection, journal=journal)
        return cls(
            provider=connection.name,
            snapshot=snapshot,
            training_fingerprint=trained.fingerprint,
            validation_fingerprint=validated.fingerprint if validated else None,
            connection=connection,
            journal=journal,
        )

    @classmethod
    def get(
        cls, job_id: str, *, provider: str | Provider | None = None, workspace: str | Path | Workspace | None = None
    ) -> "Job":
        """A job that exists, from any process.

        Args:
            job_id: The provider's id.
            provider: A name or connected provider; by default what the journal knows, or what the id's form tells.
            workspace: Folder or database URL; by default `.finetuner`.

        Raises:
            UnknownNameError: Nothing tells which provider has it.
            NotFoundError: The provider has no such job.
        """
        where = Workspace.at(workspace)
        journal = Journal.open(where)
        record = JobRecords(journal).by_job_id(job_id)
        known = provider or (record.provider if record else provider_of_job(job_id))
        if known is None:
            raise UnknownNameError(f"no provider is known for job {job_id!r}; give provider=")
        connection = _connected(known, where)
        snapshot = retrying(lambda: _trainer(connection).get(job_id))
        return _seen(connection, journal, snapshot, record)

    @classmethod
    def list(
        cls, *, provider: str | Provider, limit: int = 20, workspace: str | Path | Workspace | None = None
    ) -> "tuple[Job, ...]":
        """The newest jobs of a provider, newest first, those made elsewhere included."""
        where = Workspace.at(workspace)
        journal, connection = Journal.open(where), _connected(provider, where)
        snapshots = retrying(lambda: _trainer(connection).list(limit))
        records = JobRecords(journal)
        return tuple(_seen(connection, journal, snapshot, records.by_job_id(snapshot.id)) for snapshot in snapshots)

    def refresh(self) -> Self:
        """The job as it is now."""
        return self._newer(retrying(lambda: self._trainer.get(self.id)))

    async def refresh_async(self) -> Self:
        """The job as it is now, without blocking the event loop."""
        return await asyncio.to_thread(self.refresh)

    def wait(
        self, timeout: float | None = None, on_event: OnEvent | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> Self:
        """The job when it has succeeded.

        Waiting in another process, or again after a time-out or kill, re-attaches to the same job.

        Args:
            timeout: Seconds; None waits as long as it takes.
            on_event: Is told of every event once, in order.
            clock: The clock.

        Raises:
            JobFailedError: It failed; the message has the provider's reason and what to do.
            JobCancelledError: It was cancelled.
            JobTimeoutError: The time is over; the job itself goes on.
        """
        watch = _Watch(timeout, clock, on_event)
        job = self
        for delay in watch.delays(self.id):
            job = job.refresh()
            watch.tell(job)
            if job.snapshot.ended:
                break
            clock.sleep(delay)
        return _succeeded(job)

    async def wait_async(
        self, timeout: float | None = None, on_event: OnEvent | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> Self:
        """The job when it has succeeded, without blocking the event loop. Like `wait`."""
        watch = _Watch(timeout, clock, on_event)
        job = self
        for delay in watch.delays(self.id):
            job = await job.refresh_async()
            await asyncio.to_thread(watch.tell, job)
            if job.snapshot.ended:
                break
            await clock.sleep_async(delay)
        return _succeeded(job)

    def cancel(self) -> Self:
        """The job, asked to stop. Cancelling an ended job changes nothing."""
        return self._newer(retrying(lambda: self._trainer.cancel(self.id)))

    def pause(self) -> Self:
        """The job, asked to pause.

        Raises:
            UsageError: The provider can't pause.
        """
        return self._newer(self._pauser.pause(self.id))

    def resume(self) -> Self:
        """The job, asked to go on.

        Raises:
            UsageError: The provider can't pause.
        """
        return self._newer(self._pauser.resume(self.id))

    # -- ask -------------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The provider's id."""
        return self.snapshot.id

    @property
    def status(self) -> str:
        """`validating`, `queued`, `running`, `paused`, `succeeded`, `failed`, `cancelled`, or the provider's word."""
        return self.snapshot.status

    @property
    def journal(self) -> Journal:
        """The journal that it is written down in."""
        return self._journal

    @property
    def base(self) -> Model:
        """The model that was trained from."""
        return self._model(self.snapshot.model)

    @property
    def model(self) -> Model:
        """The tuned model.

        Raises:
            JobNotReadyError: There is none yet.
        """
        if self.snapshot.tuned_model is None:
            raise JobNotReadyError(f"job {self.id} is {self.status} and has no model yet; wait() first", job_id=self.id)
        return self._model(self.snapshot.tuned_model)

    def events(self) -> tuple[JobEvent, ...]:
        """All events, oldest first."""
        return retrying(lambda: self._trainer.events(self.id))

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Saved states that can answer, earliest first."""
        return retrying(lambda: self._trainer.checkpoints(self.id))

    def curve(self) -> Curve:
        """Losses step by step."""
        return Curve.from_events(self.events())

    def best_checkpoint(self) -> BestCheckpoint | None:
        """The checkpoint to use and why; None while there is none."""
        return best_checkpoint(self.checkpoints())

    def checkpoint_model(self, checkpoint: Checkpoint) -> Model:
        """A checkpoint as a model."""
        return self._model(checkpoint.model)

    def verdict(self) -> Verdict:
        """What the losses say: good, overfitting, underfitting, diverged, or too few steps."""
        return verdict(self.checkpoints(), self.curve())

    # -- private ---------------------------------------------------------------------------------------------------

    @property
    def _trainer(self) -> Trainer:
        return _trainer(self._connection)

    @property
    def _pauser(self) -> Pauser:
        if self._connection.pauser is None:
            raise UsageError(f"{self.provider} can't pause jobs; cancel instead")
        return self._connection.pauser

    def _newer(self, snapshot: JobSnapshot) -> Self:
        JobRecords(self._journal).seen(self.provider, snapshot)
        return attrs.evolve(self, snapshot=snapshot)

    def _model(self, name: str) -> Model:
        return Model(ModelReference(self.provider, name), provider=self._connection)


class _Watch:
    """When to look, when to give up, and which events were told already."""

    def __init__(self, timeout: float | None, clock: Clock, on_event: OnEvent | None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._end = None if timeout is None else clock.monotonic() + timeout
        self._on_event = on_event
        self._told: set[str] = set()

    def delays(self, job_id: str) -> Iterator[float]:
        """Seconds until the next look, never past the end."""
        for delay in PollPolicy().delays():
            left = None if self._end is None else self._end - self._clock.monotonic()
            if left is not None and left <= 0:
                raise JobTimeoutError(
                    f"job {job_id} hasn't ended after {self._timeout:g} s; it goes on, wait again to re-attach",
                    job_id=job_id,
                )
            yield delay if left is None else min(delay, left)

    def tell(self, job: Job) -> None:
        """Pass on the events that are new."""
        if self._on_event is None:
            return
        for event in job.events():
            if event.id not in self._told:
                self._told.add(event.id)
                self._on_event(event)


def _connected(provider: str | Provider, workspace: Workspace) -> Provider:
    return connect(provider, workspace=workspace) if isinstance(provider, str) else provider


def _trainer(provider: Provider) -> Trainer:
    if provider.trainer is None:
        raise UsageError(f"{provider.name} doesn't train models")
    return provider.trainer


def _loaded(data: Data) -> Dataset | str:
    if isinstance(data, Dataset):
        return data
    return Dataset.load(data) if Path(data).exists() else str(data)


def _seen(connection: Provider, journal: Journal, snapshot: JobSnapshot, record: JobRecord | None) -> Job:
    JobRecords(journal).seen(connection.name, snapshot)
    return Job(
        provider=connection.name,
        snapshot=snapshot,
        training_fingerprint=record.training_fingerprint if record else None,
        validation_fingerprint=record.validation_fingerprint if record else None,
        connection=connection,
        journal=journal,
    )


def _succeeded(job: JobT) -> JobT:
    if job.status == CANCELLED:
        raise JobCancelledError(f"job {job.id} was cancelled", job_id=job.id)
    if job.status == FAILED:
        failure = job.snapshot.failure
        reason = failure.message if failure else "the provider gives no reason"
        code = failure.code if failure else None
        raise JobFailedError(
            f"job {job.id} failed{f' ({code})' if code else ''}: {reason}",
            job_id=job.id,
            code=code,
            reason=reason,
        )
    return job
