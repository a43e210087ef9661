"""Calls that must end in time, whatever the called code does: each on a thread or task that can be left behind."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")

_MOST_IDLE: Final = 64
_MOST_LEFT_BEHIND: Final = 32


class LateError(TimeoutError):
    """The call didn't end in time; its thread was left behind."""


class SaturatedError(RuntimeError):
    """Too many calls that were left behind still run: this one was not made."""


class SelfCancelledError(RuntimeError):
    """The call was cancelled by what it called, not by its caller."""


class _Job(Generic[T]):
    """A call and its outcome."""

    __slots__ = ("_call", "_context", "done", "error", "late", "lock", "result")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._context = contextvars.copy_context()
        self.done = False
        self.late = False
        self.lock = threading.Lock()
        self.lock.acquire()
        self.error: BaseException | None = None
        self.result: T | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self.result = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001  # handed to the caller, who waits for it
            self.error = error
        self.done = True
        self.lock.release()


class Deadlines:
    """Runs calls with a deadline; thread-safe. A forked child needs `reset`.

    Attributes:
        left_behind: Late calls that still run.
    """

    def __init__(self, *, most_left_behind: int = _MOST_LEFT_BEHIND) -> None:
        self._most = most_left_behind
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child: threads don't cross a fork."""
        self._lock = threading.Lock()
        self._idle: deque[SimpleQueue[_Job[object]]] = deque()
        self.left_behind = 0

    def run(self, call: Callable[[], T], seconds: float | None) -> T:
        """What a call gives.

        Args:
            call: Runs on another thread, in the caller's context (`contextvars`).
            seconds: It may take; None runs it right here.

        Raises:
            LateError: It took longer.
            SaturatedError: Too many late calls still run.
        """
        if seconds is None:
            return call()
        self._require_room()
        job = _Job(call)
        self._worker().put(cast("_Job[object]", job))
        if not job.lock.acquire(timeout=seconds):
            self._leave_behind(job)
            raise LateError(f"no answer within {seconds:g} s")
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    async def run_async(self, call: Coroutine[Any, Any, T], seconds: float) -> T:
        """What a coroutine gives; like `run`, in a task of its own.

        A caller that is cancelled cancels the call. A call that cancels itself has failed.
        """
        try:
            self._require_room()
        except SaturatedError:
            call.close()
            raise
        task = asyncio.get_running_loop().create_task(_caught(call))
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            self.left_behind += 1
            task.add_done_callback(self._came_back)
            raise LateError(f"no answer within {seconds:g} s")
        error = task.result()[1]
        if error is not None:
            raise SelfCancelledError("the call cancelled itself") if _cancelled(error) else error
        return cast("T", task.result()[0])

    def _came_back(self, _task: object) -> None:
        self.left_behind -= 1

    def _require_room(self) -> None:
        if self.left_behind >= self._most:
            raise SaturatedError(f"{self.left_behind} late calls still run")

    def _leave_behind(self, job: "_Job[T]") -> None:
        with self._lock:
            if not job.done:
                job.late = True
                self.left_behind += 1

    def _worker(self) -> SimpleQueue[_Job[object]]:
        try:
            return self._idle.pop()
        except IndexError:
            inbox: SimpleQueue[_Job[object]] = SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), name="finetuner-call", daemon=True).start()
            return inbox

    def _work(self, inbox: SimpleQueue[_Job[object]]) -> None:
        while True:
            job = inbox.get()
            job.run()
            with self._lock:
                self.left_behind -= job.late
            del job
            if len(self._idle) >= _MOST_IDLE:
                return
            self._idle.append(inbox)


async def in_thread(call: Callable[[], T]) -> T:
    """What a blocking call gives, from a daemon thread of its own.

    Unlike the event loop's own threads there is no limit to wait for, and one that hangs doesn't keep the loop, or the
    process, from ending.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[_Job[T]] = loop.create_future()
    job = _Job(call)

    def run() -> None:
        job.run()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(_settle, ended, job)

    threading.Thread(target=run, name="finetuner-call", daemon=True).start()
    await ended
    if job.error is not None:
        raise job.error
    return cast("T", job.result)


def _settle(ended: "asyncio.Future[_Job[T]]", job: _Job[T]) -> None:
    if not ended.done():
        ended.set_result(job)


async def _caught(call: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """What a coroutine gives or raises: an error such as `SystemExit` must not end the event loop."""
    try:
        return await call, None
    except BaseException as error:  # noqa: BLE001  # handed to the caller, who waits for it
        return None, error


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError)
