"""Waiting for many jobs at once, with one look at each provider for all of its jobs."""

import asyncio
from collections.abc import Callable, Sequence

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.providers.ports import JobEvent
from finetuner.training.job import Job
from finetuner.training.watching import Watch

OnJobEvent = Callable[[str, JobEvent], None]
"""Is told of every event once, in order, with its job's id."""


def wait_all(
    jobs: Sequence[Job],
    timeout: float | None = None,
    on_event: OnJobEvent | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[Job, ...]:
    """The jobs when all have ended, in the same order; one that failed doesn't hide the others: look at `status`.

    Args:
        jobs: Of any providers.
        timeout: Seconds; None waits as long as it takes.
        on_event: Is told of every event once.
        clock: The clock.

    Raises:
        JobTimeoutError: The time is over; the jobs themselves go on.
        ProviderError: Looking failed for good; the jobs themselves go on.
    """
    watch = Watch([job.watched for job in jobs], timeout=timeout, clock=clock, on_event=on_event)
    while (delay := watch.look()) is not None:
        clock.sleep(delay)
    return _ended(jobs, watch)


async def wait_all_async(
    jobs: Sequence[Job],
    timeout: float | None = None,
    on_event: OnJobEvent | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[Job, ...]:
    """The jobs when all have ended, without blocking the event loop. Like `wait_all`."""
    watch = Watch([job.watched for job in jobs], timeout=timeout, clock=clock, on_event=on_event)
    while (delay := await asyncio.to_thread(watch.look)) is not None:
        await clock.sleep_async(delay)
    return _ended(jobs, watch)


def _ended(jobs: Sequence[Job], watch: Watch) -> tuple[Job, ...]:
    return tuple(job.seen(watch.seen[job.id]) for job in jobs)
