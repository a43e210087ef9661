"""Retrying what is worth retrying: the only module that knows tenacity."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.errors import ProviderError

T = TypeVar("T")


def _retryable(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.retryable


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    return asked if asked is not None else float(_backoff(state))


def pause_before_retry(error: BaseException | None, tries: int) -> float | None:
    """Seconds before a call is made again, for loops that can't afford 30 µs a call; None where it is not worth it.

    As long as the provider asks, else like `retrying`.

    Args:
        error: Why the last try failed.
        tries: How many there were, at least 1.
    """
    if not isinstance(error, ProviderError) or not error.retryable:
        return None
    if error.retry_after is not None:
        return error.retry_after
    return random.uniform(0.0, min(_LONGEST, _FIRST * 2.0 ** (tries - 1)))  # noqa: S311 - jitter is no secret


_FIRST = 0.5
_LONGEST = 8.0
_backoff = tenacity.wait_random_exponential(multiplier=_FIRST, max=_LONGEST)


def retrying(call: Callable[[], T], *, attempts: int = 4, clock: Clock = SYSTEM_CLOCK) -> T:
    """What `call` returns, tried again on retryable provider errors.

    Waits as long as the provider asks (`retry_after`), else 0.5 s doubling up to 8 s, with full jitter.

    Raises:
        ProviderError: The last error, when all attempts failed or it isn't retryable.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_retryable),
        wait=_wait,
        stop=tenacity.stop_after_attempt(attempts),
        sleep=clock.sleep,
        reraise=True,
    )(call)


async def retrying_async(call: Callable[[], Awaitable[T]], *, attempts: int = 4, clock: Clock = SYSTEM_CLOCK) -> T:
    """Like `retrying`, without blocking the event loop."""
    return await tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(_retryable),
        wait=_wait,
        stop=tenacity.stop_after_attempt(attempts),
        sleep=clock.sleep_async,
        reraise=True,
    )(call)
