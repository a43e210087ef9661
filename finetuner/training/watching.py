"""When to look at jobs again: pure decisions, and one shared look at many jobs.

The pace starts fast, slows down while nothing changes, is fast again after a change, follows the provider's estimate of
the end and its `Retry-After`, and outlasts outages. The driver of a wait is two lines, so that it is the same blocking
and not.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from finetuner._core.clock import Clock
from finetuner.errors import JobTimeoutError, ProviderError
from finetuner.providers.ports import JobEvent, JobSnapshot, Trainer

FIRST: Final = 0.2
SLOWEST: Final = 10.0
_FACTOR: Final = 1.25
_PARTS: Final = 10
_FASTEST_BY_ESTIMATE: Final = 1.0
_LISTED_AT_ONCE: Final = 100

OnEvent = Callable[[str, JobEvent], None]
"""Is told of every event once, in order, with its job's id."""

OnLook = Callable[[JobSnapshot, tuple[JobEvent, ...]], None]
"""Is told of a job and its events after each look."""


@attrs.frozen(kw_only=True)
class Pace:
    """How long to wait before the next look. Each verb returns a new pace; times are in seconds.

    Attributes:
        delay: Until the next look.
        seen: What the last look saw.
        failing_since: Since when there were failures only, on the monotonic clock; None where the last look worked.
        patience: How long failures may last before they are passed on.
    """

    delay: float = FIRST
    seen: tuple[object, ...] = ()
    failing_since: float | None = None
    patience: float = 600.0

    def after(self, jobs: Iterable[JobSnapshot], now: float) -> "Pace":
        """The pace after a look.

        Args:
            jobs: Those that haven't ended.
            now: Seconds since the epoch, as in the jobs' `estimated_finish`.
        """
        jobs = tuple(jobs)
        seen = tuple((job.id, job.status, job.epoch) for job in jobs)
        grown = FIRST if seen != self.seen else min(SLOWEST, self.delay * _FACTOR)
        left = min((job.estimated_finish - now for job in jobs if job.estimated_finish is not None), default=math.inf)
        near = max(_FASTEST_BY_ESTIMATE, left / _PARTS)
        return attrs.evolve(self, delay=min(grown, near), seen=seen, failing_since=None)

    def failed(self, error: ProviderError, now: float) -> "Pace":
        """The pace after a look that failed.

        Args:
            error: Why.
            now: Monotonic seconds.

        Raises:
            ProviderError: It isn't worth trying again, or was tried for longer than patience lasts.
        """
        since = now if self.failing_since is None else self.failing_since
        if not error.retryable or now - since > self.patience:
            error.add_note("the job itself goes on; wait again to re-attach")
            raise error
        delay = error.retry_after if error.retry_after is not None else min(SLOWEST, max(1.0, self.delay * 2))
        return attrs.evolve(self, delay=delay, failing_since=since)


@attrs.frozen(kw_only=True)
class Watched:
    """A job to be watched.

    Attributes:
        provider: Its provider's name.
        snapshot: What was seen of it last.
        trainer: Who knows more.
    """

    provider: str
    snapshot: JobSnapshot
    trainer: Trainer


class Watch:
    """Looks at jobs until all have ended. Holds what it saw: the one mutable thing of a wait."""

    def __init__(
        self,
        jobs: Sequence[Watched],
        *,
        timeout: float | None,
        clock: Clock,
        on_event: OnEvent | None = None,
        on_look: OnLook | None = None,
    ) -> None:
        """Watch some jobs.

        Args:
            jobs: What was seen of each last, and who knows more.
            timeout: Seconds; None waits as long as it takes.
            clock: The clock.
            on_event: Is told of every event once.
            on_look: Is told of each job after each look.
        """
        self._jobs = {job.snapshot.id: job for job in jobs}
        self._seen = {job.snapshot.id: job.snapshot for job in jobs}
        self._finished: set[str] = set()
        self._told: set[str] = set()
        self._pace = Pace()
        self._clock = clock
        self._timeout = timeout
        self._end = math.inf if timeout is None else clock.monotonic() + timeout
        self._on_event = on_event
        self._on_look = on_look

    @property
    def seen(self) -> Mapping[str, JobSnapshot]:
        """What was seen of each job last, by its id."""
        return self._seen

    def look(self) -> float | None:
        """Look at all jobs that haven't ended, and tell who listens.

        Returns:
            Seconds until the next look; None when all have ended.

        Raises:
            JobTimeoutError: The time is over; the jobs themselves go on.
            ProviderError: Looking failed for good.
        """
        try:
            self._refresh()
        except ProviderError as error:
            self._pace = self._pace.failed(error, self._clock.monotonic())
        else:
            open_jobs = [job for job in self._seen.values() if not job.ended]
            self._pace = self._pace.after(open_jobs, self._clock.now())
            if not open_jobs:
                return None
        left = self._end - self._clock.monotonic()
        if left <= 0:
            late = next(job.id for job in self._seen.values() if not job.ended)
            message = f"job {late} hasn't ended after {self._timeout:g} s; it goes on, wait again to re-attach"
            raise JobTimeoutError(message, job_id=late)
        return min(self._pace.delay, left)

    def _refresh(self) -> None:
        by_provider: dict[str, list[Watched]] = defaultdict(list)
        for job_id, job in self._jobs.items():
            if job_id not in self._finished:
                by_provider[job.provider].append(job)
        for jobs in by_provider.values():
            for job, snapshot in _looked_at(jobs):
                self._seen[snapshot.id] = snapshot
                self._tell(snapshot, job.trainer)
                if snapshot.ended:
                    self._finished.add(snapshot.id)  # only now: a failure above looks again, and tells what is left

    def _tell(self, snapshot: JobSnapshot, trainer: Trainer) -> None:
        if self._on_event is None and self._on_look is None:
            return
        events = trainer.events(snapshot.id)
        if self._on_look is not None:
            self._on_look(snapshot, events)
        if self._on_event is not None:
            self._tell_new(snapshot.id, events, self._on_event)

    def _tell_new(self, job_id: str, events: Iterable[JobEvent], listener: OnEvent) -> None:
        for event in events:
            if (mark := f"{job_id}/{event.id}") not in self._told:
                self._told.add(mark)
                listener(job_id, event)


def _looked_at(jobs: Sequence[Watched]) -> Iterator[tuple[Watched, JobSnapshot]]:
    """The jobs now: one list for many of one provider, and a look of its own for each that the list doesn't hold."""
    listed = jobs[0].trainer.list(_LISTED_AT_ONCE) if len(jobs) > 1 else ()
    now = {(job.id, job.created_at): job for job in listed}
    for job in jobs:
        known = job.snapshot
        yield job, now.get((known.id, known.created_at)) or job.trainer.get(known.id)
