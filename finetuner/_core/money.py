"""USD, written the same way everywhere."""

_CENT = 0.01


def usd(amount: float) -> str:
    """An amount in USD as text: `$11.25`, and four significant digits below a cent: `$0.001234`."""
    if amount == 0 or abs(amount) >= _CENT:
        return f"${amount:,.2f}"
    return f"${amount:.4g}"
