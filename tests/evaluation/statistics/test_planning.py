"""Power, agreement, corrections and judged estimates: what must hold beyond the reference values."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.evaluation.statistics import agreement, correction, judged, power

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(st.integers(200, 20_000), st.floats(0.05, 0.4))
def test_the_detectable_effect_needs_as_many_items_as_there_are(n, discordance):
    effect = power.paired_minimum_detectable_effect(n, discordance)
    assert abs(power.paired_sample_size(effect, discordance) - n) <= 1
    assert power.paired_power(n, effect, discordance) == pytest.approx(0.8, abs=1e-6)


def test_too_few_items_detect_nothing():
    assert power.paired_minimum_detectable_effect(20, 0.05) == math.inf


@given(st.floats(0.01, 0.1), st.floats(0.02, 0.3))
def test_a_non_inferiority_sample_reaches_its_power(margin, discordance):
    n = power.non_inferiority_sample_size(margin, discordance)
    assert power.non_inferiority_power(n, margin, discordance) >= 0.8 - 1e-9
    if n > 1:
        assert power.non_inferiority_power(n - 1, margin, discordance) < 0.8 + 1e-9


@given(p_values)
def test_corrections_only_raise_p_values_and_keep_their_order(values):
    for adjusted in (correction.holm(values), correction.benjamini_hochberg(values)):
        assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
        order = sorted(range(len(values)), key=values.__getitem__)
        assert all(adjusted[a] <= adjusted[b] for a, b in pairwise(order))
    assert all(
        b <= h + 1e-12 for b, h in zip(correction.benjamini_hochberg(values), correction.holm(values), strict=True)
    )


def test_perfect_agreement_is_1():
    table = agreement.contingency_table([("pass", "pass"), ("fail", "fail"), ("pass", "pass")], ("pass", "fail"))
    assert table == ((2, 0), (0, 1))
    assert agreement.cohen_kappa(table).value == 1
    assert agreement.fleiss_kappa([[3, 0], [0, 3]]) == 1
    assert agreement.krippendorff_alpha([[1, 2, None], [1, 2, 5]], level="ordinal") == 1


@given(st.floats(0, 1), st.integers(10, 1000))
def test_a_perfect_judge_needs_no_correction(share, n):
    perfect = judged.JudgeAccuracy(sensitivity=1, positives=1000, specificity=1, negatives=1000)
    found = judged.rogan_gladen(share, n, perfect)
    assert found.value == pytest.approx(share)
    assert 0 <= found.low <= found.high <= 1


def test_judge_accuracy_is_counted_from_labels():
    pairs = [(True, True)] * 9 + [(False, True)] + [(False, False)] * 7 + [(True, False)] * 3
    judge = judged.JudgeAccuracy.from_labels(pairs)
    assert judge == judged.JudgeAccuracy(sensitivity=0.9, positives=10, specificity=0.7, negatives=10)
    assert judge.informativeness == pytest.approx(0.6)


def test_a_constant_judge_is_not_used():
    assert judged.ppi_weight([1, 0, 1], [1, 1, 1], [1, 1]) == 0


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: power.paired_sample_size(0, 0.1),
        lambda: power.paired_sample_size(0.2, 0.1),
        lambda: power.unpaired_sample_size(0.5, 0.5),
        lambda: power.non_inferiority_sample_size(0.05, 0.1, difference=-0.05),
        lambda: power.non_inferiority_sample_size(0, 0.1),
        lambda: power.non_inferiority_power(0, 0.05, 0.1),
        lambda: power.SamplingDesign(difference_variance=-1, tuned_noise=0, base_noise=0),
        lambda: power.SamplingDesign(difference_variance=1, tuned_noise=0, base_noise=0, tuned_samples=0),
        lambda: correction.holm([0.5, 1.5]),
        lambda: agreement.cohen_kappa([[1, 2]]),
        lambda: agreement.cohen_kappa([[0, 0], [0, 0]]),
        lambda: agreement.cohen_kappa([[3, 0], [0, 0]]),
        lambda: agreement.contingency_table([("a", "b")], ("a",)),
        lambda: agreement.fleiss_kappa([[2, 1], [1, 1]]),
        lambda: agreement.krippendorff_alpha([[1, 1], [1, 1]]),
        lambda: agreement.krippendorff_alpha([[1], [1, 2]]),
        lambda: judged.JudgeAccuracy.from_labels([(True, True)]),
        lambda: judged.rogan_gladen(
            0.5, 10, judged.JudgeAccuracy(sensitivity=0.5, positives=9, specificity=0.5, negatives=9)
        ),
        lambda: judged.ppi_mean([1, 0], [1], [1, 1]),
        lambda: judged.ppi_mean([1, 0], [1, 0], [1, 1], weight=2),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
