"""Stops asking a model that mostly fails, and tries again after a while."""

import threading
from collections import deque

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock


@attrs.frozen(kw_only=True)
class BreakerOptions:
    """When a breaker opens.

    Attributes:
        window: Last outcomes that count.
        minimum: Outcomes before anything is decided.
        failing: Share of failures (0 to 1) that opens it.
        pause: Seconds until the first probe; doubled with every failed probe.
        longest_pause: Seconds.
    """

    window: int = 50
    minimum: int = 20
    failing: float = 0.5
    pause: float = 30.0
    longest_pause: float = 600.0


class Breaker:
    """A circuit breaker by the share of failures; thread-safe.

    Others count failures in a row, and so hardly ever open when every second call fails.
    """

    def __init__(self, options: BreakerOptions | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._options = options or BreakerOptions()
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes: deque[bool] = deque(maxlen=self._options.window)
        self._openings = 0
        self._probe_at: float | None = None

    def allows(self) -> bool:
        """Whether to call now. While open, one probe is let through after each pause."""
        with self._lock:
            if self._probe_at is None:
                return True
            now = self._clock.monotonic()
            if now < self._probe_at:
                return False
            # A probe that never reports must not keep it open forever: the next one follows after a pause.
            self._probe_at = now + self._pause()
            return True

    def record(self, *, ok: bool) -> None:
        """Count the outcome of a call that was allowed."""
        with self._lock:
            if self._probe_at is not None:
                if ok:
                    self._probe_at, self._openings = None, 0
                    self._outcomes.clear()
                else:
                    self._open()
                return
            self._outcomes.append(ok)
            failures = self._outcomes.count(False)
            enough = len(self._outcomes) >= self._options.minimum
            if enough and failures >= self._options.failing * len(self._outcomes):
                self._open()

    def _open(self) -> None:
        self._probe_at = self._clock.monotonic() + self._pause()
        self._openings += 1

    def _pause(self) -> float:
        return min(self._options.longest_pause, self._options.pause * 2.0 ** min(self._openings, 30))
