"""Letters of options, read without guessing."""

import pytest

from finetuner.evaluation.metrics.choice import letter


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("B", "B"),
        (" b", None),
        ("(C)", "C"),
        ("**D**", "D"),
        ("B. iron", "B"),
        ("B) iron", "B"),
        ("Answer: C", "C"),
        ("The correct answer is (A), as iron rusts.", "A"),
        ("I think option B fits.", "B"),
        ("A cat sat", None),
        ("Because it rusts", None),
        ("The answer is A. No, the answer is B.", None),
        ("", None),
        ("BC", None),
    ],
)
def test_one_letter_or_none(answer, found):
    assert letter(answer) == found
