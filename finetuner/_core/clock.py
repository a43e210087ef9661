"""The clock as a port: `testing.FakeClock` stands in where a test must not wait."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time and sleep, replaceable."""

    def now(self) -> float:
        """Seconds since the Unix epoch (may jump)."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, from an arbitrary start."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Let others run for so many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def __repr__(self) -> str:
        return "SYSTEM_CLOCK"

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Let others run for so many seconds."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
"""The clock that is used where none is given."""
