"""The facts that the guide prints are the catalog's."""

from datetime import date
from pathlib import Path

from finetuner.providers.catalog import load_catalog

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "openai.md"


def test_the_printed_prices_are_those_of_the_catalog():
    text = GUIDE.read_text("utf-8")
    bases = load_catalog("openai").tunable(date(2026, 12, 1))
    assert bases
    for base in bases:
        prices = base.prices
        figures = (prices.training, prices.input, prices.cached_input, prices.output)
        row = next(line for line in text.splitlines() if line.startswith(f"{base.name} "))
        assert tuple(float(cell) for cell in row.split()[1:5]) == figures
        assert row.split()[5:] == [str(base.training_ends), str(base.as_of)]
