"""Wire formats: one module each, all of the same shape, and the table of them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example
from finetuner.data.formats import (
    alpaca,
    finetuner,
    openai,
    plain,
    preference,
    prompt_completion,
    sharegpt,
    vertex,
    vertex_preference,
)
from finetuner.data.shapes import is_object, kind
from finetuner.errors import DataFormatError, UnknownNameError


class Format(Protocol):
    """What a format's module offers."""

    @property
    def NAME(self) -> str:  # noqa: N802  # a constant of the module
        """The format's name."""
        ...

    @property
    def detect(self) -> Callable[[JsonObject], bool]:
        """Whether a record looks like this format."""
        ...

    @property
    def from_record(self) -> Callable[[JsonObject], Example]:
        """The example that a record holds. Raises `DataFormatError` with the field."""
        ...

    @property
    def to_record(self) -> Callable[[Example], JsonObject]:
        """The record of an example. Raises `DataFormatError` with the field where the format can't hold it."""
        ...


_FORMATS: tuple[Format, ...] = (
    finetuner,
    openai,
    preference,
    vertex_preference,
    vertex,
    sharegpt,
    alpaca,
    prompt_completion,
    plain,
)
"""In the order in which they are tried: the more particular first."""


def names() -> tuple[str, ...]:
    """Names of all formats."""
    return tuple(wire.NAME for wire in _FORMATS)


def get(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownNameError: With the names that are known.
    """
    for wire in _FORMATS:
        if name == wire.NAME:
            return wire
    raise UnknownNameError(f"no format {name!r}; known: {', '.join(names())}")


def detect(records: Sequence[Json]) -> Format | None:
    """The format that most of some records have; None where none is recognized."""
    found = [next((wire for wire in _FORMATS if wire.detect(record)), None) for record in records if is_object(record)]
    known = [wire for wire in found if wire is not None]
    return max(known, key=lambda wire: sum(other is wire for other in known), default=None)


def as_object(record: Json) -> JsonObject:
    """The record, if it is an object.

    Raises:
        DataFormatError: It is something else.
    """
    if not is_object(record):
        raise DataFormatError(f"the line is {kind(record)}, where an object is expected")
    return record
