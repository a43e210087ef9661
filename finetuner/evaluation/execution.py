"""Many calls, bounded and adaptive, each kept before it counts. What to do next is a `Schedule`; two drivers do it.

An answer is written by whoever receives it, in the thread or task of the call, before anybody else hears of it: a
process that is killed loses what still travels, and nothing that arrived.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

import attrs

from finetuner._core.clock import Clock
from finetuner._core.concurrency import ConcurrencyPolicy, ConcurrencyState
from finetuner._core.retry import pause_before_retry
from finetuner.errors import AuthenticationError, NotFoundError, ProviderError, RateLimitError
from finetuner.evaluation.budget import Budget, Spent

T = TypeVar("T")

_TRIES = 4


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
        value: The answer, None where there is an error. It is kept already.
        error: Why there is none.
        seconds: What the last try took.
    """

    row: int
    value: T | None = None
    error: Exception | None = None
    seconds: float | None = None

    @property
    def fatal(self) -> bool:
        """Whether no other call can work either: a wrong key, an unknown model, or an error of our own."""
        expected = isinstance(self.error, ProviderError)
        return self.error is not None and (not expected or isinstance(self.error, AuthenticationError | NotFoundError))

    @property
    def throttled(self) -> bool:
        """Whether the provider asks for patience rather than refusing: too many requests, or a pause that it names."""
        error = self.error
        if not isinstance(error, ProviderError) or not error.retryable:
            return False
        return isinstance(error, RateLimitError) or error.retry_after is not None


@attrs.frozen(kw_only=True)
class Work(Generic[T]):
    """Calls to make.

    Attributes:
        rows: Row numbers, in the order of sending.
        ask: Makes one call.
        ask_async: The same without blocking the event loop.
        keep: Writes one answer, so that it survives this process when the call returns. Called from many threads.
        budget: What calls cost.
        policy: How many at once.
        clock: Time.
        advanced: Told after every landing: outcomes settled in this run, what is spent in all, seconds since the start.
    """

    rows: Sequence[int]
    ask: Callable[[int], T]
    ask_async: Callable[[int], Awaitable[T]]
    keep: Callable[[int, T], None]
    budget: Budget[T]
    policy: ConcurrencyPolicy
    clock: Clock
    advanced: Callable[[int, Spent, float], None]


class Schedule(Generic[T]):
    """What to send next, decided without clock, threads or I/O. Used from one thread.

    Attributes:
        outcomes: What is settled, by row number.
        spent: What answers cost, those of earlier runs included.
    """

    def __init__(self, rows: Sequence[int], budget: Budget[T], policy: ConcurrencyPolicy, started: float) -> None:
        self.outcomes: dict[int, Outcome[T]] = {}
        self.spent = budget.spent
        self._pending = deque(rows)
        self._flying: dict[int, Spent] = {}  # row: what it may cost
        self._reserved = Spent()
        self._budget = budget
        self._state: ConcurrencyState = policy.start()
        self._started = started
        self._out_of_budget = False
        self._returns: dict[int, int] = {}

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
            worst = self._budget.worst(self._pending[0])
            if not self._affordable(worst, now):
                break
            row = self._pending.popleft()
            self._flying[row] = worst
            self._reserved += worst
            rows.append(row)
        return rows

    def land(self, outcome: Outcome[T], now: float) -> None:
        """Take note of an outcome. A throttled row waits for its next turn, as long as there is patience."""
        self._reserved -= self._flying.pop(outcome.row)
        if outcome.throttled and isinstance(outcome.error, ProviderError):
            self._state = self._state.throttled(now, outcome.error.retry_after)
            if not self._state.exhausted(now) and self._may_return(outcome):
                self._pending.appendleft(outcome.row)
                return
        elif outcome.value is not None:
            self._state = self._state.succeeded(now, outcome.seconds)
            self.spent += self._budget.price(outcome.value)
        self.outcomes[outcome.row] = outcome

    def require_budget(self) -> None:
        """Raise where rows are left because of the budget.

        Raises:
            BudgetExceededError: The message says how far it went.
        """
        if self._pending:
            self._budget.refuse(self.spent, tuple(self._pending))

    def _may_return(self, outcome: Outcome[T]) -> bool:
        """Too many requests are no row's fault; a breakdown that only this row meets, again and again, is."""
        self._returns[outcome.row] = self._returns.get(outcome.row, 0) + 1
        return isinstance(outcome.error, RateLimitError) or self._returns[outcome.row] < _TRIES

    def _affordable(self, worst: Spent, now: float) -> bool:
        affordable = self._budget.affords(self.spent + self._reserved + worst, now - self._started)
        # What flies may turn out cheaper: only when nothing flies is the budget really gone.
        self._out_of_budget = not affordable and not self._flying
        return affordable


def run_threads(work: Work[T]) -> Schedule[T]:
    """Make all calls from threads of their own; works inside a running event loop too.

    An interruption (an error of `keep`, Ctrl-C) waits for what flies, and keeps it, before it goes on its way.

    Raises:
        AuthenticationError: No call can work. Likewise `NotFoundError`.
        BudgetExceededError: The budget didn't reach; all answers so far are kept.
    """
    started = work.clock.monotonic()
    schedule = Schedule(work.rows, work.budget, work.policy, started)
    flying: set[Future[Outcome[T]]] = set()
    with ThreadPoolExecutor(work.policy.maximum, thread_name_prefix="finetuner-evaluation") as pool:
        while not schedule.finished:
            now = work.clock.monotonic()
            flying |= {pool.submit(_attempt, work, row) for row in schedule.take(now)}
            pause = schedule.pause(now)
            if flying:
                landed, flying = wait(flying, timeout=pause or None, return_when=FIRST_COMPLETED)
                _settle(work, schedule, [future.result() for future in landed], started)
            elif pause:
                work.clock.sleep(pause)
    schedule.require_budget()
    return schedule


async def run_tasks(work: Work[T]) -> Schedule[T]:
    """Make all calls as tasks of the running event loop. Like `run_threads`."""
    started = work.clock.monotonic()
    schedule = Schedule(work.rows, work.budget, work.policy, started)
    flying: set[asyncio.Task[None]] = set()
    landed: list[Outcome[T]] = []
    wake = asyncio.Event()

    async def fly(row: int) -> None:
        landed.append(await _attempt_async(work, row))
        wake.set()

    try:
        while not schedule.finished:
            now = work.clock.monotonic()
            for row in schedule.take(now):
                task = asyncio.create_task(fly(row))
                flying.add(task)
                task.add_done_callback(flying.discard)
            pause = schedule.pause(now)
            if flying or landed:
                await _woken(wake, pause)
                outcomes, landed[:] = landed[:], ()
                _settle(work, schedule, outcomes, started)
            elif pause:
                await work.clock.sleep_async(pause)
    finally:
        if flying:
            await asyncio.wait(flying)
    schedule.require_budget()
    return schedule


def run_here(calls: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end: in this thread, or in one of its own where this one runs an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(calls())
    with ThreadPoolExecutor(1, thread_name_prefix="finetuner-evaluation") as pool:
        return pool.submit(lambda: asyncio.run(calls())).result()


async def _woken(wake: asyncio.Event, pause: float) -> None:
    """Return when something landed, or the pause is over."""
    timer = asyncio.get_running_loop().call_later(pause, wake.set) if pause else None
    await wake.wait()
    wake.clear()
    if timer is not None:
        timer.cancel()


def _settle(work: Work[T], schedule: Schedule[T], outcomes: list[Outcome[T]], started: float) -> None:
    now = work.clock.monotonic()
    for outcome in outcomes:
        schedule.land(outcome, now)
    for outcome in outcomes:
        if outcome.error is not None and outcome.fatal:
            raise outcome.error
    if outcomes:
        work.advanced(len(schedule.outcomes), schedule.spent, now - started)


def _attempt(work: Work[T], row: int) -> Outcome[T]:
    """One call, tried again where that may help; throttling is the schedule's business and comes back at once."""
    tries = 0
    while True:
        began = work.clock.monotonic()
        try:
            value = work.ask(row)
            work.keep(row, value)
        except Exception as error:  # noqa: BLE001 - what no call can survive is raised by _settle
            outcome = Outcome[T](row=row, error=error)
        else:
            return Outcome(row=row, value=value, seconds=work.clock.monotonic() - began)
        tries += 1
        pause = _pause(outcome, tries)
        if pause is None:
            return outcome
        work.clock.sleep(pause)


async def _attempt_async(work: Work[T], row: int) -> Outcome[T]:
    tries = 0
    while True:
        began = work.clock.monotonic()
        try:
            value = await work.ask_async(row)
            work.keep(row, value)
        except Exception as error:  # noqa: BLE001 - what no call can survive is raised by _settle
            outcome = Outcome[T](row=row, error=error)
        else:
            return Outcome(row=row, value=value, seconds=work.clock.monotonic() - began)
        tries += 1
        pause = _pause(outcome, tries)
        if pause is None:
            return outcome
        await work.clock.sleep_async(pause)


def _pause(outcome: Outcome[T], tries: int) -> float | None:
    """Seconds before the same call is made again; None where it isn't."""
    return None if outcome.throttled or tries >= _TRIES else pause_before_retry(outcome.error, tries)
