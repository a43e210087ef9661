"""Training lines as the embedded model takes them: OpenAI's chat format, one text and one answer each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import attrs

from finetuner._core import codec
from finetuner._core.types import JsonObject
from finetuner.data.examples import Example
from finetuner.data.formats import openai
from finetuner.data.tokens import count_example
from finetuner.errors import DataFormatError

FORMAT: Final = openai.NAME


@attrs.frozen
class Labeled:
    """What there is to learn.

    Attributes:
        texts: What users said.
        answers: The completion of each.
    """

    texts: tuple[str, ...]
    answers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


def read(path: Path, name: str) -> Labeled:
    """All pairs of a file.

    Args:
        path: A JSONL file.
        name: What to call it in errors.

    Raises:
        DataFormatError: A line can't be learned; with its number and field.
    """
    pairs = list(_pairs(path, name))
    return Labeled(tuple(text for text, _ in pairs), tuple(answer for _, answer in pairs))


def count(path: Path, name: str, model: str) -> int:
    """Tokens of a file, once, as an estimate of the same training counts them.

    Args:
        path: A JSONL file.
        name: What to call it in errors.
        model: The base model.

    Raises:
        DataFormatError: A line can't be read; with its number and field.
    """
    return sum(sum(count_example(example, model)) for _, example in _examples(path, name))


def pair(example: Example) -> tuple[str, str]:
    """The user's text and the answer to learn.

    Raises:
        DataFormatError: One of them is empty.
    """
    text, answer = example.user_text, example.completion.strip()
    if not text.strip():
        raise DataFormatError("has no user message with text; embedded models learn from text", field="messages")
    if not answer:
        raise DataFormatError("doesn't end with an assistant message that has text to learn", field="messages")
    return text, answer


def _pairs(path: Path, name: str) -> Iterator[tuple[str, str]]:
    for number, example in _examples(path, name):
        try:
            yield pair(example)
        except DataFormatError as error:
            raise DataFormatError(error.problem, file=name, line=number, field=error.field) from error


def _examples(path: Path, name: str) -> Iterator[tuple[int, Example]]:
    """The examples of a file, each with the number of its line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, openai.from_record(_record(line))
            except DataFormatError as error:
                raise DataFormatError(error.problem, file=name, line=number, field=error.field) from error
            except ValueError as error:
                raise DataFormatError(f"isn't JSON: {error}", file=name, line=number) from error


def _record(line: bytes) -> JsonObject:
    record = codec.decode(line)
    if not isinstance(record, dict):
        raise DataFormatError("isn't a JSON object")
    return cast("JsonObject", record)
