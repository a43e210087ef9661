"""Answers through a provider's batch interface: later and cheaper, with the same outcome row by row.

A batch is created under a key that is decided by the evaluation, the piece of its rows and the number of the try, and
looked for by that key first: a run that is killed finds its batch again instead of paying for another.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

import attrs

from finetuner._core.clock import Clock
from finetuner._core.hashing import json_sha256
from finetuner._core.waiting import PollPolicy
from finetuner.errors import (
    BudgetExceededError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    UnexpectedAnswerError,
)
from finetuner.evaluation.execution import Outcome, Work
from finetuner.providers.ports import BatchAnswer, BatchCompleter, BatchRequest, BatchSnapshot, Completion

_PIECE: Final = 10_000
_POLL: Final = PollPolicy(initial=1.0, factor=1.5, ceiling=60.0)
_AMBIGUOUS: Final = (ProviderConnectionError, ProviderTimeoutError, UnexpectedAnswerError)


@attrs.frozen(kw_only=True)
class BatchWork:
    """What is to be answered by batches.

    Attributes:
        evaluation: Its id.
        model: The provider's id of the model.
        batches: The provider's interface.
        total: Rows of the data, answered or not.
        request: The question of a row.
        work: What is left, where answers are kept, and what it may cost.
    """

    evaluation: str
    model: str
    batches: BatchCompleter
    total: int
    request: Callable[[int], BatchRequest]
    work: Work[Completion]


def run_batches(job: BatchWork) -> dict[int, Outcome[Completion]]:
    """Create what is missing, wait, and keep every answer.

    Raises:
        BudgetExceededError: It might cost too much (nothing is created then), or the time is over.
        ProviderError: A batch can't be created or read.
    """
    clock = job.work.clock
    steps = _steps(job, clock)
    for pause in steps:
        clock.sleep(pause)
    return steps.outcomes


async def run_batches_async(job: BatchWork) -> dict[int, Outcome[Completion]]:
    """Like `run_batches`; waits without blocking the event loop, while looking is short."""
    clock = job.work.clock
    steps = _steps(job, clock)
    async for pause in _each(steps):
        await clock.sleep_async(pause)
    return steps.outcomes


class _Steps(Iterator[float]):
    """A run of batches as a sequence of pauses, with its outcomes."""

    def __init__(self, pauses: Callable[[dict[int, Outcome[Completion]]], Iterator[float]]) -> None:
        self.outcomes: dict[int, Outcome[Completion]] = {}
        self._pauses = pauses(self.outcomes)

    def __next__(self) -> float:
        return next(self._pauses)


def _steps(job: BatchWork, clock: Clock) -> _Steps:
    return _Steps(lambda outcomes: _run(job, clock, outcomes))


async def _each(pauses: Iterator[float]) -> AsyncIterator[float]:
    for pause in pauses:
        yield pause


def _run(job: BatchWork, clock: Clock, outcomes: dict[int, Outcome[Completion]]) -> Iterator[float]:
    rows, budget, started = set(job.work.rows), job.work.budget, clock.monotonic()
    worst = budget.spent
    for row in job.work.rows:
        worst += budget.worst(row)
    if not budget.affords(worst, 0.0):
        budget.refuse(budget.spent, job.work.rows)
    for start in range(0, job.total, _PIECE):
        missing = [row for row in range(start, min(start + _PIECE, job.total)) if row in rows]
        attempt = 0
        while missing:
            key = json_sha256({"evaluation": job.evaluation, "from": start, "attempt": attempt})
            found = job.batches.find(key)
            batch = _created(job, missing, key) if found is None else found
            for pause in _POLL.delays():
                if batch.ended:
                    break
                _require_time(job, outcomes, clock.monotonic() - started)
                yield pause
                batch = job.batches.get(batch.id)
            _keep(job, batch, frozenset(missing), outcomes)
            job.work.advanced(len(outcomes), budget.spent, clock.monotonic() - started)
            missing = [row for row in missing if row not in outcomes or outcomes[row].value is None]
            if found is None:
                break
            attempt += 1


def _created(job: BatchWork, rows: Sequence[int], key: str) -> BatchSnapshot:
    """A new batch; one that exists although its creator never heard of it is found instead."""
    requests = [job.request(row) for row in rows]
    try:
        return job.batches.create(job.model, requests, key=key)
    except _AMBIGUOUS:
        found = job.batches.find(key)
        if found is None:
            raise
        return found


def _keep(job: BatchWork, batch: BatchSnapshot, rows: frozenset[int], outcomes: dict[int, Outcome[Completion]]) -> None:
    """Keep the answers of an ended batch; rows that it leaves open have an error that says why."""
    for answer in job.batches.answers(batch.id):
        row = int(answer.id)
        if row not in rows:
            continue
        if answer.completion is not None:
            job.work.keep(row, answer.completion)
        outcomes[row] = Outcome(row=row, value=answer.completion, error=_error(answer))
    reason = batch.failure.message if batch.failure is not None else batch.raw_status or batch.status
    for row in rows - outcomes.keys():
        outcomes[row] = Outcome(row=row, error=ProviderError(f"batch {batch.id} has no answer to this row: {reason}"))


def _error(answer: BatchAnswer) -> ProviderError | None:
    if answer.completion is not None:
        return None
    failure = answer.failure
    return ProviderError(failure.message if failure else "no answer", code=failure.code if failure else None)


def _require_time(job: BatchWork, outcomes: dict[int, Outcome[Completion]], seconds: float) -> None:
    limit = job.work.budget.limits.seconds
    if limit is not None and seconds >= limit:
        left = [row for row in job.work.rows if row not in outcomes]
        worst = sum(job.work.budget.worst_price(row).usd for row in left)
        raise BudgetExceededError(
            f"stopped at the end of max_seconds {limit:g}: the batch goes on without us; run again to collect its "
            f"{len(left)} answers",
            limit_usd=job.work.budget.limits.usd or float("inf"),
            estimated_usd=job.work.budget.spent.usd + worst,
        )
