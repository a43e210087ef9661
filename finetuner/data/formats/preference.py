"""OpenAI's preference pairs (direct preference optimization).

`{"input": {"messages", "tools", "parallel_tool_calls"}, "preferred_output": [message], "non_preferred_output":
[message]}`. Messages directly under `input`, and the older names `preferred_completion` and
`non_preferred_completion`, are read only.

Source: OpenAI's guide to direct preference optimization, 2026-06.
"""

from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message
from finetuner.data.formats import fields, openai
from finetuner.data.shapes import is_list

NAME: Final = "openai-preference"

PREFERRED: Final = ("preferred_output", "preferred_completion")
REJECTED: Final = ("non_preferred_output", "non_preferred_completion")
_KEYS: Final = frozenset({"input", *PREFERRED, *REJECTED})


def detect(record: JsonObject) -> bool:
    """Whether the record has a better or a worse answer under one of their names."""
    return any(key in record for key in PREFERRED + REJECTED)


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    given = fields.required(record, "input", "")
    inner: JsonObject = {"messages": given} if is_list(given) else fields.obj(given, "input")
    return Example(
        messages=openai.messages_from(
            fields.required(inner, "messages", "input"), "input" if is_list(given) else "input.messages"
        ),
        preferred=_answer(record, PREFERRED),
        rejected=_answer(record, REJECTED),
        tools=openai.tools_from(inner, "input"),
        parallel_tool_calls=openai.flag(inner.get("parallel_tool_calls"), "input.parallel_tool_calls"),
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: It isn't a pair.
    """
    if example.preferred is None or example.rejected is None:
        raise fields.bad("preferred", 'a preference pair needs a better and a worse answer; write it as "openai"')
    given: JsonObject = {"messages": openai.messages_to(example.messages, "messages")} | openai.tools_to(example)
    return {
        "input": given,
        "preferred_output": [openai.message_to(example.preferred, "preferred")],
        "non_preferred_output": [openai.message_to(example.rejected, "rejected")],
    }


def _answer(record: JsonObject, names: tuple[str, ...]) -> Message:
    key = next((name for name in names if name in record), names[0])
    value: Json = fields.required(record, key, "")
    if not is_list(value):
        return openai.message_from(value, key)
    if len(value) != 1:
        raise fields.bad(key, f"holds {len(value)} messages, where exactly one is expected")
    return openai.message_from(value[0], f"{key}[0]")
