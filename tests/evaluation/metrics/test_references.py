"""Several references: the best one counts."""

import pytest

from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.metrics.grading import Case
from finetuner.evaluation.metrics.references import ReferenceExact, ReferenceF1

EXAMPLE = Example(
    messages=(user("q"), assistant("x")), metadata={"references": ["Denver Broncos", "the Broncos of 2016"]}
)


@pytest.mark.parametrize(
    ("answer", "exact", "f1"),
    [("The Denver Broncos.", 1, 1), ("Broncos", 0, 2 / 3), ("broncos of 2016", 1, 1), ("Panthers", 0, 0), ("", 0, 0)],
)
def test_the_best_match_counts(answer, exact, f1):
    case = Case("x", answer, EXAMPLE)
    assert ReferenceExact().grade(case).value == exact
    assert ReferenceF1().grade(case).value == pytest.approx(f1)


def test_without_references_the_expected_text_is_one():
    plain = Example(messages=(user("q"), assistant("a cat")))
    assert ReferenceExact().grade(Case("a cat", "Cat!", plain)).value == 1
