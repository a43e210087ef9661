"""Many calls, bounded and adaptive, each kept before it counts. What to do next is a `Schedule`; two drivers do it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import attrs

from finetuner._core.clock import Clock
from finetuner._core.concurrency import ConcurrencyPolicy, ConcurrencyState
from finetuner._core.money import usd
from finetuner._core.retry import retrying, retrying_async
from finetuner.errors import (
    AuthenticationError,
    BudgetExceededError,
    FinetunerError,
    NotFoundError,
    ProviderError,
    RateLimitError,
)

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Progress:
    """How far an evaluation is.

    Attributes:
        done: Rows that have an answer or an error, those of earlier runs included.
        total: Rows in all.
        rate: Rows per second in this run.
        eta: Seconds until the end at this rate; None where nothing is done yet.
        cost: USD spent, earlier runs included; None where the price is unknown.
    """

    done: int
    total: int
    rate: float
    eta: float | None
    cost: float | None


@attrs.frozen(kw_only=True)
class Outcome(Generic[T]):
    """What became of one call.

    Attributes:
        row: Row number.
        value: The answer, None where there is an error.
        error: Why there is none.
    """

    row: int
    value: T | None = None
    error: Exception | None = None

    @property
    def fatal(self) -> bool:
        """Whether no other call can work either: a wrong key, an unknown model, or an error of our own."""
        expected = isinstance(self.error, ProviderError)
        return self.error is not None and (not expected or isinstance(self.error, AuthenticationError | NotFoundError))


@attrs.frozen(kw_only=True)
class Budget(Generic[T]):
    """What calls cost.

    Attributes:
        limit: USD that may be spent, None for no limit.
        spent: USD spent before this run.
        price: USD of an answer.
        worst_price: USD that a row's answer may cost at most, as far as that can be known before it is sent.
    """

    limit: float | None
    spent: float
    price: Callable[[T], float]
    worst_price: Callable[[int], float]


@attrs.frozen(kw_only=True)
class Work(Generic[T]):
    """Calls to make.

    Attributes:
        rows: Row numbers, in the order of sending.
        ask: Makes one call.
        ask_async: The same without blocking the event loop.
        keep: Writes answers to the journal; returns when they are on disk. Never called twice at once.
        budget: What calls cost.
        policy: How many at once.
        clock: Time.
        advanced: Told after every write: outcomes settled in this run, USD spent in all, seconds since the start.
    """

    rows: Sequence[int]
    ask: Callable[[int], T]
    ask_async: Callable[[int], Awaitable[T]]
    keep: Callable[[dict[int, T]], None]
    budget: Budget[T]
    policy: ConcurrencyPolicy
    clock: Clock
    advanced: Callable[[int, float, float], None]


class Schedule(Generic[T]):
    """What to send next, decided without clock, threads or I/O. Used from one thread.

    Attributes:
        outcomes: What is settled, by row number.
    """

    def __init__(self, rows: Sequence[int], budget: Budget[T], policy: ConcurrencyPolicy) -> None:
        self.outcomes: dict[int, Outcome[T]] = {}
        self._pending = deque(rows)
        self._flying: dict[int, float] = {}  # row: USD that it may cost
        self._budget = budget
        self._spent = budget.spent
        self._state: ConcurrencyState = policy.start()
        self._out_of_budget = False

    @property
    def spent(self) -> float:
        """USD spent, earlier runs included."""
        return self._spent

    @property
    def finished(self) -> bool:
        """Whether nothing flies and nothing is to be sent."""
        return not self._flying and (not self._pending or self._out_of_budget)

    def pause(self, now: float) -> float:
        """Seconds for which nothing may be sent."""
        return self._state.pause(now)

    def take(self, now: float) -> list[int]:
        """The rows to send at once; they count as in flight from now on."""
        rows: list[int] = []
        while self._pending and not self.pause(now) and len(self._flying) < self._state.allowed:
            worst = self._budget.worst_price(self._pending[0])
            if not self._affordable(worst):
                break
            row = self._pending.popleft()
            self._flying[row] = worst
            rows.append(row)
        return rows

    def land(self, outcome: Outcome[T], now: float) -> None:
        """Take note of an outcome. A throttled row waits for its next turn, as long as there is patience."""
        del self._flying[outcome.row]
        error = outcome.error
        if isinstance(error, RateLimitError) and error.retryable:
            self._state = self._state.throttled(now, error.retry_after)
            if not self._state.exhausted(now):
                self._pending.appendleft(outcome.row)
                return
        elif outcome.value is not None:
            self._state = self._state.succeeded(now)
            self._spent += self._budget.price(outcome.value)
        self.outcomes[outcome.row] = outcome

    def require_budget(self) -> None:
        """Raise where rows are left because of the budget.

        Raises:
            BudgetExceededError: The message says how far the money went.
        """
        if not self._pending or self._budget.limit is None:
            return
        rest = sum(self._budget.worst_price(row) for row in self._pending)
        raise BudgetExceededError(
            f"stopped at {usd(self._spent)} of max_usd {usd(self._budget.limit)}: {len(self._pending)} rows are left, "
            f"up to {usd(rest)}; answers so far are kept, run again with a higher max_usd to go on",
            limit_usd=self._budget.limit,
            estimated_usd=self._spent + rest,
        )

    def _affordable(self, worst: float) -> bool:
        limit = self._budget.limit
        # What flies may turn out cheaper: only when nothing flies is the money really gone.
        affordable = limit is None or self._spent + sum(self._flying.values()) + worst <= limit
        self._out_of_budget = not affordable and not self._flying
        return affordable


def run_threads(work: Work[T]) -> Schedule[T]:
    """Make all calls from threads of their own; works inside a running event loop too.

    An interruption (an error of `keep`, Ctrl-C) waits for what flies and keeps it before it goes on its way.

    Raises:
        AuthenticationError: No call can work. Likewise `NotFoundError`.
        BudgetExceededError: The money didn't reach; all answers so far are kept.
    """
    schedule = Schedule(work.rows, work.budget, work.policy)
    started = work.clock.monotonic()
    flying: set[Future[Outcome[T]]] = set()
    with ThreadPoolExecutor(work.policy.maximum, thread_name_prefix="finetuner-evaluation") as pool:
        try:
            while not schedule.finished:
                now = work.clock.monotonic()
                flying |= {pool.submit(_attempt, work, row) for row in schedule.take(now)}
                pause = schedule.pause(now)
                if flying:
                    landed, flying = wait(flying, timeout=pause or None, return_when=FIRST_COMPLETED)
                    _settle(work, schedule, [future.result() for future in landed], started)
                elif pause:
                    work.clock.sleep(pause)
        except BaseException:
            work.keep(_values([future.result() for future in wait(flying).done]))
            raise
    schedule.require_budget()
    return schedule


async def run_tasks(work: Work[T]) -> Schedule[T]:
    """Make all calls as tasks of the running event loop. The journal is written in a thread. Like `run_threads`."""
    schedule = Schedule(work.rows, work.budget, work.policy)
    started = work.clock.monotonic()
    flying: set[asyncio.Task[Outcome[T]]] = set()
    try:
        while not schedule.finished:
            now = work.clock.monotonic()
            flying |= {asyncio.create_task(_attempt_async(work, row)) for row in schedule.take(now)}
            pause = schedule.pause(now)
            if flying:
                landed, flying = await asyncio.wait(flying, timeout=pause or None, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.to_thread(_settle, work, schedule, [task.result() for task in landed], started)
            elif pause:
                await work.clock.sleep_async(pause)
    except BaseException:
        if flying:
            landed, _ = await asyncio.wait(flying)
            work.keep(_values([task.result() for task in landed]))
        raise
    schedule.require_budget()
    return schedule


def _settle(work: Work[T], schedule: Schedule[T], outcomes: list[Outcome[T]], started: float) -> None:
    """Write first, count second."""
    work.keep(_values(outcomes))
    for outcome in outcomes:
        schedule.land(outcome, work.clock.monotonic())
    for outcome in outcomes:
        if outcome.error is not None and outcome.fatal:
            raise outcome.error
    if outcomes:
        work.advanced(len(schedule.outcomes), schedule.spent, work.clock.monotonic() - started)


def _values(outcomes: list[Outcome[T]]) -> dict[int, T]:
    return {outcome.row: outcome.value for outcome in outcomes if outcome.value is not None}


def _attempt(work: Work[T], row: int) -> Outcome[T]:
    """One call, tried again where that may help; throttling is the schedule's business and comes back at once."""

    def once() -> T:
        try:
            return work.ask(row)
        except RateLimitError as error:
            raise _ThrottledError(error) from error

    try:
        return Outcome(row=row, value=retrying(once, clock=work.clock))
    except _ThrottledError as throttled:
        return Outcome(row=row, error=throttled.error)
    except Exception as error:  # noqa: BLE001 - raised by _settle, after the answers beside it are kept
        return Outcome(row=row, error=error)


async def _attempt_async(work: Work[T], row: int) -> Outcome[T]:
    async def once() -> T:
        try:
            return await work.ask_async(row)
        except RateLimitError as error:
            raise _ThrottledError(error) from error

    try:
        return Outcome(row=row, value=await retrying_async(once, clock=work.clock))
    except _ThrottledError as throttled:
        return Outcome(row=row, error=throttled.error)
    except Exception as error:  # noqa: BLE001 - raised by _settle, after the answers beside it are kept
        return Outcome(row=row, error=error)


class _ThrottledError(FinetunerError):
    """Carries a rate limit past the retries of a single call."""

    def __init__(self, error: RateLimitError) -> None:
        super().__init__(str(error))
        self.error = error
