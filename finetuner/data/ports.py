"""What the data layer needs from its callers and siblings, as small protocols."""

from collections.abc import Iterator
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from finetuner.data.examples import Example

Rows = NDArray[np.int64]
"""Row numbers, 0-based, in any order; a row may occur more than once."""


class Examples(Protocol):
    """A sequence of examples that can be read again and again, and always gives the same."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int, /) -> Example:
        """The example at a 0-based row; negative rows count from the end. Raises `DataFormatError` for a bad line."""
        ...

    def __iter__(self) -> Iterator[Example]:
        """All examples in order. Raises `DataFormatError` at a bad line."""
        ...

    def line(self, index: int, /) -> int:
        """The 1-based line of its file where the example stands."""
        ...

    def file(self, index: int, /) -> str:
        """The file (or other name) that the example comes from."""
        ...

    def select(self, rows: Rows, /) -> Self:
        """The same data with these rows, in this order."""
        ...


class ExampleJudge(Protocol):
    """Judges whether an example's own answer is good: filled in by the evaluation layer."""

    def objection(self, example: Example) -> str | None:
        """Why the answer isn't good, or None when it is. May ask a model, and raise what that raises."""
        ...


@runtime_checkable
class Flagged(Protocol):
    """A report that names rows, such as those with errors."""

    @property
    def rows(self) -> Rows:
        """0-based row numbers, shape `(n,)`."""
        ...
