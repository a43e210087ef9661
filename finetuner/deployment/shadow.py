"""Answers that nobody sees: bounded in number, memory, concurrency and money; every loss has a reason.

A shadow is never retried, and never holds up the request that it belongs to.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Literal

import attrs

from finetuner.deployment.observations import Observation

Loss = Literal["queue", "memory", "spend", "abandoned", "saturated", "base-failed", "cancelled"]
"""Why a sampled request has no shadow: the queue or its memory was full, the money was spent, the process ended, too
many late calls still run, base gave no answer to compare with, or the caller left."""

_TICK: Final = 0.01


@attrs.frozen(kw_only=True)
class ShadowOptions:
    """Bounds of a router's shadows, for each process.

    Attributes:
        capacity: Requests that wait.
        most_bytes: Their prompts and answers in memory.
        concurrency: Shadows that run at once.
        max_usd: What all of them may cost; None for no limit. Calls that run when it is reached end normally.
    """

    capacity: int = 1000
    most_bytes: int = 64 * 1024 * 1024
    concurrency: int = 8
    max_usd: float | None = None


@attrs.frozen(kw_only=True)
class ShadowOutcome:
    """What came of a shadow that was asked.

    Attributes:
        event: To record.
        ok: Whether there is an answer.
        cost_usd: As far as it is known.
    """

    event: Observation
    ok: bool
    cost_usd: float = 0.0


class Shadow:
    """One request's shadow: it ends once, with an outcome or a loss."""

    __slots__ = ("_ended", "_lock", "_settle", "ask", "ask_async", "size")

    def __init__(
        self,
        settle: Callable[[ShadowOutcome | Loss], None],
        *,
        ask: Callable[[], ShadowOutcome | Loss] | None = None,
        ask_async: Callable[[], Coroutine[Any, Any, ShadowOutcome | Loss]] | None = None,
        size: int = 0,
    ) -> None:
        """Describe what to do.

        Args:
            settle: Told once what came of it.
            ask: Asks the model; never raises.
            ask_async: Instead of `ask`, in the event loop of whoever submits it.
            size: Bytes that it holds.
        """
        self.ask = ask
        self.ask_async = ask_async
        self.size = size
        self._settle = settle
        self._lock = threading.Lock()
        self._ended = False

    def end(self, outcome: ShadowOutcome | Loss) -> bool:
        """End it; False, and nothing happens, where it had ended before."""
        with self._lock:
            first, self._ended = not self._ended, True
        if first:
            self._settle(outcome)
        return first


class ShadowQueue:
    """Runs shadows on daemon threads, or in the caller's event loop; sheds the newest.

    A forked child needs `reset`: threads don't cross a fork, and the parent answers for what waits.
    """

    def __init__(self, options: ShadowOptions | None = None) -> None:
        self._options = options or ShadowOptions()
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[Shadow] = deque()
        self._running: set[Shadow] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = 0
        self._bytes = 0
        self._spent = 0.0
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """Shadows `sampled`, of which `done`, `failed`, and lost, by reason; the rest waits or runs."""
        with self._lock:
            return dict(self._counts)

    @property
    def spent_usd(self) -> float:
        """What they cost so far, as far as prices are known."""
        return self._spent

    def submit(self, shadow: Shadow, loss: Loss | None = None) -> bool:
        """Run a shadow later; False where it is lost.

        Args:
            shadow: What to run.
            loss: Why it is lost already.
        """
        with self._lock:
            self._counts["sampled"] += 1
            loss = loss or self._no_room(shadow)
            if loss is None:
                self._waiting.append(shadow)
                self._bytes += shadow.size
                if shadow.ask is not None:
                    self._hire()
                    self._changed.notify()
                else:
                    self._advance()
        if loss is not None:
            self._end(shadow, loss)
        return loss is None

    def drain(self, seconds: float = 5.0) -> bool:
        """Block until nothing waits or runs, at most so many seconds; whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._running), seconds)

    async def drain_async(self, seconds: float = 5.0) -> bool:
        """Like `drain`, without blocking the event loop."""
        until = time.monotonic() + seconds
        while not self.drain(0):
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_TICK)
        return True

    def abandon(self) -> None:
        """Lose all that waits or runs."""
        with self._lock:
            left = [*self._waiting, *self._running]
            self._waiting.clear()
            self._bytes = 0
        for shadow in left:
            self._end(shadow, "abandoned")

    def _no_room(self, shadow: Shadow) -> Loss | None:
        if self._broke():
            return "spend"
        if len(self._waiting) >= self._options.capacity:
            return "queue"
        return "memory" if self._bytes + shadow.size > self._options.most_bytes else None

    def _broke(self) -> bool:
        return self._options.max_usd is not None and self._spent >= self._options.max_usd

    def _end(self, shadow: Shadow, outcome: ShadowOutcome | Loss) -> None:
        counted = shadow.end(outcome)
        with self._changed:
            self._running.discard(shadow)
            if isinstance(outcome, ShadowOutcome):
                self._spent += outcome.cost_usd
            if counted:
                self._counts[_word(outcome)] += 1
            self._changed.notify_all()

    def _hire(self) -> None:
        if self._threads < min(self._options.concurrency, len(self._waiting) + len(self._running)):
            self._threads += 1
            threading.Thread(target=self._work, name="finetuner-shadow", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (shadow := self._next()):
                    self._changed.wait()
                broke = self._broke()
            assert shadow.ask is not None
            self._end(shadow, "spend" if broke else shadow.ask())

    def _advance(self) -> None:
        """Start shadows in the running event loop, as many as may run at once. The lock is held."""
        while shadow := self._next():
            task = asyncio.get_running_loop().create_task(self._run(shadow))
            self._tasks.add(task)  # the loop itself keeps only weak references
            task.add_done_callback(self._tasks.discard)

    async def _run(self, shadow: Shadow) -> None:
        assert shadow.ask_async is not None
        try:
            outcome: ShadowOutcome | Loss = "spend" if self._broke() else await shadow.ask_async()
        except asyncio.CancelledError:  # the loop ends without aclose()
            self._end(shadow, "abandoned")
            raise
        self._end(shadow, outcome)
        with self._lock:
            self._advance()

    def _next(self) -> Shadow | None:
        """The next shadow, now running; None where none waits or enough run. The lock is held."""
        if not self._waiting or len(self._running) >= self._options.concurrency:
            return None
        shadow = self._waiting.popleft()
        self._bytes -= shadow.size
        self._running.add(shadow)
        return shadow


def _word(outcome: ShadowOutcome | Loss) -> str:
    if isinstance(outcome, ShadowOutcome):
        return "done" if outcome.ok else "failed"
    return outcome
