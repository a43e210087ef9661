"""Figures say what the results say, and need no window."""

import io

import pytest

from finetuner.evaluation.comparison import compare
from finetuner.evaluation.report import evaluation_page, render
from finetuner.evaluation.run import evaluate
from finetuner.providers.ports import Completion

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(60)]


def drawn(figure):
    """The texts of a figure, after it has really been drawn."""
    figure.savefig(io.BytesIO(), format="png")
    axes = figure.axes[0]
    ticks = [label.get_text() for label in (*axes.get_yticklabels(), *axes.get_xticklabels())]
    return ticks, [text.get_text() for text in axes.texts]


def test_a_classifier_is_its_confusion_matrix(rows, model, place):
    ticks, numbers = drawn(evaluate(model(lambda _: "bug")[0], rows(PAIRS), workspace=place).plot())
    assert ticks[:2] == ["billing", "bug"]
    assert "unreadable" in ticks
    assert numbers == ["30", "30"]


def test_text_is_its_metrics(rows, model, place):
    result = evaluate(model(lambda text: text)[0], rows(PAIRS), workspace=place, task="generation")
    assert drawn(result.plot())[0][:2] == ["exact_match", "token_f1"]


def test_a_comparison_is_a_forest(rows, model, place):
    base, tuned = model(lambda _: "bug", "test:b")[0], model(lambda t: ("billing", "bug")[int(t.split()[1]) % 2])[0]
    ticks, _ = drawn(compare(base, tuned, rows(PAIRS), workspace=place).plot())
    assert ticks[:3] == ["all rows", "billing", "bug"]


@pytest.mark.parametrize("confidence", [None, 0.83])
def test_reliability_is_shown_where_confidence_is_known(rows, model, place, confidence):
    """One point: 83 % sure, half of them right."""
    answering, _ = model(lambda _: Completion(text="bug", model="m", confidence=confidence))
    page = render(evaluation_page(evaluate(answering, rows(PAIRS), workspace=place)))
    assert ("Reliability" in page) is (confidence is not None)
    assert ("confidence 0.83: 50.0%" in page) is (confidence is not None)
