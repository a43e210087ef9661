"""Wire formats: one module each, all of the same shape, and the table of them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example
from finetuner.data.formats import openai, plain
from finetuner.data.formats.fields import kind
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


_FORMATS: tuple[Format, ...] = (openai, plain)
"""In the order in which they are tried: the more particular first."""


def names() -> tuple[str, ...]:
    """Names of all formats."""
    return tuple(format.NAME for format in _FORMATS)


def get(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownNameError: With the names that are known.
    """
    for format in _FORMATS:
        if name == format.NAME:
            return format
    raise UnknownNameError(f"no format {name!r}; known: {', '.join(names())}")


def detect(records: Sequence[Json]) -> Format | None:
    """The format that most of some records have; None where none is recognized."""
    found = [next((format for format in _FORMATS if format.detect(r)), None) for r in records if isinstance(r, dict)]
    known = [format for format in found if format is not None]
    return max(known, key=lambda format: sum(other is format for other in known), default=None)


def as_object(record: Json) -> JsonObject:
    """The record, if it is an object.

    Raises:
        DataFormatError: It is something else.
    """
    if not isinstance(record, dict):
        raise DataFormatError(f"the line is {kind(record)}, where an object is expected")
    return record
