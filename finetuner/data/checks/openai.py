"""What OpenAI takes as a line of training data: supervised chats, preference pairs, and tasks for reinforcement.

Sources: OpenAI's fine-tuning guides (supervised, vision, direct preference optimization, reinforcement), 2026-06.
"""

from collections.abc import Generator, Iterator
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.checks import parts
from finetuner.data.checks.messages import check_message, check_messages, meant_role
from finetuner.data.formats import fields
from finetuner.data.formats.openai import KEYS
from finetuner.data.formats.preference import PREFERRED, REJECTED
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object

_PAIR_KEYS: Final = frozenset({"input", PREFERRED[0], REJECTED[0]})
_NO_IMAGES: Final = "this model isn't trained on images, as far as is documented"
_CHAT: Final = 'Write {"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}'
_TEXT_ONLY: Final = "preference tuning takes text only"
_INPUT_KEYS: Final = frozenset({"messages", "tools", "parallel_tool_calls"})


def check_chat(record: JsonObject, *, images: bool = True) -> Iterator[Problem]:
    """All problems of a supervised line.

    Args:
        record: The decoded line.
        images: Whether the model can be trained on images.
    """
    yield from _tools(record, "")
    yield from parts.unknown_keys(record, KEYS, "", "warning")
    if "messages" not in record:
        yield parts.missing(record, "messages", "missing_messages", _hint(record))
        return
    messages = record["messages"]
    no_images = None if images else _NO_IMAGES
    yield from check_messages(messages, "messages", parts.tool_names(record.get("tools")), no_images=no_images)
    if is_list(messages) and messages:
        yield from _end(messages)
        yield from _learnable(messages)


def check_task(record: JsonObject, *, images: bool = True) -> Iterator[Problem]:
    """All problems of a line for reinforcement: a request without an answer, and whatever else a grader needs.

    Args:
        record: The decoded line.
        images: Whether the model can be trained on images.
    """
    yield from _tools(record, "")
    if "messages" not in record:
        fix = 'Write {"messages": [{"role": "user", "content": …}], "reference": …}'
        yield parts.missing(record, "messages", "missing_messages", fix)
        return
    messages, no_images = record["messages"], None if images else _NO_IMAGES
    yield from check_messages(messages, "messages", parts.tool_names(record.get("tools")), no_images=no_images)
    last = messages[-1] if is_list(messages) and messages else None
    if is_object(last) and last.get("role") not in ("user", None):
        yield Problem(
            code="no_user_end",
            field=f"messages[{len(messages) - 1}].role",
            message=f'the last message is by "{last["role"]}"; in reinforcement the model answers the user itself',
            fix='Move the answer to a key of its own, say "reference", where a grader sees it as {{item.reference}}',
        )


def check_pair(record: JsonObject) -> Iterator[Problem]:
    """All problems of a preference line."""
    yield from parts.unknown_keys(record, _PAIR_KEYS | {*PREFERRED, *REJECTED}, "", "warning")
    yield from _pair_input(record)
    preferred = yield from _pair_answer(record, PREFERRED)
    rejected = yield from _pair_answer(record, REJECTED)
    if preferred is not None and preferred == rejected:
        yield Problem(
            code="same_answers",
            field=REJECTED[0],
            message="is the same as the preferred answer, so there is nothing to prefer",
            fix="Drop the example",
        )


def _tools(record: JsonObject, field: str) -> Iterator[Problem]:
    prefix = f"{field}." if field else ""
    if record.get("tools") is not None:
        yield from parts.tools(record["tools"], f"{prefix}tools")
    functions = record.get("functions")
    if functions is not None:
        yield from parts.functions(functions, f"{prefix}functions")
    if record.get("parallel_tool_calls") is not None and not record.get("tools") and not functions:
        yield Problem(
            code="no_tools",
            severity="warning",
            field=f"{prefix}parallel_tool_calls",
            message="means nothing without tools",
            fix="Leave it out, or declare the tools",
        )
    if not isinstance(record.get("parallel_tool_calls"), bool | None):
        yield parts.wrong_type(record["parallel_tool_calls"], f"{prefix}parallel_tool_calls", "true or false")


def _hint(record: JsonObject) -> str:
    if "contents" in record:
        return "This is a line for Gemini; convert it: fine-tuner-cc convert FILE --to openai"
    return fields.columns_hint(record) or _CHAT


def _end(messages: list[Json]) -> Iterator[Problem]:
    last = messages[-1]
    role = last.get("role") if is_object(last) else None
    if role is not None and meant_role(role) != "assistant":
        yield Problem(
            code="no_assistant_end",
            field=f"messages[{len(messages) - 1}].role",
            message=f'the last message is by "{role}"; the model learns from an assistant\'s answer at the end',
            fix="Add the answer that the model should give",
        )


def _learnable(messages: list[Json]) -> Iterator[Problem]:
    answers = [message for message in messages if is_object(message) and message.get("role") == "assistant"]
    if answers and all(message.get("weight") == 0 for message in answers):
        yield Problem(
            code="nothing_to_learn",
            field="messages",
            message="every assistant message has weight 0, so nothing is learned",
            fix="Give one of them weight 1, or drop the example",
        )


def _pair_input(record: JsonObject) -> Iterator[Problem]:
    given = record.get("input")
    if "input" not in record:
        fix = 'Write {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}'
        yield parts.missing(record, "input", "missing_input", fix)
        return
    if is_list(given):
        yield Problem(
            code="flat_input",
            field="input",
            message='is a list of messages; OpenAI wants it inside: {"messages": […]}',
            fix="Convert it: fine-tuner-cc convert FILE --to openai-preference",
        )
        messages, field = given, "input"
    elif is_object(given):
        yield from _tools(given, "input")
        yield from parts.unknown_keys(given, _INPUT_KEYS, "input", "error")
        if "messages" not in given:
            yield parts.missing(given, "input.messages", "missing_messages", "Give the messages before the answers")
            return
        messages, field = given["messages"], "input.messages"
    else:
        yield parts.wrong_type(given, "input", "an object with messages")
        return
    tools = parts.tool_names(given.get("tools")) if is_object(given) else None
    yield from check_messages(messages, field, tools, no_images=_TEXT_ONLY)
    yield from _single_turn(messages, field)
    if is_list(messages) and messages and is_object(messages[-1]) and messages[-1].get("role") == "assistant":
        yield Problem(
            code="ends_with_assistant",
            field=f"{field}[{len(messages) - 1}].role",
            message="the input ends with an assistant's message, but both answers are still to come",
            fix="Move it into the answers, or drop it",
        )


def _single_turn(messages: Json, field: str) -> Iterator[Problem]:
    turns = messages[:-1] if is_list(messages) else []
    if any(is_object(message) and message.get("role") == "assistant" for message in turns):
        yield Problem(
            code="several_turns",
            severity="warning",
            field=field,
            message="holds earlier answers; preference tuning is documented for a single turn",
            fix="Give the last request alone, with what it needs of the conversation",
        )


def _pair_answer(record: JsonObject, names: tuple[str, str]) -> Generator[Problem, None, Json]:
    """Yield the problems of an answer, and return its message where there is exactly one."""
    right, old = names
    if old in record:
        yield Problem(
            code="old_key",
            field=old,
            message=f'is an older name; OpenAI takes "{right}"',
            fix="Convert it: fine-tuner-cc convert FILE --to openai-preference",
        )
    key = right if right in record else old
    if key not in record:
        yield parts.missing(
            record, right, "missing_answer", f'Write "{right}": [{{"role": "assistant", "content": …}}]'
        )
        return None
    answers = record[key]
    if not is_list(answers) or len(answers) != 1:
        said = f"holds {len(answers)} messages" if is_list(answers) else "isn't a list"
        yield Problem(code="bad_answer", field=key, message=f"{said}; exactly one message is expected", fix="Keep one")
        return None
    field = f"{key}[0]"
    yield from check_message(answers[0], field, no_images=_TEXT_ONLY)
    if is_object(answers[0]) and answers[0].get("role") not in ("assistant", None):
        yield Problem(
            code="wrong_role", field=f"{field}.role", message="must be an assistant's", fix='Write "assistant"'
        )
    return answers[0]
