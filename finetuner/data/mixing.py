"""Several data sets as one, in given shares."""

from collections.abc import Sequence

import attrs
import numpy as np

from finetuner._core.hashing import unit_interval
from finetuner._core.types import Json
from finetuner.data.ports import Examples, Rows
from finetuner.data.problems import Problem
from finetuner.data.sampling import priorities, shares
from finetuner.errors import DataFormatError, UsageError


@attrs.frozen(kw_only=True, eq=False)
class Mixed:
    """Rows of several data sets as one source of examples.

    Attributes:
        name: For people.
        parts: The data sets.
        of: For each row the number of its data set, shape `(n,)`.
        at: For each row its row there, shape `(n,)`.
    """

    name: str
    parts: tuple[Examples, ...]
    of: Rows = attrs.field(repr=False)
    at: Rows = attrs.field(repr=False)
    blank_lines: int = 0
    size: int | None = None

    def __len__(self) -> int:
        return len(self.of)

    def read(self, row: int) -> Json | Problem:
        """The example at a row; or why it can't be read."""
        try:
            return self.parts[int(self.of[row])][int(self.at[row])]
        except DataFormatError as error:
            return Problem(code="unreadable_record", field=error.field or "", message=error.problem)

    def line(self, row: int) -> int:
        """The 1-based line where the row starts, in its own file."""
        return self.parts[int(self.of[row])].line(int(self.at[row]))

    def file(self, row: int) -> str:
        """The file of the row."""
        return self.parts[int(self.of[row])].file(int(self.at[row]))


def mixed(parts: Sequence[Examples], weights: Sequence[float], size: int | None, seed: int, name: str) -> Mixed:
    """Rows of all parts in the shares of their weights, shuffled by content and seed.

    Args:
        parts: The data sets.
        weights: What share of the result each makes up, in any unit.
        size: How many rows; by default as many as there can be without repeating one.
        seed: Another seed gives another choice and order.
        name: For people.

    Raises:
        UsageError: Weights that aren't above 0, an empty part, or a size below 1.
    """
    if not parts or len(parts) != len(weights) or min(weights) <= 0 or not all(map(len, parts)):
        raise UsageError("mix takes data sets that aren't empty, each with a weight above 0")
    if size is not None and size < 1:
        raise UsageError(f"a mix needs at least 1 example, not {size}")
    total = sum(weights)
    limit = min(len(part) * total / weight for part, weight in zip(parts, weights, strict=True))
    # shares() never gives more than there is, so it is asked with weights, not with sizes
    counts = _counts(weights, int(limit + 1e-9) if size is None else size)
    chosen: list[tuple[float, int, int]] = []
    for number, (part, count) in enumerate(zip(parts, counts, strict=True)):
        ranks = priorities(part, seed)
        order = sorted(range(len(part)), key=ranks.__getitem__)
        for place in range(count):
            again, row = divmod(place, len(order))
            key = unit_interval(str(seed), str(number), str(again), repr(ranks[order[row]]))
            chosen.append((key, number, order[row]))
    chosen.sort()
    of, at = (np.array([item[column] for item in chosen], dtype=np.int64) for column in (1, 2))
    return Mixed(name=name, parts=tuple(parts), of=of, at=at)


def _counts(weights: Sequence[float], n: int) -> list[int]:
    scale = 1_000_000 / sum(weights)
    return shares([max(1, round(weight * scale)) for weight in weights], n)
