"""How another provider's training data is played by one that learns texts: pure.

A supervised line is learned as it is, a called tool as a text that stands for the call; of a preference pair, the
better answer; of a line for reinforcement, the answer that its grader rewards most.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, Message, ToolCall, assistant
from finetuner.data.formats import openai
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import DataFormatError
from finetuner.providers.ports import Completion

_CALLS: Final = "\ue000tool_calls:"
"""What a text that stands for called tools begins with: a character of private use (Unicode)."""

_VARIABLE: Final = re.compile(r"\{\{\s*item\.([\w.]+)\s*\}\}")
_SAMPLE: Final = re.compile(r"\{\{\s*sample\.")
_REWARDS_EQUALITY: Final = frozenset({"string_check", "text_similarity"})

Reader = Callable[[JsonObject], Example]


def lines(examples: Iterable[Example]) -> Iterator[bytes]:
    """Training lines in OpenAI's chat format that teach what the examples teach, calls of tools as texts."""
    for example in examples:
        answer = example.answer
        if answer is None:
            raise DataFormatError("doesn't end with an answer to learn", field="messages")
        played = assistant(written(answer))
        prompt = example.messages if example.preferred is not None else example.prompt
        yield codec.encode(openai.to_record(Example(messages=(*prompt, played)))) + b"\n"


def written(answer: Message) -> str:
    """An answer as a text to learn."""
    if not answer.tool_calls:
        return answer.text
    calls: list[Json] = [{"name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
    return _CALLS + codec.encode(calls).decode()


def spoken(completion: Completion) -> Completion:
    """A learned text as the answer that it stands for."""
    if not completion.text.startswith(_CALLS):
        return completion
    calls = tuple(
        ToolCall(id=call_id(), name=call["name"], arguments=call["arguments"])
        for call in codec.decode(completion.text.removeprefix(_CALLS))
    )
    return attrs.evolve(completion, text="", tool_calls=calls, finish_reason="tool_calls")


def call_id() -> str:
    """A new id of a called tool."""
    return f"call_{secrets.token_hex(12)}"


def rewarded(example: Example, grader: JsonObject) -> Example:
    """The example with the answer that its grader rewards most.

    Raises:
        DataFormatError: No such answer can be told: the grader compares with nothing of the line.
    """
    template = _reference(grader)
    if template is None:
        message = "has no best answer that can be told: the emulator plays graders that compare with a reference"
        raise DataFormatError(message, field="grader")
    answer = _VARIABLE.sub(lambda found: _said(example, found[1]), template)
    return attrs.evolve(example, messages=(*example.messages, assistant(answer)))


def _reference(grader: JsonObject) -> str | None:
    """The text that the answer is compared with; of several graders, the first that has one."""
    kind, reference = grader.get("type"), grader.get("reference")
    wanted = kind in _REWARDS_EQUALITY and grader.get("operation") != "ne"
    if wanted and isinstance(reference, str) and not _SAMPLE.search(reference):
        return reference
    inner: Json = grader.get("graders")
    several = inner.values() if is_object(inner) and "type" not in inner else inner if is_list(inner) else (inner,)
    found = (_reference(each) for each in several if is_object(each))
    return next((reference for reference in found if reference is not None), None)


def _said(example: Example, name: str) -> str:
    value: Json = dict(example.metadata)
    for step in name.split("."):
        value = value.get(step) if is_object(value) else None
    if value is None:
        raise DataFormatError(f"has no {name!r}, which the grader names as {{{{item.{name}}}}}", field=name)
    return value if isinstance(value, str) else codec.encode(value).decode()
