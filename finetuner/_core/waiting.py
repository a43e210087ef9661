"""How often to look at something slow: a pure policy, and no loop."""

from collections.abc import Iterator

import attrs


@attrs.frozen(kw_only=True)
class PollPolicy:
    """Delays between looks, in seconds: short at first, growing by a factor up to a ceiling."""

    initial: float = 0.2
    factor: float = 1.5
    ceiling: float = 10.0

    def delays(self) -> Iterator[float]:
        """Endless delays in seconds; the caller decides when to stop."""
        delay = self.initial
        while True:
            yield delay
            delay = min(self.ceiling, delay * self.factor)
