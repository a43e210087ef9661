import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment import guardrails
from finetuner.deployment.guardrails import Guardrail, StageCounts
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.special import binomial_pmf


@given(st.integers(0, 150), st.floats(0.01, 0.99), st.floats(2, 20))
def test_the_expected_e_value_is_1_when_the_tuned_model_changes_nothing(bad, share, concentration):
    expected = math.fsum(
        binomial_pmf(k, bad, share) * math.exp(guardrails.label_log_e(k, bad, share, concentration=concentration))
        for k in range(bad + 1)
    )
    assert expected == pytest.approx(1, rel=1e-9)


def test_evidence_adds_up_over_stages():
    guardrail = Guardrail().with_stage(0.05).with_bad(tuned=3, base=20).with_stage(0.2).with_bad(tuned=8, base=10)
    assert guardrail.stages == (StageCounts(0.05, 3, 23), StageCounts(0.2, 8, 18))
    assert guardrail.log_e == pytest.approx(guardrails.label_log_e(3, 23, 0.05) + guardrails.label_log_e(8, 18, 0.2))
    assert guardrail.excess == pytest.approx(11 - 23 * 0.05 - 18 * 0.2)


def test_an_outage_rolls_back_and_an_improvement_never_does():
    start = Guardrail().with_stage(0.5)
    assert start.with_bad(tuned=19).deteriorated(0.01)
    assert not start.with_bad(tuned=18).deteriorated(0.01)
    assert not start.with_bad(base=200).deteriorated(0.01)
    assert not Guardrail().deteriorated(0.01)


def test_counts_may_come_in_any_portions():
    once = Guardrail().with_stage(0.2).with_bad(tuned=5, base=7)
    twice = Guardrail().with_stage(0.2).with_bad(tuned=2, base=7).with_bad(tuned=3)
    assert once == twice


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: guardrails.label_log_e(3, 2, 0.5),
        lambda: guardrails.label_log_e(1, 2, 1.0),
        lambda: guardrails.label_log_e(1, 2, 0.5, concentration=0),
        lambda: guardrails.bad_units_to_roll_back(0.5, 0),
        lambda: Guardrail().with_bad(tuned=1),
        lambda: Guardrail().with_stage(0),
        lambda: Guardrail().with_stage(0.5).with_bad(tuned=-1),
        lambda: Guardrail().deteriorated(1),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
