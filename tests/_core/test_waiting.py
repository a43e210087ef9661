from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from finetuner._core.waiting import PollPolicy


@given(st.floats(0.01, 5), st.floats(1, 4), st.floats(5, 60))
def test_delays_grow_up_to_the_ceiling(initial, factor, ceiling):
    delays = list(islice(PollPolicy(initial=initial, factor=factor, ceiling=ceiling).delays(), 50))
    assert delays[0] == initial
    assert delays == sorted(delays)
    assert max(delays) <= ceiling


def test_the_default_looks_soon_and_then_every_ten_seconds():
    delays = list(islice(PollPolicy().delays(), 20))
    assert delays[0] == 0.2
    assert delays[-1] == 10.0
