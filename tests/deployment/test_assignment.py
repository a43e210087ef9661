import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment.assignment import Dealer, assigned_tuned, bucket, unit_key
from finetuner.deployment.sample_ratio import chi2_p_value
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.special import chi2_upper_tail

shares = st.floats(0, 1)


GOLDEN = [
    # LaunchDarkly's published vectors
    ("hashKey", "saltyA", "userKeyA", 0.4215758743392494),
    ("hashKey", "saltyA", "userKeyB", 0.6708484965703435),
    ("hashKey", "saltyA", "userKeyC", 0.1034310617276969),
    # ours, computed once with hashlib alone
    ("tickets", "s1", "0", 0.3836928023748244),
    ("tickets", "s1", "user-42", 0.5596124284718266),
    ("tickets", "s2", "user-42", 0.7465847222943698),
    ("faq", "9f86d081", "ana@example.org", 0.41367532970190996),
    ("faq", "9f86d081", "3e2f1c9a-7b54-4d1e-9f0a-2c6b8d7e5f41", 0.6979130506957807),
    ("faq", "9f86d081", "Zoë 東京", 0.28877597855076514),
    ("a-b_c", "", "x", 0.678324994194088),
    ("faq", "9f86d081", "-7", 0.6523074466366885),
]


@pytest.mark.parametrize(("experiment", "salt", "unit", "expected"), GOLDEN)
def test_golden_vectors_never_change(experiment, salt, unit, expected):
    """A user who moved with an upgrade would spoil a running experiment: these numbers are frozen forever."""
    assert bucket(experiment, salt, unit) == expected
    assert Dealer(experiment, salt).bucket(unit) == expected


@given(st.text(), st.text(), st.text(min_size=1))
def test_the_fast_way_deals_the_same_buckets(experiment, salt, unit):
    assert Dealer(experiment, salt).bucket(unit) == bucket(experiment, salt, unit)


def test_a_unit_with_half_a_surrogate_pair_has_a_bucket():
    """Servers hand over headers that aren't UTF-8 that way."""
    assert 0 <= bucket("faq", "s1", "caf\udce9") <= 1


@given(st.text(min_size=1), shares, shares)
def test_raising_the_share_never_takes_a_unit_back(unit, first, second):
    low, high = sorted((first, second))
    place = bucket("faq", "s1", unit)
    assert assigned_tuned(place, high) or not assigned_tuned(place, low)


@given(shares)
def test_share_0_is_nobody_and_share_1_everybody_even_at_the_last_bucket(place):
    assert not assigned_tuned(place, 0)
    assert assigned_tuned(place, 1)
    assert assigned_tuned(1.0, 1)


@given(st.integers())
def test_an_integer_is_its_decimal_text(number):
    assert bucket("faq", "s1", number) == bucket("faq", "s1", str(number))


@pytest.mark.parametrize("unit", ["", None, 1.0, float("nan"), True, b"id", ("a",)])
def test_ambiguous_units_are_refused(unit):
    with pytest.raises(UsageError, match="user or conversation id"):
        unit_key(unit)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(UsageError, match="share"):
        assigned_tuned(0.5, share)


@pytest.mark.parametrize(
    "unit_of",
    [str, lambda i: str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))), lambda i: f"user{i}@example.org"],
    ids=["sequential", "uuid", "e-mail"],
)
def test_buckets_are_uniform(unit_of):
    counts = [0] * 100
    for i in range(30_000):
        counts[min(99, int(100 * bucket("faq", "s1", unit_of(i))))] += 1
    assert chi2_p_value(counts, [0.01] * 100) > 1e-4


def test_a_new_salt_deals_independently():
    """The 2 x 2 table of two experiments over the same units shows no association."""
    table = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for i in range(20_000):
        table[bucket("faq", "s1", i) < 0.5, bucket("faq", "s2", i) < 0.5] += 1
    n = sum(table.values())
    statistic = 0.0
    for (a, b), observed in table.items():
        row = sum(v for (x, _), v in table.items() if x == a)
        column = sum(v for (_, y), v in table.items() if y == b)
        statistic += (observed - row * column / n) ** 2 / (row * column / n)
    assert chi2_upper_tail(statistic, 1) > 1e-4
