"""Reading a benchmark's file: a record a line, each mistake with its place."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, cast

import attrs
import msgspec

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import DataFormatError

_LONGEST_LINE: Final = 1 << 20
LETTERS: Final = "ABCDEFGHIJ"
"""What options are called."""


@attrs.frozen
class Record:
    """One line of a benchmark's file.

    Attributes:
        fields: What it says.
        path: The file.
        line: 1-based.
    """

    fields: JsonObject
    path: Path
    line: int

    def text(self, name: str) -> str:
        """A field that must be text. Raises `DataFormatError`."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise self.wrong(name, "required text missing")
        return value

    def whole(self, name: str) -> int:
        """A field that must be a whole number, or one written as text. Raises `DataFormatError`."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit():
            raise self.wrong(name, "required whole number missing")
        return int(value)

    def texts(self, name: str) -> list[str]:
        """A field that must be a list of texts, not empty. Raises `DataFormatError`."""
        value: Json = self.fields.get(name)
        if not is_list(value) or not value or not all(isinstance(each, str) for each in value):
            raise self.wrong(name, "required list of texts missing")
        return cast("list[str]", value)

    def inner(self, name: str) -> "Record":
        """A field that must be an object. Raises `DataFormatError`."""
        value: Json = self.fields.get(name)
        if not is_object(value):
            raise self.wrong(name, "required object missing")
        return attrs.evolve(self, fields=value)

    def wrong(self, name: str, what: str) -> DataFormatError:
        """The error that names this place."""
        return DataFormatError(what, file=str(self.path), line=self.line, field=name)


ExampleOf = Callable[[Record], Example]
"""Makes the prompt and the expected answer of a record."""


def load(path: Path, example_of: ExampleOf, limit: int | None = None) -> Dataset:
    """The rows of a benchmark's JSONL file.

    Args:
        path: The file.
        example_of: What a record means.
        limit: Only so many from the start.

    Raises:
        DataFormatError: A line isn't a record of this benchmark; it says which, and what is missing.
    """
    return Dataset.from_examples(islice(map(example_of, records(path)), limit), name=str(path))


def records(path: Path) -> Iterator[Record]:
    """The records of a file, blank lines aside."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            if line.strip():
                yield Record(_object(line, path, number), path, number)


def choices(question: str, options: list[str], right: int, instruction: str) -> Example:
    """A multiple-choice question whose answer is a letter."""
    shown = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return Example(messages=(user(f"{question}\n\n{shown}\n\n{instruction}"), assistant(LETTERS[right])))


def _object(line: bytes, path: Path, number: int) -> JsonObject:
    try:
        value: Json = codec.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DataFormatError(f"not JSON: {error}", file=str(path), line=number) from error
    if not is_object(value):
        raise DataFormatError("not an object", file=str(path), line=number)
    return value
