"""Domain checks shared by the statistics: every impossible input is refused with one clear `UsageError`."""

import math

from finetuner.errors import UsageError


def require(condition: bool, message: str) -> None:
    """Raise unless an input is possible.

    Args:
        condition: What must hold.
        message: What is wrong and what to pass instead.

    Raises:
        UsageError: When the condition does not hold.
    """
    if not condition:
        raise UsageError(message)


def require_open_share(name: str, value: float) -> None:
    """Raise `UsageError` unless `value` lies strictly between 0 and 1 (an error level, a confidence, a power)."""
    require(0 < value < 1, f"{name} is {value}: give a share strictly between 0 and 1")


def require_share(name: str, value: float) -> None:
    """Raise `UsageError` unless `value` lies in 0..1."""
    require(0 <= value <= 1, f"{name} is {value}: give a share from 0 to 1")


def require_positive(name: str, value: float) -> None:
    """Raise `UsageError` unless `value` is finite and above 0 (a sample size, a concentration, a variance)."""
    require(math.isfinite(value) and value > 0, f"{name} is {value}: it must be above 0")


def require_counts(name: str, values: tuple[float, ...]) -> None:
    """Raise `UsageError` unless all values are finite and none is negative."""
    require(all(math.isfinite(value) and value >= 0 for value in values), f"{name} {values}: counts cannot be negative")


def require_successes(successes: int, n: int) -> None:
    """Raise `UsageError` unless `n` is above 0 and `successes` lies in 0..n."""
    require_positive("n", n)
    require(0 <= successes <= n, f"{successes} successes of {n} are impossible: give 0 to {n}")
