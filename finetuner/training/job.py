"""A training job: a snapshot of what the provider says, and a private connection to ask again."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, Unpack

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.retry import retrying
from finetuner._core.types import Json
from finetuner._core.workspace import Workspace
from finetuner.errors import AuthenticationError, NotFoundError, UnknownNameError, UsageError
from finetuner.providers.ports import Finding, JobEvent, JobSnapshot, Pauser, Provider
from finetuner.providers.reference import provider_of_job
from finetuner.records.jobs import JobRecord, JobRecords
from finetuner.records.journal import Journal
from finetuner.training.creation import trainer_of
from finetuner.training.outcome import require_success
from finetuner.training.planning import Data, JobOptions, Plan, connected
from finetuner.training.progress import Progress, bar
from finetuner.training.retarget import Move, Origin, plan_move
from finetuner.training.spec import TrainingSpec
from finetuner.training.view import JobView
from finetuner.training.watching import Watch, Watched

_SHORTEST_FINGERPRINT = 12
_DIGITS = frozenset("0123456789abcdef")

OnEvent = Callable[[JobEvent], None]
"""Is told of every event once, in order."""


@attrs.frozen(kw_only=True)
class Job(JobView):
    """A training job at a provider.

    A job is a snapshot: `job = job.refresh()` gives a newer one, the old one stays as it was. What waits on the network
    has a twin that doesn't block: `create_async`, `refresh_async`, … What it tells is in `JobView`.

    Attributes:
        existing: Whether `create` found it instead of paying again.
        findings: What `create` warned of.
        moved: What changed on the way here, for a job made by `retarget`.
    """

    existing: bool = False
    findings: tuple[Finding, ...] = ()
    moved: Move | None = None

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

        The same data and arguments give the same job while it runs or after it succeeded, and `existing` says so. After
        a failed or cancelled job the same call makes a new one, which goes on where the provider can.

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
            BudgetExceededError: It would cost more than `max_usd`; nothing was sent.
            TrainingNotAvailableError: The model, or the provider for this account, takes no jobs.
            ProviderError: It refused, or can't be reached.
        """
        where = Workspace.at(workspace)
        connection = connected(provider, where)
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
        journal = Journal.open(where)
        plan = Plan.make(training, spec, connection=connection, journal=journal, validation=validation, max_usd=max_usd)
        return cls._started(plan, connection, journal)

    @classmethod
    async def create_async(
        cls, training: Data, *, provider: str | Provider, model: str, **options: Unpack[JobOptions]
    ) -> "Job":
        """Train a model, without blocking the event loop. Like `create`."""
        return await asyncio.to_thread(cls.create, training, provider=provider, model=model, **options)

    @classmethod
    def get(
        cls, job_id: str, *, provider: str | Provider | None = None, workspace: str | Path | Workspace | None = None
    ) -> "Job":
        """A job that exists, from any process.

        Args:
            job_id: The provider's id, or the fingerprint of its training data (its first twelve digits or more), which
                means the newest job on that data.
            provider: A name or connected provider; by default what the journal knows, or what the id's form tells.
            workspace: Folder or database URL; by default `.finetuner`.

        Raises:
            UnknownNameError: Nothing tells which provider has it.
            NotFoundError: The provider has no such job.
            AuthenticationError: The journal doesn't know it, and the provider that its id points to takes no key.
        """
        where = Workspace.at(workspace)
        journal = Journal.open(where)
        record = _record(job_id, JobRecords(journal))
        known = provider or (record.provider if record else provider_of_job(job_id))
        if known is None:
            raise UnknownNameError(f"no provider is known for job {job_id!r}; give provider=")
        connection = connected(known, where)
        wanted = record.job_id if record is not None and record.job_id is not None else job_id
        try:
            snapshot = retrying(lambda: trainer_of(connection).get(wanted))
        except (AuthenticationError, NotFoundError) as error:
            if record is not None:
                raise
            unknown = f"job {job_id!r} isn't in the journal of {where.folder}"
            raise type(error)(
                f"{unknown}; asked instead, {connection.name} says: {error}",
                provider=error.provider,
                code=error.code,
                request_id=error.request_id,
            ) from error
        return cls._known(connection, journal, snapshot, record)

    @classmethod
    async def get_async(
        cls, job_id: str, *, provider: str | Provider | None = None, workspace: str | Path | Workspace | None = None
    ) -> "Job":
        """A job that exists, without blocking the event loop. Like `get`."""
        return await asyncio.to_thread(cls.get, job_id, provider=provider, workspace=workspace)

    @classmethod
    def list(
        cls, *, provider: str | Provider, limit: int = 20, workspace: str | Path | Workspace | None = None
    ) -> "tuple[Job, ...]":
        """The newest jobs of a provider, newest first, those made elsewhere included."""
        where = Workspace.at(workspace)
        journal, connection = Journal.open(where), connected(provider, where)
        snapshots = retrying(lambda: trainer_of(connection).list(limit))
        records = JobRecords(journal)
        return tuple(cls._known(connection, journal, each, records.by_job_id(each.id)) for each in snapshots)

    @classmethod
    async def list_async(
        cls, *, provider: str | Provider, limit: int = 20, workspace: str | Path | Workspace | None = None
    ) -> "tuple[Job, ...]":
        """The newest jobs of a provider, without blocking the event loop. Like `list`."""
        return await asyncio.to_thread(cls.list, provider=provider, limit=limit, workspace=workspace)

    def refresh(self) -> Self:
        """The job as it is now."""
        return self.seen(retrying(lambda: self._trainer.get(self.id)))

    async def refresh_async(self) -> Self:
        """The job as it is now, without blocking the event loop."""
        return await asyncio.to_thread(self.refresh)

    def wait(
        self,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        *,
        progress: bool | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Self:
        """The job when it has succeeded.

        Waiting in another process, or again after a time-out or kill, re-attaches to the same job.

        Args:
            timeout: Seconds; None waits as long as it takes.
            on_event: Is told of every event once, in order.
            progress: Show a bar on standard error; None shows it on a terminal only.
            clock: The clock.

        Raises:
            JobFailedError: It failed; the message has the provider's reason and what to do.
            JobCancelledError: It was cancelled.
            JobTimeoutError: The time is over; the job itself goes on.
            ProviderError: The provider couldn't be asked for ten minutes; the job itself goes on.
        """
        with self._watching(timeout, on_event, progress, clock) as watch:
            while (delay := watch.look()) is not None:
                clock.sleep(delay)
        return self._ended(watch)

    async def wait_async(
        self,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        *,
        progress: bool | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Self:
        """The job when it has succeeded, without blocking the event loop. Like `wait`."""
        with self._watching(timeout, on_event, progress, clock) as watch:
            while (delay := await asyncio.to_thread(watch.look)) is not None:
                await clock.sleep_async(delay)
        return await asyncio.to_thread(self._ended, watch)

    def cancel(self) -> Self:
        """The job, asked to stop. Cancelling an ended job changes nothing."""
        return self.seen(retrying(lambda: self._trainer.cancel(self.id)))

    async def cancel_async(self) -> Self:
        """The job, asked to stop, without blocking the event loop. Like `cancel`."""
        return await asyncio.to_thread(self.cancel)

    def pause(self) -> Self:
        """The job, asked to pause.

        Raises:
            UsageError: The provider can't pause.
        """
        return self.seen(self._pauser.pause(self.id))

    async def pause_async(self) -> Self:
        """The job, asked to pause, without blocking the event loop. Like `pause`."""
        return await asyncio.to_thread(self.pause)

    def resume(self) -> Self:
        """The job, asked to go on.

        Raises:
            UsageError: The provider can't pause.
        """
        return self.seen(self._pauser.resume(self.id))

    async def resume_async(self) -> Self:
        """The job, asked to go on, without blocking the event loop. Like `resume`."""
        return await asyncio.to_thread(self.resume)

    def retarget(
        self,
        provider: str | Provider,
        *,
        model: str,
        training: Data | None = None,
        **options: Unpack[JobOptions],
    ) -> "Job":
        """The same data and specification as a new job on another provider or base; `moved` says what changed.

        Args:
            provider: A name, or a connected provider.
            model: The new base model.
            training: The data, where this workspace has no copy of it; likewise `validation`.
            options: As in `create`; what isn't given comes from this job.

        Raises:
            UsageError: The data isn't here.
            InvalidDataError: The new provider can't take the data; nothing was sent.
            ProviderError: As in `create`.
        """
        target = connected(provider, self._journal.workspace)
        move, plan = self._moving(target, model, training, options)
        return attrs.evolve(self._started(plan, target, self._journal), moved=move)

    async def retarget_async(
        self, provider: str | Provider, *, model: str, training: Data | None = None, **options: Unpack[JobOptions]
    ) -> "Job":
        """The same job elsewhere, without blocking the event loop. Like `retarget`."""
        return await asyncio.to_thread(self.retarget, provider, model=model, training=training, **options)

    # -- ask -------------------------------------------------------------------------------------------------------

    def plan_retarget(
        self, provider: str | Provider, *, model: str, training: Data | None = None, **options: Unpack[JobOptions]
    ) -> Move:
        """What `retarget` would change, cost and meet; nothing is sent. Arguments and errors are its own."""
        return self._moving(connected(provider, self._journal.workspace), model, training, options)[0]

    # -- for the modules beside this one -----------------------------------------------------------------------------

    @property
    def watched(self) -> Watched:
        """The job as `Watch` takes it."""
        return Watched(provider=self.provider, snapshot=self.snapshot, trainer=self._trainer)

    def seen(self, snapshot: JobSnapshot) -> Self:
        """The job with what was seen of it since, noted in the journal."""
        JobRecords(self._journal).seen(self.provider, snapshot)
        return attrs.evolve(self, snapshot=snapshot)

    # -- private ---------------------------------------------------------------------------------------------------

    @classmethod
    def _started(cls, plan: Plan, connection: Provider, journal: Journal) -> "Job":
        creation = plan.start()
        return cls(
            provider=connection.name,
            snapshot=creation.snapshot,
            training_fingerprint=plan.training.fingerprint,
            validation_fingerprint=plan.validation.fingerprint if plan.validation else None,
            existing=creation.existing,
            findings=plan.warnings,
            connection=connection,
            journal=journal,
        )

    @classmethod
    def _known(cls, connection: Provider, journal: Journal, snapshot: JobSnapshot, record: JobRecord | None) -> "Job":
        JobRecords(journal).seen(connection.name, snapshot)
        return cls(
            provider=connection.name,
            snapshot=snapshot,
            training_fingerprint=record.training_fingerprint if record else None,
            validation_fingerprint=record.validation_fingerprint if record else None,
            existing=True,
            connection=connection,
            journal=journal,
        )

    @property
    def _pauser(self) -> Pauser:
        if self._connection.pauser is None:
            raise UsageError(f"{self.provider} can't pause jobs; cancel instead")
        return self._connection.pauser

    @contextmanager
    def _watching(
        self, timeout: float | None, on_event: OnEvent | None, progress: bool | None, clock: Clock
    ) -> Generator[Watch]:
        with bar(self.id, wanted=progress) as show:
            total = None if show is None else self._total_usd()

            def shown(snapshot: JobSnapshot, events: tuple[JobEvent, ...]) -> None:
                assert show is not None  # else nobody listens
                show(Progress.of(snapshot, events, now=clock.now(), total_usd=total))

            yield Watch(
                (self.watched,),
                timeout=timeout,
                clock=clock,
                on_event=None if on_event is None else lambda _, event: on_event(event),
                on_look=None if show is None else shown,
            )

    def _ended(self, watch: Watch) -> Self:
        job = self.seen(watch.seen[self.id])
        require_success(job.snapshot)
        return job

    def _moving(self, target: Provider, model: str, training: Data | None, options: JobOptions) -> tuple[Move, Plan]:
        record = JobRecords(self._journal).by_job_id(self.id)
        origin = Origin(
            provider=self.provider,
            snapshot=self.snapshot,
            hyperparameters=(self.snapshot if record is None else record.request).hyperparameters,
            training_fingerprint=self.training_fingerprint,
            validation_fingerprint=self.validation_fingerprint,
        )
        return plan_move(origin, target, model=model, journal=self._journal, training=training, options=options)


def _record(name: str, records: JobRecords) -> JobRecord | None:
    """The job that an id means, or a fingerprint of its data."""
    found = records.by_job_id(name)
    if found is not None or len(name) < _SHORTEST_FINGERPRINT or not set(name) <= _DIGITS:
        return found
    return next((record for record in records.by_training(name) if record.job_id is not None), None)
