"""Adjusted p-values when several hypotheses are tested at once."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from finetuner.evaluation.statistics.domain import require_share


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values that keep the probability of any false discovery at the level (success metrics).

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.

    Args:
        p_values: One for each hypothesis, 0..1.

    Returns:
        The adjusted p-values in the order given; reject where one is at most the level.

    Raises:
        UsageError: When a p-value lies outside 0..1.
    """
    order = _ascending(p_values)
    m = len(order)
    adjusted = accumulate((min(1.0, (m - rank) * p_values[i]) for rank, i in enumerate(order)), max)
    return _restore(order, adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values that keep the expected share of false discoveries at the level (exploratory slices).

    Source: Benjamini and Hochberg 1995, JRSS B 57:289.

    Args:
        p_values: One for each hypothesis, 0..1, independent or positively dependent.

    Returns:
        The adjusted p-values in the order given; reject where one is at most the level.

    Raises:
        UsageError: When a p-value lies outside 0..1.
    """
    order = _ascending(p_values)[::-1]
    m = len(order)
    adjusted = accumulate((min(1.0, m / (m - rank) * p_values[i]) for rank, i in enumerate(order)), min)
    return _restore(order, adjusted)


def _ascending(p_values: Sequence[float]) -> list[int]:
    for p in p_values:
        require_share("a p-value", p)
    return sorted(range(len(p_values)), key=lambda i: p_values[i])


def _restore(order: Sequence[int], adjusted: Iterable[float]) -> tuple[float, ...]:
    by_position = dict(zip(order, adjusted, strict=True))
    return tuple(by_position[i] for i in range(len(order)))
