"""Retrying what is worth retrying: the only module that knows tenacity."""

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


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=8.0)


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
