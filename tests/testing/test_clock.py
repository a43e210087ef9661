import asyncio

from finetuner.testing import FakeClock


def test_sleep_takes_no_time_and_moves_the_clock():
    clock = FakeClock(start=100.0)
    clock.sleep(3600)
    asyncio.run(clock.sleep_async(10))
    clock.advance(5)
    assert (clock.now(), clock.monotonic()) == (3715.0, 3615.0)
    assert clock.sleeps == [3600, 10]


def test_others_run_while_one_sleeps():
    """Two tasks that sleep in turn are interleaved."""
    clock, order = FakeClock(), []

    async def task(name: str) -> None:
        for _ in range(2):
            order.append(name)
            await clock.sleep_async(1)

    async def both() -> None:
        await asyncio.gather(task("a"), task("b"))

    asyncio.run(both())
    assert order == ["a", "b", "a", "b"]
