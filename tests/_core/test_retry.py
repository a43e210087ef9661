import pytest

from finetuner._core.retry import retrying
from finetuner.errors import RateLimitError, RequestRejectedError
from finetuner.testing import FakeClock


def failing(*errors):
    """A call that raises these errors and then answers."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return call


def busy(retry_after=None):
    return RateLimitError("busy", retryable=True, retry_after=retry_after)


def test_retryable_errors_are_tried_again_after_as_long_as_asked():
    clock = FakeClock()
    assert retrying(failing(busy(3.0), busy(7.0)), clock=clock) == "answer"
    assert clock.sleeps == [3.0, 7.0]


def test_unasked_pauses_stay_short():
    clock = FakeClock()
    assert retrying(failing(*[busy()] * 7), attempts=8, clock=clock) == "answer"
    assert len(clock.sleeps) == 7
    assert all(0 <= pause <= 8 for pause in clock.sleeps)


def test_the_last_error_is_raised_when_attempts_run_out():
    clock = FakeClock()
    with pytest.raises(RateLimitError, match="busy"):
        retrying(failing(*[busy(1.0)] * 9), attempts=3, clock=clock)
    assert clock.sleeps == [1.0, 1.0]


@pytest.mark.parametrize("error", [RequestRejectedError("no"), ValueError("bug")])
def test_other_errors_are_raised_at_once(error):
    clock = FakeClock()
    with pytest.raises(type(error)):
        retrying(failing(error), clock=clock)
    assert clock.sleeps == []
