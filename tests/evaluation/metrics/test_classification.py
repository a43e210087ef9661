"""Precision, recall and F1 against values worked out by hand."""

import random

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from finetuner.evaluation.metrics.classification import ConfusionMatrix, averages, per_class

# Expected a a a a b b b c c, given a a b None b b a c b:
#   a: 2 right of 3 given, of 4 rows   precision 2/3   recall 1/2   F1 4/7
#   b: 2 right of 4 given, of 3 rows   precision 1/2   recall 2/3   F1 4/7
#   c: 1 right of 1 given, of 2 rows   precision 1     recall 1/2   F1 2/3
PAIRS = list(zip("aaaabbbcc", ["a", "a", "b", None, "b", "b", "a", "c", "b"], strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("precision", (4 * 2 / 3 + 3 * 1 / 2 + 2 * 1) / 9),
        ("recall", 5 / 9),
        ("f1", (4 * 4 / 7 + 3 * 4 / 7 + 2 * 2 / 3) / 9),
        ("macro_precision", (2 / 3 + 1 / 2 + 1) / 3),
        ("macro_recall", (1 / 2 + 2 / 3 + 1 / 2) / 3),
        ("macro_f1", (4 / 7 + 4 / 7 + 2 / 3) / 3),
        ("micro_precision", 5 / 8),
        ("micro_recall", 5 / 9),
        ("micro_f1", 10 / 17),
    ],
)
def test_averages_by_hand(name, value):
    estimate = averages(ConfusionMatrix.of(PAIRS))[name]
    assert estimate.value == pytest.approx(value, abs=1e-12)
    assert estimate.low < value < estimate.high


def test_classes_by_hand():
    """Precision and recall carry Wilson's interval of their own denominators."""
    a, b, c = per_class(ConfusionMatrix.of(PAIRS))
    assert (a.support, a.predicted) == (4, 3)
    assert a.precision.value == pytest.approx(2 / 3)
    assert a.precision.n == 3
    assert a.recall.value == 0.5
    assert b.f1.value == pytest.approx(4 / 7)
    assert c.precision.value == 1


def test_a_class_that_is_never_given_has_no_precision():
    """Undefined is None, and 0 in an average (as in scikit-learn's zero_division=0)."""
    matrix = ConfusionMatrix.of([("a", "a"), ("b", "a"), ("b", None)])
    _, b = per_class(matrix)
    assert b.precision is None
    assert b.recall.value == 0
    assert averages(matrix)["macro_precision"].value == pytest.approx(0.25)


def test_without_an_error_the_interval_is_wilsons():
    """A bootstrap of perfect answers never varies: it would claim certainty."""
    f1 = averages(ConfusionMatrix.of([("a", "a"), ("b", "b")] * 10))["f1"]
    assert f1.value == f1.high == 1
    assert f1.low == pytest.approx(0.8389, abs=1e-4)
    none = averages(ConfusionMatrix.of([("a", "b"), ("b", None)] * 10))["f1"]
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.1611, abs=1e-4)
    assert per_class(ConfusionMatrix.of([*PAIRS, ("d", "d")]))[3].f1.low == pytest.approx(0.2065, abs=1e-4)


def test_the_same_matrix_gives_the_same_interval():
    assert averages(ConfusionMatrix.of(PAIRS)) == averages(ConfusionMatrix.of(PAIRS[::-1]))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", None])), min_size=1, max_size=40))
def test_weighted_recall_is_accuracy(pairs):
    """A property of the definitions, whatever the answers; all values lie in 0..1."""
    values = averages(ConfusionMatrix.of(pairs))
    assert values["recall"].value == pytest.approx(sum(wanted == given for wanted, given in pairs) / len(pairs))
    assert all(0 <= estimate.low <= estimate.value <= estimate.high <= 1 for estimate in values.values())


@pytest.mark.parametrize("seed", range(6))
def test_every_value_is_scikit_learns(seed):
    """Weighted, macro, micro and per class, with uneven classes, a class that is never right and one never answered."""
    generator = random.Random(seed)
    labels = ("a", "b", "c", "d", "e")
    expected = generator.choices(labels, (50, 25, 15, 9, 1), k=120)
    answered = [label if generator.random() < 0.7 and label != "d" else generator.choice("abcd") for label in expected]
    matrix = ConfusionMatrix.of(zip(expected, answered, strict=True))
    present = sorted(set(expected) | set(answered))
    assert np.array(matrix.counts).tolist() == sklearn.metrics.confusion_matrix(expected, answered).tolist()
    values = averages(matrix)
    for average in ("weighted", "macro", "micro"):
        theirs = sklearn.metrics.precision_recall_fscore_support(expected, answered, average=average, zero_division=0)
        prefix = "" if average == "weighted" else f"{average}_"
        for name, value in zip(("precision", "recall", "f1"), theirs, strict=False):
            assert values[f"{prefix}{name}"].value == pytest.approx(value, abs=1e-12)
    each = sklearn.metrics.precision_recall_fscore_support(expected, answered, labels=present, zero_division=0)
    for scores, precision, recall, f1, support in zip(per_class(matrix), *each, strict=True):
        assert scores.support == support
        assert (scores.precision.value if scores.precision else 0.0) == pytest.approx(precision)
        assert (scores.recall.value if scores.recall else 0.0) == pytest.approx(recall)
        assert scores.f1.value == pytest.approx(f1)
