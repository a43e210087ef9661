"""A clock that never makes a test wait."""

import asyncio
import threading


class FakeClock:
    """A `Clock` whose time passes only while somebody sleeps on it, at once.

    Args:
        start: What `now` says at first, in seconds since the Unix epoch.

    Attributes:
        sleeps: How long each sleep was, in seconds, in order.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.sleeps: list[float] = []
        self._start = start
        self._passed = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        with self._lock:
            self._passed += max(0.0, seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Let time pass at once, and others run."""
        self.sleep(seconds)
        await asyncio.sleep(0)
