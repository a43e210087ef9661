import asyncio

from finetuner._core.clock import SYSTEM_CLOCK


def test_the_machines_clock_moves_forward_through_sleep():
    start = SYSTEM_CLOCK.monotonic()
    SYSTEM_CLOCK.sleep(0.001)
    asyncio.run(SYSTEM_CLOCK.sleep_async(0.001))
    assert SYSTEM_CLOCK.monotonic() - start >= 0.002
    assert SYSTEM_CLOCK.now() > 1_700_000_000


def test_the_clock_is_shown_by_its_name_so_that_signatures_read_the_same_on_every_run():
    assert repr(SYSTEM_CLOCK) == "SYSTEM_CLOCK"
