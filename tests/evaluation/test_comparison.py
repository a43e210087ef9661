"""Comparing: pairs, verdicts, slices, and what happens where calls fail."""

import asyncio

import pytest

from finetuner.errors import BudgetExceededError, RequestRejectedError, UsageError
from finetuner.evaluation.comparison import compare, compare_async
from finetuner.providers.catalog import Prices
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(200)]


def right_unless(wrong):
    """A model that is right except on the rows for which `wrong` holds."""

    def answer(text):
        number = int(text.split()[1])
        return ("billing", "bug")[(number + wrong(number)) % 2]

    return answer


@pytest.fixture
def both(rows, model, place):
    """The comparison of two models that are wrong on given rows."""

    def of(base_wrong, tuned_wrong, pairs=PAIRS, **options):
        base, _ = model(right_unless(base_wrong), "test:base")
        tuned, _ = model(right_unless(tuned_wrong), "test:tuned")
        return compare(base, tuned, rows(pairs), workspace=place, **options)

    return of


def test_a_clear_gain_is_better(both):
    """78 % against 94.5 % of 200 rows: Tango's interval, McNemar's exact p, and the rows behind them."""
    comparison = both(lambda i: i < 44, lambda i: i >= 189)
    assert comparison.base.metrics["accuracy"].percent() == "78.0% [71.8, 83.2]"
    assert comparison.tuned.metrics["accuracy"].percent() == "94.5% [90.4, 96.9]"
    assert comparison.difference.value == pytest.approx(0.165)
    assert comparison.difference.method == "Tango"
    assert comparison.p_value < 1e-4
    assert comparison.verdict == "better"
    assert comparison.wins == tuple(range(44))
    assert comparison.losses == tuple(range(189, 200))
    assert comparison.ties == 145
    assert comparison.needed_n is None
    assert comparison.explanation.startswith("better (p = ")


def test_a_clear_loss_is_worse(both):
    assert both(lambda i: i >= 189, lambda i: i < 44).verdict == "worse"


def test_a_small_difference_says_what_it_takes(both):
    """10 rows better, 6 worse of 200: p = 0.4545 (exact binomial), and the n that would show 2 points."""
    comparison = both(lambda i: i < 10, lambda i: 100 <= i < 106)
    assert comparison.verdict == "no difference shown"
    assert comparison.p_value == pytest.approx(0.454498, abs=1e-6)
    assert comparison.needed_n == 1568  # Connor 1987 at d = .02, D = .08
    assert comparison.explanation == "no difference shown (p = 0.45): would need n≈1,568 to see the observed difference"
    assert 0.05 < comparison.minimum_detectable_effect < 0.06


def test_models_that_never_disagree(both):
    """No disagreement: p is 1 and no n is invented."""
    comparison = both(lambda i: i < 10, lambda i: i < 10)
    assert comparison.p_value == 1
    assert comparison.needed_n is None
    assert "never disagree" in comparison.explanation


def test_slices_are_corrected(both):
    """Each class has its own difference; the adjusted p-values are never smaller than the raw ones."""
    comparison = both(lambda i: i < 44 and i % 2 == 0, lambda _: False)
    billing, bug, *others = comparison.slices
    assert {part.group for part in others} == {"length"}
    assert (billing.name, bug.name) == ("billing", "bug")
    assert billing.difference.value == pytest.approx(0.22)
    assert billing.difference.n == 100
    assert bug.difference.value == 0
    assert billing.adjusted_p_value == pytest.approx(len(comparison.slices) * billing.p_value)
    assert bug.adjusted_p_value == 1


def test_won_and_lost_rows_are_there(both):
    comparison = both(lambda i: i < 2, lambda i: i == 7)
    assert [row.prompt_text for row in comparison.won] == ["question 0", "question 1"]
    assert [row.answer for row in comparison.lost] == ["billing"]


def test_rows_without_both_answers_are_counted_and_left_out(rows, model, place):
    """A pair needs both answers; the others are in `unpaired`."""
    base, _ = model(lambda t: RequestRejectedError("no") if t == "question 1" else "bug", "test:base")
    tuned, _ = model(lambda t: RequestRejectedError("no") if t in {"question 1", "question 2"} else "bug", "test:tuned")
    comparison = compare(base, tuned, rows(PAIRS), workspace=place)
    assert (comparison.n, comparison.unpaired) == (198, 2)
    assert len(comparison.wins) + len(comparison.losses) + comparison.ties == 198


def test_nothing_to_compare_says_why(rows, model, place):
    base, _ = model(lambda _: RequestRejectedError("out of order"), "test:base")
    tuned, _ = model(lambda _: "bug", "test:tuned")
    with pytest.raises(UsageError, match="out of order"):
        compare(base, tuned, rows(PAIRS[:4]), workspace=place)


def test_scores_that_are_not_right_or_wrong(rows, model, place):
    """Any score is compared by a paired bootstrap and sign flips."""

    def tenths(expected, answer, example):  # noqa: ARG001
        return int(answer) / 10

    base, _ = model(lambda t: str(int(t.split()[1]) % 5), "test:base")
    tuned, _ = model(lambda t: str(int(t.split()[1]) % 7), "test:tuned")
    comparison = compare(base, tuned, rows(PAIRS), workspace=place, metrics=[tenths])
    assert comparison.difference.method == "bootstrap BCa"
    assert comparison.verdict == "better"
    assert comparison.minimum_detectable_effect > 0


def test_the_budget_is_for_both(rows, model, place):
    """What the base model has spent isn't there for the tuned one."""
    prices = Prices(input=1000.0, output=1000.0)
    base, _ = model(lambda _: "bug", "test:base", prices=prices)
    tuned, asked = model(lambda _: "bug", "test:tuned", prices=prices)
    with pytest.raises(BudgetExceededError):
        compare(base, tuned, rows(PAIRS[:10]), workspace=place, max_usd=0.5)
    assert len(asked.asked) < 10


def test_async_gives_the_same_and_it_is_journalled(rows, model, place, both):
    """The twin gives the same comparison; the journal holds it without rows."""
    here = both(lambda i: i < 10, lambda i: i > 190)
    base, _ = model(right_unless(lambda i: i < 10), "test:base")
    tuned, _ = model(right_unless(lambda i: i > 190), "test:tuned")
    assert asyncio.run(compare_async(base, tuned, rows(PAIRS), workspace=place)) == here
    with Journal.open(place) as journal:
        (record,) = EvaluationRecords(journal).list(kind="comparison")
    assert record.model == "test:tuned"
    assert record.result["verdict"] == here.verdict
    assert record.result["tuned"]["rows"] == []
