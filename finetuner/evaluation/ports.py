"""What evaluation needs from data: any sequence of examples that knows its lines and its fingerprint."""

from collections.abc import Iterator
from typing import Protocol

from finetuner.data.examples import Example


class LabeledData(Protocol):
    """Examples with their expected answers. `finetuner.data.dataset.Dataset` is one."""

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: the same examples in the same order have the same."""
        ...

    @property
    def source(self) -> str:
        """Where the examples come from, for people."""
        ...

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def __iter__(self) -> Iterator[Example]:
        """The examples in order; iterating again gives the same ones."""
        ...

    def line(self, index: int, /) -> int | None:
        """The 1-based line of an example in its file, None where there is no file."""
        ...

    def prompt_hashes(self) -> tuple[str, ...]:
        """The first 16 hexadecimal digits of each example's prompt hash."""
        ...
