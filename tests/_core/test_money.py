import pytest

from finetuner._core.money import usd


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (11.25, "$11.25"), (1234.5, "$1,234.50"), (0.01, "$0.01"), (0.001234, "$0.001234")],
)
def test_amounts_are_written_with_the_digits_that_matter(amount, text):
    assert usd(amount) == text
