"""Stops asking a model that mostly fails or dawdles, and tries again after a while.

```text
closed ──half fail, or most are slow──> open ──pause──> half open ──three good probes──> closed
                                          └──<──a probe fails, or most are slow──┘
```
"""

import threading
from collections import deque
from typing import Literal

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock

BreakerState = Literal["closed", "open", "half-open"]

_MOST_DOUBLINGS = 30


@attrs.frozen(kw_only=True)
class BreakerOptions:
    """When a breaker opens.

    Attributes:
        window: Last outcomes that count.
        minimum: Outcomes before anything is decided.
        failing: Share of failures (0 to 1) that opens it.
        slow: Share of slow answers (0 to 1) that opens it.
        pause: Seconds until it is half open; doubled with every opening until it closes again.
        longest_pause: Seconds.
        probes: Calls that are let through while it is half open.
    """

    window: int = 50
    minimum: int = 20
    failing: float = 0.5
    slow: float = 0.8
    pause: float = 30.0
    longest_pause: float = 600.0
    probes: int = 3


class Breaker:
    """A circuit breaker by the share of failures and of slow answers; thread-safe.

    Others count failures in a row, and so hardly ever open when every second call fails.
    """

    def __init__(self, options: BreakerOptions | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._options = options or BreakerOptions()
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin anew, closed; in a forked child too, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._state: BreakerState = "closed"
        self._period = 0
        self._until = 0.0
        self._openings = 0
        self._admitted = 0
        self._outcomes: deque[tuple[bool, bool]] = deque()
        self._failures = 0
        self._slow = 0

    @property
    def state(self) -> BreakerState:
        """Where it is; it becomes half open when the first call after the pause asks."""
        return self._state

    def admit(self) -> int | None:
        """A ticket to call now and report to `record`, or None: don't call.

        A ticket belongs to the time between two changes of state: an outcome that comes later than that says nothing.
        """
        if self._closed():
            return self._period
        with self._lock:
            if self._closed():
                return self._period
            now = self._clock.monotonic()
            # Probes that never report must not keep it half open forever: others follow after a pause.
            if now >= self._until:
                self._change("half-open", now + self._pause())
            if self._state == "open" or self._admitted == self._options.probes:
                return None
            self._admitted += 1
            return self._period

    def record(self, ticket: int, *, ok: bool, slow: bool = False) -> None:
        """Count the outcome of a call that was admitted."""
        with self._lock:
            if ticket != self._period:
                return
            self._count(ok=ok, slow=slow)
            if self._state == "half-open":
                self._judge_probes()
            elif len(self._outcomes) >= self._options.minimum and self._bad():
                self._open()

    def _closed(self) -> bool:
        return self._state == "closed"

    def _judge_probes(self) -> None:
        if self._failures:
            self._open()
        elif len(self._outcomes) == self._options.probes:
            if self._bad():
                self._open()
            else:
                self._openings = 0
                self._change("closed", 0.0)

    def _count(self, *, ok: bool, slow: bool) -> None:
        self._outcomes.append((ok, slow))
        self._failures += not ok
        self._slow += slow
        if len(self._outcomes) > self._options.window:
            was_ok, was_slow = self._outcomes.popleft()
            self._failures -= not was_ok
            self._slow -= was_slow

    def _bad(self) -> bool:
        seen = len(self._outcomes)
        return self._failures >= self._options.failing * seen or self._slow >= self._options.slow * seen

    def _open(self) -> None:
        self._change("open", self._clock.monotonic() + self._pause())
        self._openings += 1

    def _change(self, state: BreakerState, until: float) -> None:
        self._state, self._until = state, until
        self._period += 1
        self._admitted = self._failures = self._slow = 0
        self._outcomes.clear()

    def _pause(self) -> float:
        doublings = min(self._openings, _MOST_DOUBLINGS)
        return min(self._options.longest_pause, self._options.pause * 2.0**doublings)
