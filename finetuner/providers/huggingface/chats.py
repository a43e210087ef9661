"""Conversations as a model's chat template writes them, and which of their tokens are learned."""

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message, TextPart, ToolCall
from finetuner.data.shapes import is_object
from finetuner.errors import DataFormatError

IGNORED: Final = -100
"""The label of a token that isn't learned (PyTorch's cross entropy)."""

_CALL: Final = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)

Render = Callable[[Sequence[Message], Sequence[Any], bool], str]
"""Writes messages and tools by a chat template, with the start of an answer at the end where the flag is true."""

Encode = Callable[[str], tuple[list[int], list[tuple[int, int]]]]
"""Tokens of a text, each with its place in it."""


@attrs.frozen
class Row:
    """An example to learn.

    Attributes:
        input_ids: Tokens.
        labels: The same, `IGNORED` where they aren't learned.
    """

    input_ids: list[int]
    labels: list[int]

    @property
    def learned(self) -> int:
        """Tokens in the loss."""
        return sum(label != IGNORED for label in self.labels)


def plain(message: Message) -> JsonObject:
    """A message as chat templates take it.

    Raises:
        DataFormatError: It has parts that aren't text, or a call whose arguments aren't JSON.
    """
    if message.content is not None and not isinstance(message.content, str):
        media = [part for part in message.content if not isinstance(part, TextPart)]
        if media:
            raise DataFormatError(
                "has an image or other media; open-weight models are trained on text", field="messages"
            )
    record: JsonObject = {"role": "system" if message.role == "developer" else message.role, "content": message.text}
    if message.name is not None:
        record["name"] = message.name
    if message.tool_calls:
        record["tool_calls"] = [_plain_call(call) for call in message.tool_calls]
    return record


def supervised(example: Example, render: Render, encode: Encode, max_length: int | None = None) -> Row:
    """The tokens of a conversation; only what the assistant says is learned, and not where its weight is 0.

    The template writes the conversation up to each answer, and up to its end: what lies between them is the answer.
    Where a template writes a turn otherwise once others follow, that turn isn't learned, the last one excepted.

    Args:
        example: Messages that hold an answer.
        render: The model's chat template.
        encode: The model's tokenizer.
        max_length: Tokens to keep.
    """
    whole = render(example.messages, example.tools, False)
    spans = list(_answers(example, whole, render))
    ids, places = encode(whole)
    labels = [
        token if any(start <= first and last <= end and first < last for start, end in spans) else IGNORED
        for token, (first, last) in zip(ids, places, strict=True)
    ]
    return Row(ids[:max_length], labels[:max_length])


def calls_in(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    """The calls of tools in an answer, and the text without them.

    The form is `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, which Hermes, Qwen and SmolLM write; what isn't
    such JSON stays text.
    """
    calls: list[ToolCall] = []

    def taken(found: re.Match[str]) -> str:
        call = _call(found[1])
        if call is None:
            return found[0]
        calls.append(call)
        return ""

    rest = _CALL.sub(taken, text)
    return (rest.strip() if calls else rest), tuple(calls)


def _answers(example: Example, whole: str, render: Render) -> list[tuple[int, int]]:
    messages, spans = example.messages, list[tuple[int, int]]()
    for n, message in enumerate(messages):
        if message.role != "assistant" or message.weight == 0 or n == 0:
            continue
        before = render(messages[:n], example.tools, True)
        last = n == len(messages) - 1
        end = whole if last else render(messages[: n + 1], example.tools, False)
        if last and not whole.startswith(before):
            spans.append((_common(before, whole), len(whole)))
        elif whole.startswith(before) and whole.startswith(end):
            spans.append((len(before), len(end)))
    return spans


def _common(first: str, second: str) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def _plain_call(call: ToolCall) -> JsonObject:
    try:
        arguments = codec.decode(call.arguments)
    except ValueError as error:
        raise DataFormatError(f"calls {call.name} with arguments that aren't JSON", field="messages") from error
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _call(text: str) -> ToolCall | None:
    try:
        value: Json = codec.decode(text)
    except ValueError:
        return None
    name = value.get("name") if is_object(value) else None
    if not is_object(value) or not isinstance(name, str):
        return None
    arguments = codec.encode(value.get("arguments") or value.get("parameters") or {}).decode()
    return ToolCall(id=f"call_{secrets.token_hex(8)}", name=name, arguments=arguments)
