"""`{"prompt": …, "completion": …}`: two texts, or two lists of messages as open-weight trainers read them.

Source: TRL's dataset formats, "prompt-completion", standard and conversational, 2026.
"""

from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message, assistant, user
from finetuner.data.formats import fields, openai
from finetuner.data.shapes import is_list

NAME: Final = "prompt-completion"

_KEYS: Final = frozenset({"prompt", "completion"})


def detect(record: JsonObject) -> bool:
    """Whether the record has a prompt and a completion."""
    return record.keys() >= _KEYS


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    prompt = _side(fields.required(record, "prompt", ""), "prompt")
    completion = _side(fields.required(record, "completion", ""), "completion")
    return Example(messages=prompt + completion, metadata=openai.metadata_from(record, _KEYS))


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata: texts for one question and one answer, else messages.

    Raises:
        DataFormatError: It doesn't end with an answer, or holds more than text.
    """
    fields.text_only(example, NAME)
    if example.answer is None:
        raise fields.bad("messages", "needs an answer by the assistant at its end")
    if [message.role for message in example.prompt] == ["user"]:
        return {"prompt": example.prompt[0].text, "completion": example.completion}
    messages = openai.messages_to(example.messages, "messages")
    return {"prompt": messages[:-1], "completion": messages[-1:]}


def _side(value: Json, field: str) -> tuple[Message, ...]:
    if is_list(value):
        return openai.messages_from(value, field)
    text = fields.text(value, field)
    return (user(text) if field == "prompt" else assistant(text),)
