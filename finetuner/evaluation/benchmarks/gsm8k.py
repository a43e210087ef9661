r"""GSM8K: grade-school word problems whose answer is one number (Cobbe et al. 2021, arXiv 2110.14168).

A line of the file, and how answers to it are graded:

```pycon
>>> record = {"question": "Tom has 3 boxes of 4 pens. How many pens?", "answer": "3 * 4 = <<3*4=12>>12\n#### 12"}
>>> example_of(record).completion
'#### 12'
>>> from finetuner.evaluation.metrics.numeric import flexible_number, strict_number
>>> strict_number("There are 12 pens.\n#### 12"), strict_number("There are 12 pens.")
(Decimal('12'), None)
>>> flexible_number("There are 12 pens.")
Decimal('12')

```

Two numbers are reported, because extraction decides the score: *capability* takes the last number of the answer,
*format* only the one after `####`. A tuned model may keep the first and lose the second.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, cast

import msgspec

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import DataFormatError
from finetuner.evaluation.metrics.numeric import strict_number

NAME: Final = "gsm8k"
METRICS: Final = ("numeric_flexible", "numeric_strict")
PARTS: Final = ("capability", "format")

_INSTRUCTION = 'Solve the problem step by step. End with a line "#### " and the final number alone.'
_LONGEST_LINE = 1 << 20


def load(path: Path, limit: int | None = None) -> Dataset:
    """The problems of a JSONL file of `{"question": …, "answer": …}`.

    Args:
        path: The file.
        limit: Only so many problems from the start.

    Raises:
        DataFormatError: A line isn't such an object, or its answer has no `#### number`.
    """
    return Dataset.from_examples(islice(_examples(path), limit), name=str(path))


def example_of(record: dict[str, str]) -> Example:
    """The prompt and the expected `#### number` of a record; its worked solution isn't shown to the model."""
    return Example(
        messages=(
            user(f"{record['question']}\n\n{_INSTRUCTION}"),
            assistant(f"#### {strict_number(record['answer'])}"),
        )
    )


def _examples(path: Path) -> Iterator[Example]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            if line.strip():
                yield example_of(_record(line, path, number))


def _record(line: bytes, path: Path, number: int) -> dict[str, str]:
    try:
        value: Json = codec.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DataFormatError(f"not JSON: {error}", file=str(path), line=number) from error
    record = cast("JsonObject", value) if isinstance(value, dict) else {}
    return {field: _text(record, field, path, number) for field in ("question", "answer")}


def _text(record: JsonObject, field: str, path: Path, number: int) -> str:
    text = record.get(field)
    if not isinstance(text, str):
        raise DataFormatError("required text missing", file=str(path), line=number, field=field)
    if field == "answer" and strict_number(text) is None:
        raise DataFormatError('no final "#### number"', file=str(path), line=number, field=field)
    return text
