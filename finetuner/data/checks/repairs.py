"""What can be repaired in a record without asking anyone: one pure function for each code and wire format.

A repair takes a record and gives a new one; records that don't have the fault come back as they are. Nothing here
invents content: texts are moved, renamed, wrapped or left out, never written.
"""

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from finetuner._core.codec import decode, encode
from finetuner._core.types import Json, JsonObject
from finetuner.data.checks.messages import MESSAGE_KEYS, meant_role
from finetuner.data.formats.openai import KEYS
from finetuner.data.formats.preference import PREFERRED, REJECTED
from finetuner.data.formats.vertex import SYSTEM_KEYS
from finetuner.data.shapes import is_list, is_object

Change = Callable[[JsonObject], JsonObject]


@attrs.frozen
class Repair:
    """What is done about a code.

    Attributes:
        code: Of the problem.
        action: What is done, in words.
        change: Does it.
    """

    code: str
    action: str
    change: Change = attrs.field(repr=False)


def repairs_for(format: str) -> tuple[Repair, ...]:
    """The repairs of a wire format, in the order in which they are made."""
    return _REPAIRS.get(format, ())


# -- messages ----------------------------------------------------------------------------------------------------------


def _each_message(change: Change) -> Change:
    """A change of every message of a chat or a pair."""

    def of_list(value: Json) -> Json:
        return [change(item) if is_object(item) else item for item in value] if is_list(value) else value

    def of_record(record: JsonObject) -> JsonObject:
        changed = {
            key: of_list(value) if key in ("messages", *PREFERRED, *REJECTED) else value
            for key, value in record.items()
        }
        given = record.get("input")
        if is_object(given):
            changed["input"] = {**given, "messages": of_list(given["messages"])} if "messages" in given else given
        return changed

    return of_record


def _all_messages(change: Callable[[list[Json]], list[Json]]) -> Change:
    """A change of the list of messages of a chat or a pair."""

    def of_record(record: JsonObject) -> JsonObject:
        given = record.get("input")
        if is_object(given) and is_list(given.get("messages")):
            return {**record, "input": {**given, "messages": change(given["messages"])}}
        if is_list(record.get("messages")):
            return {**record, "messages": change(record["messages"])}
        return record

    return of_record


def _request(change: Change) -> Change:
    """A change of what holds the tools: a chat itself, or the input of a pair."""

    def of_record(record: JsonObject) -> JsonObject:
        given = record.get("input")
        return {**record, "input": change(given)} if is_object(given) else change(record)

    return of_record


def _role(message: JsonObject) -> JsonObject:
    return {**message, "role": meant_role(message["role"])} if "role" in message else message


def _weight(message: JsonObject) -> JsonObject:
    weight = message.get("weight")
    if weight in (0, 1):
        return {**message, "weight": int(weight)}
    return {**message, "weight": int(weight)} if weight in ("0", "1") else message


def _no_weight(message: JsonObject) -> JsonObject:
    return message if message.get("role") == "assistant" else _without(message, {"weight"})


def _own_keys(message: JsonObject) -> JsonObject:
    return {key: value for key, value in message.items() if key in MESSAGE_KEYS}


def _arguments(message: JsonObject) -> JsonObject:
    def text(call: Json) -> Json:
        function = call.get("function") if is_object(call) else None
        if not is_object(call) or not is_object(function) or not is_object(function.get("arguments")):
            return call
        return {**call, "function": {**function, "arguments": encode(function["arguments"]).decode()}}

    calls = message.get("tool_calls")
    return {**message, "tool_calls": [text(call) for call in calls]} if is_list(calls) else message


def _calls(message: JsonObject) -> JsonObject:
    calls = message.get("tool_calls")
    if calls == []:
        return _without(message, {"tool_calls"})
    if not is_list(calls):
        return message
    typed = [{"type": "function", **call} if is_object(call) and "function" in call else call for call in calls]
    return {**message, "tool_calls": typed}


def _full_parts(message: JsonObject) -> JsonObject:
    parts = message.get("content")
    if not is_list(parts):
        return message
    full = [
        part for part in parts if not (is_object(part) and part.get("type") == "text" and _is_blank(part.get("text")))
    ]
    return {**message, "content": full} if full else message


def _system_first(messages: list[Json]) -> list[Json]:
    """One system text at the start, of all that there are."""
    found = [m for m in messages if is_object(m) and m.get("role") in ("system", "developer")]
    texts = [m.get("content") for m in found]
    if not found or not all(isinstance(text, str) for text in texts):
        return messages
    rest = [m for m in messages if not any(m is one for one in found)]
    return [{**found[0], "content": "\n".join(map(str, texts))}, *rest]


def _until_answer(messages: list[Json]) -> list[Json]:
    """Without what comes after the last answer, if there is one."""
    answers = [n for n, m in enumerate(messages) if is_object(m) and m.get("role") == "assistant"]
    return messages[: answers[-1] + 1] if answers else messages


def _tools(request: JsonObject) -> JsonObject:
    def wrapped(tool: Json) -> Json:
        if is_object(tool) and isinstance(tool.get("name"), str) and "function" not in tool:
            return {"type": "function", "function": _without(tool, {"type"})}
        return {"type": "function", **tool} if is_object(tool) and is_object(tool.get("function")) else tool

    tools = request.get("tools")
    return {**request, "tools": [wrapped(tool) for tool in tools]} if is_list(tools) else request


def _different_tools(request: JsonObject) -> JsonObject:
    tools = request.get("tools")
    if not is_list(tools):
        return request
    return {**request, "tools": [tool for n, tool in enumerate(tools) if tool not in tools[:n]]}


def _no_flag(request: JsonObject) -> JsonObject:
    useless = not request.get("tools") and not request.get("functions")
    return _without(request, {"parallel_tool_calls"}) if useless else request


def _to_metadata(record: JsonObject) -> JsonObject:
    """Unknown keys of a line, and its messages' unknown keys left out."""
    other = {key: value for key, value in record.items() if key not in KEYS and key != "metadata"}
    given = record.get("metadata")
    kept = _each_message(_own_keys)({key: value for key, value in record.items() if key not in other})
    if not other or not is_object(given if given is not None else {}):
        return kept
    return {**kept, "metadata": other | (given or {})}


def _pair_keys(record: JsonObject) -> JsonObject:
    known = {"input", *PREFERRED, *REJECTED}
    kept = _each_message(_own_keys)({key: value for key, value in record.items() if key in known})
    given = kept.get("input")
    inner = ("messages", "tools", "parallel_tool_calls")
    if is_object(given):
        kept["input"] = {key: value for key, value in given.items() if key in inner}
    return kept


def _nested(record: JsonObject) -> JsonObject:
    return {**record, "input": {"messages": record["input"]}} if is_list(record.get("input")) else record


def _new_names(record: JsonObject) -> JsonObject:
    new = {old: right for right, old in (PREFERRED, REJECTED) if right not in record}
    return {new.get(key, key): value for key, value in record.items()}


# -- contents ----------------------------------------------------------------------------------------------------------


def _each_turn(change: Change) -> Change:
    def of_record(record: JsonObject) -> JsonObject:
        turns = record.get("contents")
        if not is_list(turns):
            return record
        return {**record, "contents": [change(turn) if is_object(turn) else turn for turn in turns]}

    return of_record


_TURNS: Final = {"assistant": "model", "gpt": "model", "bot": "model", "ai": "model", "human": "user"}


def _turn_role(turn: JsonObject) -> JsonObject:
    role = turn.get("role")
    small = role.lower() if isinstance(role, str) else ""
    return {**turn, "role": _TURNS.get(small, small if small in ("user", "model") else role)}


def _instruction(record: JsonObject) -> JsonObject:
    """System turns at the start of the contents, as the instruction, where there is none yet."""
    turns = record.get("contents")
    if not is_list(turns) or any(record.get(key) is not None for key in SYSTEM_KEYS):
        return record
    found = [turn for turn in turns if is_object(turn) and turn.get("role") in ("system", "developer")]
    parts = [part for turn in found if is_list(turn.get("parts")) for part in turn["parts"]]
    if not parts:
        return record
    rest = [turn for turn in turns if not any(turn is one for one in found)]
    key = SYSTEM_KEYS[1] if "completions" in record else SYSTEM_KEYS[0]
    return {key: {"parts": parts}, **record, "contents": rest}


def _parts(turn: JsonObject) -> JsonObject:
    text = turn.get("content")
    if "parts" in turn or not isinstance(text, str):
        return turn
    return {**_without(turn, {"content"}), "parts": [{"text": text}]}


def _turn_parts(turn: JsonObject) -> JsonObject:
    parts = turn.get("parts")
    if not is_list(parts):
        return turn
    full = [part for part in parts if not (is_object(part) and _is_blank(part.get("text")) and set(part) == {"text"})]
    return {**turn, "parts": full} if full else turn


def _function_objects(turn: JsonObject) -> JsonObject:
    def read(part: Json) -> Json:
        if not is_object(part):
            return part
        changed = dict(part)
        for key, inner in (("functionCall", "args"), ("functionResponse", "response")):
            given = part.get(key)
            value = _object(given.get(inner)) if is_object(given) else None
            if is_object(given) and value is not None:
                changed[key] = {**given, inner: value}
        return changed

    parts = turn.get("parts")
    return {**turn, "parts": [read(part) for part in parts]} if is_list(parts) else turn


def _declarations(record: JsonObject) -> JsonObject:
    tools = record.get("tools")
    if not is_list(tools):
        return record
    functions: list[Json] = []
    others: list[Json] = []
    for tool in tools:
        function = tool.get("function", tool) if is_object(tool) else None
        named = is_object(function) and isinstance(function.get("name"), str)
        (functions if named else others).append(
            _without(function, {"type", "strict"}) if is_object(function) and named else tool
        )
    declared = [{"functionDeclarations": functions}] if functions else []
    return {**record, "tools": [*others, *declared]}


def _contents_keys(record: JsonObject) -> JsonObject:
    known = {*SYSTEM_KEYS, "contents", "tools", "generationConfig", "labels", "completions"}
    return {key: value for key, value in record.items() if key in known}


def _snake_case(record: JsonObject) -> JsonObject:
    return {SYSTEM_KEYS[1] if key == SYSTEM_KEYS[0] else key: value for key, value in record.items()}


# -- the table ---------------------------------------------------------------------------------------------------------

_MESSAGES: Final = (
    Repair("wrong_role", "rename roles of other providers, such as human or model", _each_message(_role)),
    Repair("system_not_first", "join system texts into one at the start", _all_messages(_system_first)),
    Repair("bad_weight", "write weights as the numbers 0 and 1", _each_message(_weight)),
    Repair("misplaced_weight", "leave out weights of messages that aren't learned", _each_message(_no_weight)),
    Repair("bad_arguments", "write arguments of tool calls as JSON text", _each_message(_arguments)),
    Repair("bad_tool_call", "leave out empty lists of calls; add the missing type", _each_message(_calls)),
    Repair("empty_content", "leave out empty parts beside others", _each_message(_full_parts)),
    Repair("bad_tool", 'wrap definitions into {"type": "function", …}', _request(_tools)),
    Repair("repeated_tool", "leave out repeated definitions that are the same", _request(_different_tools)),
    Repair("no_tools", "leave out parallel_tool_calls where there are no tools", _request(_no_flag)),
)
_TURN_REPAIRS: Final = (
    Repair("missing_parts", 'write content as "parts": [{"text": …}]', _each_turn(_parts)),
    Repair("wrong_role", "rename roles of other providers; move system turns to the instruction",
           lambda record: _instruction(_each_turn(_turn_role)(record))),
    Repair("empty_content", "leave out empty parts beside others", _each_turn(_turn_parts)),
    Repair("bad_function", "write arguments and responses as objects", _each_turn(_function_objects)),
    Repair("bad_tool", 'wrap definitions into {"functionDeclarations": […]}', _declarations),
    Repair("unknown_key", "leave out keys that the provider doesn't know", _contents_keys),
)  # fmt: skip
_REPAIRS: Final[dict[str, tuple[Repair, ...]]] = {
    "openai": (
        *_MESSAGES,
        Repair("unknown_key", "move unknown keys to the metadata; leave out those of messages", _to_metadata),
        Repair("no_assistant_end", "cut conversations after the last answer", _all_messages(_until_answer)),
    ),
    "openai-preference": (
        Repair("flat_input", 'wrap the input into {"messages": …}', _nested),
        Repair("old_key", "rename preferred_completion to preferred_output", _new_names),
        *_MESSAGES,
        Repair("unknown_key", "leave out keys that the provider doesn't know", _pair_keys),
    ),
    "vertex": _TURN_REPAIRS,
    "vertex-preference": (*_TURN_REPAIRS, Repair("camel_case", "rename systemInstruction", _snake_case)),
}


def _without(record: JsonObject, keys: Iterable[str]) -> JsonObject:
    return {key: value for key, value in record.items() if key not in keys}


def _is_blank(text: Json) -> bool:
    return isinstance(text, str) and not text.strip()


def _object(text: Json) -> JsonObject | None:
    try:
        value = decode(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if is_object(value) else None
