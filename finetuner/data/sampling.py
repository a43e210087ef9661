"""Samples decided by content and seed: stable when data is reordered or grows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from finetuner._core.hashing import unit_interval
from finetuner.data.examples import Example
from finetuner.data.labels import find_labels, written_label
from finetuner.data.ports import Examples, Rows
from finetuner.errors import UsageError


def strata(examples: Sequence[Example], by: str | None) -> list[str]:
    """The group of each example: its label for `label` or `class`, else what its metadata says under that name.

    All spellings of a label are one group, all answers that are none of the labels another; free text is one group.

    Raises:
        UsageError: No example has that name in its metadata.
    """
    if by is None:
        return [""] * len(examples)
    if by in ("label", "class"):
        labels = find_labels(examples)
        return ["" if labels is None else labels.usual(written_label(example)) or "" for example in examples]
    if examples and not any(by in example.metadata for example in examples):
        known = sorted({str(key) for example in examples for key in example.metadata})
        raise UsageError(f"no example has {by!r} in its metadata; there is {', '.join(known) or 'none'}")
    return [str(example.metadata.get(by, "")) for example in examples]


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


def even_shares(sizes: Sequence[int], n: int) -> list[int]:
    """How many of `n` fall to each group, as equal as their sizes allow."""
    given = [0] * len(sizes)
    left = min(n, sum(sizes))
    while left:
        free = [group for group, size in enumerate(sizes) if given[group] < size]
        each = max(1, left // len(free))
        for group in free[:left]:
            more = min(each, sizes[group] - given[group])
            given[group] += more
            left -= more
    return given


def rows(dataset: Examples, n: int, stratify: str | None = None, seed: int = 0, *, balanced: bool = False) -> Rows:
    """Row numbers of a sample, in the data's order, shape `(min(n, len(dataset)),)`.

    Args:
        dataset: The examples.
        n: How many.
        stratify: Groups: `label`, or a key of the metadata. Each has its share of the data, rounded.
        seed: Another seed gives another sample.
        balanced: Give every group the same share instead, as far as it has so many.

    Raises:
        UsageError: `n` is below 1, or no example has that key.
    """
    if n < 1:
        raise UsageError(f"a sample needs at least 1 example, not {n}")
    examples = list(dataset)
    numbers = priorities(examples, seed)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(strata(examples, stratify)):
        groups[name].append(row)
    members = [sorted(groups[name], key=lambda row: numbers[row]) for name in sorted(groups)]
    dealt = even_shares if balanced else shares
    counts = dealt([len(group) for group in members], min(n, len(examples)))
    chosen = [row for group, count in zip(members, counts, strict=True) for row in group[:count]]
    return np.array(sorted(chosen), dtype=np.int64)
