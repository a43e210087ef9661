"""A call ends in time for its caller, whatever it does; what is left behind is bounded."""

import asyncio
import contextvars
import threading

import pytest

from finetuner.deployment.deadlines import Deadlines, LateError, SaturatedError, SelfCancelledError

LONG = 10.0


class Odd(BaseException):
    """Not an `Exception`."""


def test_a_call_gives_what_it_gives_in_the_callers_context() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    tenant.set("acme")
    assert Deadlines().run(tenant.get, LONG) == "acme"
    assert Deadlines().run(tenant.get, None) == "acme"


@pytest.mark.parametrize("error", [ValueError, Odd, SystemExit])
def test_whatever_it_raises_is_raised_to_the_caller(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    with pytest.raises(error):
        Deadlines().run(fail, LONG)
    with pytest.raises(error):
        asyncio.run(Deadlines().run_async(fail_async(), LONG))


def test_a_late_call_is_left_behind_and_only_so_many() -> None:
    release = threading.Event()
    deadlines = Deadlines(most_left_behind=2)
    for _ in range(2):
        with pytest.raises(LateError, match=r"0\.001 s"):
            deadlines.run(lambda: release.wait(LONG), 0.001)
    with pytest.raises(SaturatedError, match="2 late calls"):
        deadlines.run(lambda: None, LONG)
    release.set()
    while deadlines.left_behind:
        release.wait(0.001)
    assert deadlines.run(lambda: "again", LONG) == "again"


def test_threads_are_used_again() -> None:
    deadlines = Deadlines()
    assert len({deadlines.run(threading.get_ident, LONG) for _ in range(50)}) < 5


def test_calls_at_the_same_time_do_not_wait_for_each_other() -> None:
    deadlines, both = Deadlines(), threading.Barrier(2, timeout=LONG)
    other = threading.Thread(target=deadlines.run, args=(both.wait, LONG))
    other.start()
    deadlines.run(both.wait, LONG)
    other.join()


def test_a_late_coroutine_is_cancelled_and_counted_until_it_obeys() -> None:
    async def stubborn(release: asyncio.Event) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        deadlines, release = Deadlines(most_left_behind=1), asyncio.Event()
        with pytest.raises(LateError):
            await deadlines.run_async(stubborn(release), 0.001)
        await asyncio.sleep(0)
        assert deadlines.left_behind == 1
        with pytest.raises(SaturatedError):
            await deadlines.run_async(asyncio.sleep(0), LONG)
        release.set()
        await asyncio.sleep(0.001)
        assert deadlines.left_behind == 0

    asyncio.run(main())


def test_a_cancelled_caller_cancels_its_call() -> None:
    async def main() -> bool:
        ended = asyncio.Event()

        async def call() -> None:
            try:
                await asyncio.sleep(LONG)
            finally:
                ended.set()

        task = asyncio.create_task(Deadlines().run_async(call(), LONG))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        return ended.is_set()

    assert asyncio.run(main())


def test_a_call_that_cancels_itself_has_failed() -> None:
    async def cancels() -> None:
        raise asyncio.CancelledError

    with pytest.raises(SelfCancelledError):
        asyncio.run(Deadlines().run_async(cancels(), LONG))
