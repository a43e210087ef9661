"""Evening out classes. For the training part only: validation and test must keep the real mix."""

from collections import defaultdict
from typing import Literal, get_args

import numpy as np

from finetuner.data.labels import find_labels, written_label
from finetuner.data.ports import Examples, Rows
from finetuner.data.sampling import priorities
from finetuner.errors import UsageError

How = Literal["oversample", "undersample"]


def rows(dataset: Examples, how: How = "oversample", seed: int = 0) -> Rows:
    """Row numbers after which every label is equally frequent, in the data's order, shape `(n,)`.

    All spellings of a label count together; answers that are none of the labels are neither repeated nor left out.

    Args:
        dataset: The training examples.
        how: `oversample` repeats examples of rare labels, `undersample` leaves out examples of frequent ones.
        seed: Decides which are repeated or left out.

    Raises:
        UsageError: There is no such way, the data is empty, or the answers are free text.
    """
    if how not in get_args(How):
        raise UsageError(f"rebalance takes {' or '.join(get_args(How))}, not {how!r}")
    examples = list(dataset)
    if not examples:
        raise UsageError("there is nothing to rebalance: the data set is empty")
    labels = find_labels(examples)
    if labels is None:
        raise UsageError("the answers are free text: there are no classes to rebalance")
    numbers = priorities(examples, seed)
    groups: defaultdict[str | None, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        groups[labels.usual(written_label(example))].append(row)
    chosen = groups.pop(None, [])
    sizes = [len(group) for group in groups.values()]
    size = max(sizes) if how == "oversample" else min(sizes)
    for group in groups.values():
        order = sorted(group, key=lambda row: numbers[row])
        whole, rest = divmod(size, len(order))
        chosen += order * whole + order[:rest]
    return np.array(sorted(chosen), dtype=np.int64)
