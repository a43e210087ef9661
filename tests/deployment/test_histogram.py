import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment.histogram import Histogram, HistogramRecorder, relative_error
from finetuner.errors import UsageError

positive = st.floats(1e-9, 1e9)
values = st.lists(st.one_of(st.just(0.0), positive), max_size=60)


@given(positive)
def test_every_value_is_returned_within_the_bound(value):
    found = Histogram.from_values([value]).quantile(0.5)
    assert abs(found / value - 1) <= relative_error() + 1e-9


@given(values.filter(bool), st.floats(0, 1))
def test_every_quantile_is_within_the_bound(data, q):
    exact = sorted(data)[math.floor(q * (len(data) - 1))]
    found = Histogram.from_values(data).quantile(q)
    assert found == pytest.approx(exact, rel=relative_error() + 1e-9, abs=0)


@given(values, values, values)
def test_merging_is_associative_commutative_and_equal_to_counting_together(a, b, c):
    x, y, z = (Histogram.from_values(part) for part in (a, b, c))
    assert x.merge(y).merge(z) == x.merge(y.merge(z)) == z.merge(x).merge(y) == Histogram.from_values([*a, *b, *c])


@given(values)
def test_json_brings_it_back(data):
    histogram = Histogram.from_values(data)
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram
    assert histogram.count == len(data)


@pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308])
def test_the_ends_of_the_float_range_are_counted_and_read_back(value):
    histogram = Histogram.from_values([value])
    assert Histogram.from_json(histogram.to_json()) == histogram
    assert math.isfinite(histogram.quantile(0.5))


def test_a_recorder_freezes_what_it_has_counted_so_far():
    recorder = HistogramRecorder()
    recorder.record(0.25)
    before = recorder.histogram()
    recorder.record(0.0)
    assert before == Histogram.from_values([0.25])
    assert recorder.histogram() == Histogram.from_values([0.25, 0.0])


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: Histogram.from_values([-1.0]),
        lambda: Histogram.from_values([math.nan]),
        lambda: Histogram.from_values([math.inf]),
        lambda: Histogram().quantile(0.5),
        lambda: Histogram(zeros=1).quantile(1.5),
        lambda: Histogram(scale=6).merge(Histogram(scale=5)),
        lambda: Histogram(scale=99),
        lambda: Histogram(zeros=-1),
        lambda: Histogram(buckets=((1, 0),)),
        lambda: Histogram(buckets=((2, 1), (1, 1))),
        lambda: Histogram(buckets=((10**9, 1),)),
        lambda: Histogram.from_json({"scale": 6}),
        lambda: Histogram.from_json({"scale": 6, "zeros": 0, "buckets": [[1, 2, 3]]}),
        lambda: Histogram.from_json({"scale": 6, "zeros": 0.5, "buckets": []}),
        lambda: Histogram.from_json({"scale": 6, "zeros": 0, "buckets": [["1", 2]]}),
        lambda: Histogram.from_json({"scale": True, "zeros": 0, "buckets": []}),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
