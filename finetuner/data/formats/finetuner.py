"""Our own lines: all that an example is, metadata included, for files that stay with the team.

OpenAI's chat line, with `metadata`, and with `preferred` and `rejected` (a message each) for preference data. Media
parts are written as `{"type": "media", "uri", "mime_type", "detail"}`, whatever provider they are meant for.
"""

from typing import Final

from finetuner._core.types import JsonObject
from finetuner.data.examples import Example, Part, TextPart
from finetuner.data.formats import fields, openai
from finetuner.data.shapes import is_object

NAME: Final = "finetuner"

_KEYS: Final = openai.KEYS | {"preferred", "rejected"}


def detect(record: JsonObject) -> bool:
    """Whether the record has messages, and metadata or a preferred answer."""
    return openai.detect(record) and any(is_object(record.get(key)) for key in ("metadata", "preferred"))


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    preferred, rejected = record.get("preferred"), record.get("rejected")
    return Example(
        messages=openai.messages_from(fields.required(record, "messages", ""), "messages"),
        preferred=None if preferred is None else openai.message_from(preferred, "preferred"),
        rejected=None if rejected is None else openai.message_from(rejected, "rejected"),
        tools=openai.tools_from(record, ""),
        parallel_tool_calls=openai.flag(record.get("parallel_tool_calls"), "parallel_tool_calls"),
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example; every example can be held."""
    record: JsonObject = {"messages": openai.messages_to(example.messages, "messages", part=_part_to)}
    if example.preferred is not None:
        record["preferred"] = openai.message_to(example.preferred, "preferred", part=_part_to)
    if example.rejected is not None:
        record["rejected"] = openai.message_to(example.rejected, "rejected", part=_part_to)
    return record | openai.tools_to(example) | {"metadata": dict(example.metadata)}


def _part_to(part: Part, field: str) -> JsonObject:
    if isinstance(part, TextPart):
        return openai.part_to(part, field)
    record = {"type": "media", "uri": part.uri, "mime_type": part.mime_type, "detail": part.detail}
    return {key: value for key, value in record.items() if value is not None}
