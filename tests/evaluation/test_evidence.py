"""What passes a box of the checkpoint *Evaluation complete*, and the figures behind it."""

import attrs
import pytest

from finetuner.evaluation.comparison import compare
from finetuner.evaluation.evidence import ModelEvidence
from finetuner.evaluation.gate import regression
from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.run import evaluate
from finetuner.evaluation.statistics.proportions import wilson
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(100)]
REPORT = JudgeReport(
    model="test:judge",
    rubric="R",
    rubric_fingerprint="",
    void=None,
    pass_rate=wilson(96, 100),
    score=None,
    bands={},
    judged=100,
    unjudged=0,
    verdicts={},
    flagged=(),
    cost=None,
)


@pytest.fixture
def evidence(place):
    with Journal.open(place) as journal:
        yield ModelEvidence(Findings(journal), "test:m")


@pytest.fixture
def two(rows, model, place):
    base, _ = model(lambda _: "bug", "test:base")
    tuned, _ = model(lambda t: ("billing", "bug")[int(t.split()[1]) % 2], "test:m")
    return compare(base, tuned, rows(PAIRS), workspace=place)


def test_a_metric_passes_by_its_threshold_on_rows_that_all_have_an_answer(evidence, rows, model, place):
    result = evaluate(model(lambda _: "bug")[0], rows(PAIRS), workspace=place)
    assert not evidence.evaluation(result).passed
    assert evidence.evaluation(result, 0.5).passed
    assert not evidence.evaluation(result, 0.51).passed
    lost = attrs.evolve(result, counts=attrs.evolve(result.counts, errored=1))
    assert not evidence.evaluation(lost, 0.5).passed


@pytest.mark.parametrize(
    ("changed", "passed"),
    [({}, True), ({"pass_rate": wilson(95, 100)}, False), ({"void": "fooled"}, False), ({"pass_rate": None}, False)],
)
def test_a_judge_passes_above_ninety_percent_beyond_chance(evidence, changed, passed):
    """96 of 100 do, 95 don't; people's correction counts where there is one."""
    assert evidence.judged(attrs.evolve(REPORT, **changed)).passed is passed


def test_people_outrank_the_judge(evidence):
    finding = evidence.judged(attrs.evolve(REPORT, corrected_pass_rate=wilson(80, 100)))
    assert not finding.passed
    assert finding.evidence["calibration"] == "valid"


def test_comparisons_and_gates(evidence, two):
    assert evidence.comparison(two).passed
    assert evidence.regression(regression(two.base, two.tuned)).passed
    assert not evidence.regression(regression(two.tuned, two.base)).passed
