"""`{"instruction", "input", "output"}`, with `system` and `history` where given.

The user's turn is the instruction, and below it, after an empty line, the input where there is one. `history` is a list
of earlier `[question, answer]` pairs.

Source: Stanford Alpaca's data release; `system` and `history` as LLaMA-Factory reads them.
"""

from typing import Final

from finetuner._core.types import JsonObject
from finetuner.data.examples import Example, Message, assistant, system, user
from finetuner.data.formats import fields, openai

NAME: Final = "alpaca"

_KEYS: Final = frozenset({"instruction", "input", "output", "system", "history"})
_PAIR: Final = 2


def detect(record: JsonObject) -> bool:
    """Whether the record has an instruction and an output."""
    return "instruction" in record and "output" in record


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    first = fields.optional_text(record.get("system"), "system")
    instruction = fields.text(fields.required(record, "instruction", ""), "instruction")
    more = fields.optional_text(record.get("input"), "input")
    output = fields.text(fields.required(record, "output", ""), "output")
    return Example(
        messages=(
            *((system(first),) if first else ()),
            *_history(record),
            user(f"{instruction}\n\n{more}" if more else instruction),
            assistant(output),
        ),
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: Its turns don't alternate, or it holds more than text.
    """
    fields.text_only(example, NAME)
    roles = ["system" if message.role == "developer" else message.role for message in example.messages]
    leading = roles[:1] == ["system"]
    turns = example.messages[leading:]
    if not turns or roles[leading:] != ["user", "assistant"] * (len(turns) // _PAIR):
        raise fields.bad("messages", '"alpaca" holds one system text at most, then questions and answers in turn')
    record: JsonObject = {"instruction": turns[-2].text, "input": "", "output": turns[-1].text}
    if leading:
        if not example.messages[0].text:
            raise fields.bad("messages[0].content", 'is empty, which "alpaca" reads as no system text at all')
        record["system"] = example.messages[0].text
    if len(turns) > _PAIR:
        texts = [turn.text for turn in turns[:-_PAIR]]
        record["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    return record


def _history(record: JsonObject) -> tuple[Message, ...]:
    messages: list[Message] = []
    for n, value in enumerate(fields.items(record.get("history") or [], "history")):
        pair = fields.items(value, f"history[{n}]")
        if len(pair) != _PAIR:
            raise fields.bad(f"history[{n}]", "isn't a pair of question and answer")
        question, answer = (fields.text(item, f"history[{n}][{m}]") for m, item in enumerate(pair))
        messages += [user(question), assistant(answer)]
    return tuple(messages)
