import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment import sample_ratio
from finetuner.deployment.sample_ratio import ArmCounts
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.special import binomial_pmf


@given(st.integers(0, 120), st.floats(0.01, 0.99), st.floats(10, 10_000))
def test_the_expected_bayes_factor_is_1_when_arms_are_as_designed(n, share, concentration):
    expected = math.fsum(
        binomial_pmf(k, n, share)
        * math.exp(sample_ratio.log_bayes_factor((k, n - k), (share, 1 - share), concentration=concentration))
        for k in range(n + 1)
    )
    assert expected == pytest.approx(1, rel=1e-7)


def test_lost_events_raise_the_alarm_and_chance_does_not():
    assert sample_ratio.mismatched([ArmCounts(0.5, 4000, 6000)])
    assert not sample_ratio.mismatched([ArmCounts(0.5, 4980, 5020)])
    assert not sample_ratio.mismatched([])


def test_evidence_adds_up_over_stages():
    stages = [ArmCounts(0.05, 60, 900), ArmCounts(0.5, 500, 520)]
    total = sum(sample_ratio.stages_log_bayes_factor([stage]) for stage in stages)
    assert sample_ratio.stages_log_bayes_factor(stages) == pytest.approx(total)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: sample_ratio.log_bayes_factor((1, 2), (0.5, 0.6)),
        lambda: sample_ratio.log_bayes_factor((1, -2), (0.5, 0.5)),
        lambda: sample_ratio.log_bayes_factor((1,), (1.0,)),
        lambda: sample_ratio.log_bayes_factor((1, 2), (0.5, 0.5), concentration=0),
        lambda: sample_ratio.chi2_p_value((0, 0), (0.5, 0.5)),
        lambda: ArmCounts(1.0, 1, 1),
        lambda: ArmCounts(0.5, -1, 1),
        lambda: sample_ratio.mismatched([], alpha=0),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
