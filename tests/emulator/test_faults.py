import threading

import pytest

from finetuner.emulator.faults import PRESETS, Fault, Faults, preset, rate_limit
from finetuner.errors import UnknownNameError


def test_paths_are_told_without_their_version():
    fault = Fault(method="GET", path="/models")
    assert fault.matches("GET", "/v1/models")
    assert not fault.matches("POST", "/v1/models")
    assert not fault.matches("GET", "/v1/models/x")
    assert Fault(path="/v1beta1/x").matches("POST", "/v1beta1/x")


def test_each_serves_as_often_as_ordered_and_in_order():
    faults, first, second = Faults(), Fault(status=500), Fault(status=503)
    faults.add(first, times=2)
    faults.add(second, times=None)
    assert [faults.take("POST", "/v1/x") for _ in range(4)] == [first, first, second, second]
    assert faults.take("GET", "/v1/x") is None
    assert faults.ordered() == ((second, None),)
    faults.clear()
    assert faults.take("POST", "/v1/x") is None


def test_threads_never_share_one():
    faults, taken = Faults(), []
    faults.add(Fault(), times=50)
    threads = [
        threading.Thread(target=lambda: taken.extend(faults.take("POST", "/x") for _ in range(10))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fault is not None for fault in taken) == 50


def test_names_take_a_number_where_it_means_something():
    assert preset("rate-limit:7") == rate_limit(7)
    assert preset("lost-create") == PRESETS["lost-create"]
    with pytest.raises(UnknownNameError, match="garbage, hanging"):
        preset("nope")


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Fault(delay=1), True),
        (Fault(merge={"a": 1}), True),
        (Fault(status=500), False),
        (Fault(drop=True), False),
        (Fault(status=500, accepted=True), True),
        (PRESETS["lost-create"], True),
        (PRESETS["hanging"], False),
    ],
)
def test_the_work_is_done_unless_the_request_is_refused_or_lost(fault, done):
    assert fault.handles == done
