"""Samples decided by content and seed: stable when data is reordered or grows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from finetuner._core.hashing import unit_interval
from finetuner.data.examples import Example
from finetuner.data.ports import Examples, Rows
from finetuner.errors import UsageError


def stratum(example: Example, by: str | None) -> str:
    """The group of an example: its label for `label` or `class`, else what its metadata says under that name."""
    if by is None:
        return ""
    return example.label if by in ("label", "class") else str(example.metadata.get(by, ""))


def priorities(examples: Iterable[Example], seed: int) -> list[float]:
    """A number in [0, 1) for each example, from content and seed; copies get different ones by their count."""
    seen: defaultdict[str, int] = defaultdict(int)
    numbers: list[float] = []
    for example in examples:
        copy = seen[example.content_hash]
        seen[example.content_hash] += 1
        numbers.append(unit_interval(str(seed), example.content_hash, str(copy)))
    return numbers


def shares(sizes: Sequence[int], n: int) -> list[int]:
    """How many of `n` fall to each group, in proportion to size (largest remainders), never more than it has."""
    total = sum(sizes)
    exact = [size * n / total for size in sizes]
    given = [int(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda group: (given[group] - exact[group], group))
    for group in order[: n - sum(given)]:
        given[group] += 1
    return given


def rows(dataset: Examples, n: int, stratify: str | None = None, seed: int = 0) -> Rows:
    """Row numbers of a sample, in the data's order, shape `(min(n, len(dataset)),)`.

    Args:
        dataset: The examples.
        n: How many.
        stratify: Keep the mix of `label`, or of a key of the metadata; every group gets at least its rounded share.
        seed: Another seed gives another sample.

    Raises:
        UsageError: `n` is below 1.
    """
    if n < 1:
        raise UsageError(f"a sample needs at least 1 example, not {n}")
    examples = list(dataset)
    numbers = priorities(examples, seed)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        groups[stratum(example, stratify)].append(row)
    members = [sorted(groups[name], key=lambda row: numbers[row]) for name in sorted(groups)]
    counts = shares([len(group) for group in members], min(n, len(examples)))
    chosen = [row for group, count in zip(members, counts, strict=True) for row in group[:count]]
    return np.array(sorted(chosen), dtype=np.int64)
