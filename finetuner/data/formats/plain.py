"""Rows of a text and its label (or answer), as CSV files and simple JSON lines hold them.

The column of the text is called `text`, `question`, `prompt`, `input`, … and that of the answer `label`, `category`,
`intent`, `answer`, …; other columns are kept as metadata.
"""

from collections.abc import Iterable
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, assistant, user
from finetuner.data.formats import fields
from finetuner.data.shapes import is_object
from finetuner.errors import DataFormatError

NAME: Final = "plain"

_TEXT: Final = (
    "text", "question", "prompt", "input", "query", "utterance", "sentence", "message", "request", "ticket", "document",
    "body", "content",
)  # fmt: skip
_LABEL: Final = ("label", "category", "class", "intent", "topic", "sentiment", "target")
_ANSWER: Final = ("answer", "output", "response", "completion", "reply", "expected")


def detect(record: JsonObject) -> bool:
    """Whether there is a column that is named like a text, and it holds text."""
    column = _column(record, _TEXT)
    return column is not None and isinstance(record[column], str)


def columns(record: JsonObject, *, text: str | None = None, label: str | None = None) -> tuple[str, str | None]:
    """The column of the text and that of the label or answer (None where there is none).

    Args:
        record: A row.
        text: The text's column, where known.
        label: The label's column, where known.

    Raises:
        DataFormatError: A column is missing, or the text's column can't be told.
    """
    for given in (text, label):
        if given is not None and given not in record:
            raise fields.bad(given, f"there is no such column; the columns are {fields.listed(record)}")
    rest = {name: value for name, value in record.items() if name not in (text, label)}
    text = text or _column(rest, _TEXT)
    if text is None:
        raise fields.bad(
            "text", f'no column is named like a text; the columns are {fields.listed(record)}. Say which: text="…"'
        )
    return text, label or _column({k: v for k, v in rest.items() if k != text}, _LABEL + _ANSWER)


def require_columns(head: Iterable[Json], *, text: str | None, label: str | None, file: str) -> None:
    """Refuse a column that none of the first rows has: once for the file, not again for each row.

    Args:
        head: The first rows, those that can't be read among them.
        text: The text's column, where given.
        label: The label's column, where given.
        file: Where the rows are.

    Raises:
        DataFormatError: There are rows, and none has the column.
    """
    rows = [row for row in head if is_object(row)]
    known = {key: None for row in rows for key in row}
    for given in (text, label):
        if rows and given is not None and given not in known:
            raise DataFormatError(f'there is no column "{given}"; the columns are {fields.listed(known)}', file=file)


def from_record(record: JsonObject, *, text: str | None = None, label: str | None = None) -> Example:
    """The example of a row: the text is the user's, the label or answer the assistant's.

    A label is also kept as `metadata["label"]`.

    Args:
        record: A row.
        text: The text's column; found by its name where not given.
        label: The label's column; found by its name where not given.

    Raises:
        DataFormatError: A column is missing or holds no text.
    """
    text_column, label_column = columns(record, text=text, label=label)
    messages = (user(fields.text(record[text_column], text_column)),)
    metadata = {key: value for key, value in record.items() if key not in (text_column, label_column)}
    if label_column is None:
        return Example(messages=messages, metadata=metadata)
    answer = _answer(record[label_column], label_column)
    if label_column == label or label_column.lower() in _LABEL:
        metadata["label"] = answer
    return Example(messages=(*messages, assistant(answer)), metadata=metadata)


def to_record(example: Example) -> JsonObject:
    """The row of an example: `text`, `label` (or `answer`), and its metadata as further columns.

    Raises:
        DataFormatError: It has more than one question and one answer, or no plain text.
    """
    if example.tools or example.preferred is not None or example.rejected is not None:
        raise fields.bad("tools" if example.tools else "preferred", 'a "plain" row has no place for it')
    roles = [message.role for message in example.messages]
    if roles not in (["user"], ["user", "assistant"]):
        raise fields.bad("messages", 'a "plain" row holds one user message and one answer, and nothing else')
    for n, message in enumerate(example.messages):
        if not isinstance(message.content, str) or message.tool_calls or message.name or message.weight is not None:
            raise fields.bad(f"messages[{n}]", 'a "plain" row holds text only')
    record: JsonObject = {"text": example.messages[0].text}
    metadata = dict(example.metadata)
    if len(roles) > 1:
        answer = example.messages[1].text
        record["label" if metadata.get("label") == answer else "answer"] = answer
        if metadata.get("label") == answer:
            del metadata["label"]
    clash = sorted(_reserved(record) & {key.lower() for key in metadata})
    if clash:
        raise fields.bad(f"metadata.{clash[0]}", 'would be taken for the text or label of a "plain" row; rename it')
    return record | metadata


def _reserved(record: JsonObject) -> set[str]:
    answers = _LABEL + _ANSWER
    return {*_TEXT[:1], *(answers if "answer" in record or len(record) == 1 else answers[:1])}


def _column(record: JsonObject, names: tuple[str, ...]) -> str | None:
    lower = {str(column).strip().lower(): column for column in reversed(list(record))}
    return next((lower[name] for name in names if name in lower), None)


def _answer(value: Json, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else fields.text(value, field)
