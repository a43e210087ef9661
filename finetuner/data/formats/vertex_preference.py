"""Vertex AI's lines for preference tuning of Gemini: text only, with exactly one better and one worse answer.

`{"system_instruction": {"parts"}, "contents": […], "completions": [{"score": 1, "completion": {"role": "model",
"parts"}}, {"score": 0, …}]}`; the keys are written in snake case, and read in either.

Source: Google Cloud, "Prepare preference tuning data for Gemini models", 2026.
"""

from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, MediaPart, Message
from finetuner.data.formats import fields, openai, vertex
from finetuner.data.shapes import is_list

NAME: Final = "vertex-preference"

_KEYS: Final = frozenset({*vertex.SYSTEM_KEYS, "contents", "completions"})


def detect(record: JsonObject) -> bool:
    """Whether the record has a list of contents, and completions."""
    return is_list(record.get("completions")) and "contents" in record


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type, or there isn't one answer with each of 1 and 0.
    """
    answers: dict[int, Message] = {}
    completions = fields.items(fields.required(record, "completions", ""), "completions")
    for n, value in enumerate(completions):
        score, message = _completion_from(value, f"completions[{n}]")
        answers[score] = message
    if len(completions) != len(answers) or len(answers) != len((0, 1)):
        raise fields.bad(
            "completions", f"holds {len(completions)} answers; exactly one with score 1 and one with 0 is expected"
        )
    return Example(
        messages=vertex.system_from(record) + vertex.contents_from(fields.required(record, "contents", ""), "contents"),
        preferred=answers[1],
        rejected=answers[0],
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: It isn't a pair, or holds more than text.
    """
    if example.preferred is None or example.rejected is None:
        raise fields.bad("preferred", 'a preference pair needs a better and a worse answer; write it as "vertex"')
    if example.tools:
        raise fields.bad("tools", "preference tuning of Gemini takes text only")
    instruction, turns = vertex.split_system(example.messages)
    for n, message in enumerate(turns, len(instruction)):
        _text_only(message, f"messages[{n}]")
    _text_only(example.preferred, "preferred")
    _text_only(example.rejected, "rejected")
    record: JsonObject = {}
    if instruction:
        record["system_instruction"] = {"parts": vertex.system_parts(instruction)}
    record["contents"] = vertex.contents_to(turns, start=len(instruction))
    record["completions"] = [
        {"score": score, "completion": vertex.contents_to((answer,), start=0)[0]}
        for score, answer in ((1, example.preferred), (0, example.rejected))
    ]
    return record


def _completion_from(value: Json, field: str) -> tuple[int, Message]:
    record = fields.obj(value, field)
    score = fields.required(record, "score", field)
    if isinstance(score, bool) or score not in (0, 1):
        raise fields.bad(f"{field}.score", "is neither 0 nor 1")
    messages = vertex.turns_from([(f"{field}.completion", fields.required(record, "completion", field))])
    if [message.role for message in messages] != ["assistant"]:
        raise fields.bad(f"{field}.completion.role", 'must be "model"')
    return int(score), messages[0]


def _text_only(message: Message, field: str) -> None:
    if message.role == "tool" or message.tool_calls or any(isinstance(p, MediaPart) for p in vertex.as_parts(message)):
        raise fields.bad(field, "preference tuning of Gemini takes text only")
