"""Training files of open weights: OpenAI's chat lines, and its preference pairs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.data.examples import Example
from finetuner.data.formats import openai, preference
from finetuner.data.shapes import is_object
from finetuner.errors import DataFormatError

FORMATS: Final = (openai.NAME, preference.NAME)
"""What is read: supervised, and by preference."""


def read(path: Path, name: str) -> tuple[Example, ...]:
    """The examples of a file, in either format.

    Args:
        path: A JSONL file.
        name: What to call it in errors.

    Raises:
        DataFormatError: A line can't be learned; with its number and field.
    """
    return tuple(_examples(path, name))


def _examples(path: Path, name: str) -> Iterator[Example]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield _example(codec.decode(line))
            except DataFormatError as error:
                raise DataFormatError(error.problem, file=name, line=number, field=error.field) from error
            except ValueError as error:
                raise DataFormatError(f"isn't JSON: {error}", file=name, line=number) from error


def _example(record: Json) -> Example:
    if not is_object(record):
        raise DataFormatError("isn't a JSON object")
    return preference.from_record(record) if preference.detect(record) else openai.from_record(record)
