"""How far several raters (people, judges) agree beyond chance."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal

from finetuner.evaluation.statistics.domain import require, require_counts
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.special import two_sided_z

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Table = Sequence[Sequence[int]]


def contingency_table(
    pairs: Iterable[tuple[Hashable, Hashable]], categories: Sequence[Hashable]
) -> tuple[tuple[int, ...], ...]:
    """Counts of `(first rater, second rater)` labels: rows and columns in the order of the categories."""
    counts = Counter(pairs)
    unknown = {label for pair in counts for label in pair} - set(categories)
    require(not unknown, f"labels {sorted(map(str, unknown))} are not among the categories")
    return tuple(tuple(counts[row, column] for column in categories) for row in categories)


def cohen_kappa(table: Table, *, confidence: float = 0.95) -> Estimate:
    """Agreement of two raters beyond chance, with its large-sample interval.

    Source: Cohen 1960, Educational and Psychological Measurement 20:37; standard error by Fleiss, Cohen and Everitt
    1969, Psychological Bulletin 72:323.

    Args:
        table: Square counts, rows the first rater's and columns the second rater's label.
        confidence: Two-sided coverage, 0..1.

    Returns:
        Kappa: 1 for perfect agreement, 0 for chance.

    Raises:
        UsageError: When the table is not square, empty, or both raters used one and the same label throughout.
    """
    size = len(table)
    require(all(len(row) == size for row in table), "the table must be square: one row and one column a label")
    n = _total(table)
    rows = [sum(row) / n for row in table]
    columns = [sum(column) / n for column in zip(*table, strict=True)]
    observed = sum(table[i][i] for i in range(size)) / n
    chance = sum(row * column for row, column in zip(rows, columns, strict=True))
    require(chance < 1, "both raters gave one label throughout: chance agreement is 1 and kappa does not exist")
    kappa = (observed - chance) / (1 - chance)
    agreeing = sum(table[i][i] / n * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(size))
    disagreeing = (1 - kappa) ** 2 * sum(
        table[i][j] / n * (columns[i] + rows[j]) ** 2 for i in range(size) for j in range(size) if i != j
    )
    variance = agreeing + disagreeing - (kappa - chance * (1 - kappa)) ** 2
    half = two_sided_z(confidence) * math.sqrt(max(0.0, variance) / n) / (1 - chance)
    return Estimate(value=kappa, low=kappa - half, high=kappa + half, n=n, confidence=confidence, method="Cohen kappa")


def fleiss_kappa(table: Table) -> float:
    """Agreement beyond chance of a fixed number of raters for each item.

    Source: Fleiss 1971, Psychological Bulletin 76:378.

    Args:
        table: Rows items, columns categories, entries how many raters chose the category.

    Returns:
        Kappa: 1 for perfect agreement, 0 for chance.

    Raises:
        UsageError: When items have different numbers of raters, fewer than two, or only one category was used.
    """
    total = _total(table)
    raters = sum(table[0])
    require(raters > 1 and all(sum(row) == raters for row in table), "every item needs the same two or more raters")
    shares: list[float] = [sum(column) / total for column in zip(*table, strict=True)]
    chance = sum(share * share for share in shares)
    require(chance < 1, "only one category was used: chance agreement is 1 and kappa does not exist")
    observed = sum(sum(count * (count - 1) for count in row) for row in table) / (total * (raters - 1))
    return (observed - chance) / (1 - chance)


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], *, level: Level = "nominal") -> float:
    """Agreement beyond chance of any number of raters, with gaps, on any scale.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).

    Args:
        ratings: Rows raters, columns items; None where a rater gave nothing.
        level: Scale of the ratings: which disagreements weigh how much.

    Returns:
        Alpha: 1 for perfect agreement, 0 for chance.

    Raises:
        UsageError: When raters have different numbers of items, no item has two ratings, or only one value occurs.
    """
    require(len({len(row) for row in ratings}) == 1, "every rater needs one entry (or None) for each item")
    items = [[value for value in column if value is not None] for column in zip(*ratings, strict=True)]
    counted = [Counter(item) for item in items if len(item) > 1]
    totals = sum(counted, Counter[float]())
    n = totals.total()
    require(len(totals) > 1, "fewer than two different values in items with two ratings: alpha does not exist")
    weight = _squared_distances(totals, level)
    observed = sum(
        first * second * weight[a, b] / (counts.total() - 1)
        for counts in counted
        for a, first in counts.items()
        for b, second in counts.items()
    )
    expected = sum(totals[a] * totals[b] * weight[a, b] for a in totals for b in totals) / (n - 1)
    return 1 - observed / expected


def _squared_distances(totals: Counter[float], level: Level) -> dict[tuple[float, float], float]:
    values = sorted(totals)
    position: dict[float, float] = {value: value for value in values}
    if level == "ordinal":
        below = 0.0
        for value in values:
            position[value] = below + totals[value] / 2
            below += totals[value]

    def squared(a: float, b: float) -> float:
        if a == b or level == "nominal":
            return float(a != b)
        if level == "ratio":
            require(a + b != 0, "ratio-scaled ratings must be above 0")
            return math.pow((a - b) / (a + b), 2)
        return math.pow(position[a] - position[b], 2)

    return {(a, b): squared(a, b) for a in values for b in values}


def _total(table: Table) -> int:
    for row in table:
        require_counts("counts", tuple(row))
    require(len({len(row) for row in table}) <= 1, "every row of the table needs the same number of columns")
    total = sum(map(sum, table))
    require(total > 0, "the table is empty: give at least one rating")
    return total
