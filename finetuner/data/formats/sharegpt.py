"""`{"conversations": [{"from": "human" | "gpt" | "system", "value": …}]}`, as many open data sets have it."""

from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message, system
from finetuner.data.formats import fields, openai
from finetuner.data.shapes import is_list

NAME: Final = "sharegpt"

_READ: Final = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
}
_WRITTEN: Final = {"system": "system", "developer": "system", "user": "human", "assistant": "gpt"}
_KEYS: Final = frozenset({"conversations", "system"})


def detect(record: JsonObject) -> bool:
    """Whether the record has a list of conversations."""
    return is_list(record.get("conversations"))


def from_record(record: JsonObject) -> Example:
    """The example of a line; a `system` beside the turns comes first.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    turns = fields.items(fields.required(record, "conversations", ""), "conversations")
    first = fields.optional_text(record.get("system"), "system")
    return Example(
        messages=((system(first),) if first else ())
        + tuple(_turn(turn, f"conversations[{n}]") for n, turn in enumerate(turns)),
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: It holds more than text.
    """
    fields.text_only(example, NAME)
    return {"conversations": [{"from": _WRITTEN[message.role], "value": message.text} for message in example.messages]}


def _turn(value: Json, field: str) -> Message:
    turn = fields.obj(value, field)
    speaker = fields.text(fields.required(turn, "from", field), f"{field}.from")
    if speaker not in _READ:
        raise fields.bad(f"{field}.from", f'"{speaker}" is none of {fields.listed(_READ)}')
    return Message(role=_READ[speaker], content=fields.text(fields.required(turn, "value", field), f"{field}.value"))
