"""OpenAI's chat lines, as supervised fine-tuning takes them.

`{"messages": [{"role", "content", …}], "tools": […], "parallel_tool_calls": …}`, with `weight` on assistant messages,
tool calls, and image parts. Other keys of a line, `metadata` among them, are read as the example's metadata and not
written: the provider refuses keys that it doesn't know. The older `functions` and `function_call` are read only.

Source: OpenAI's fine-tuning guide and API reference, 2026-06.
"""

from collections.abc import Callable, Mapping
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, MediaPart, Message, Part, TextPart, ToolCall
from finetuner.data.formats import fields
from finetuner.data.shapes import is_list, kind

NAME: Final = "openai"

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
KEYS: Final = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
_OLD_TOOL: Final = "function"

PartWriter = Callable[[Part, str], JsonObject]


def detect(record: JsonObject) -> bool:
    """Whether the record has a list of messages."""
    return is_list(record.get("messages"))


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    if "messages" not in record and (hint := fields.columns_hint(record)) is not None:
        raise fields.bad("messages", f"is missing; the keys here are {fields.listed(record)}. {hint}")
    return Example(
        messages=messages_from(fields.required(record, "messages", ""), "messages"),
        tools=tools_from(record, ""),
        parallel_tool_calls=flag(record.get("parallel_tool_calls"), "parallel_tool_calls"),
        metadata=metadata_from(record, KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: It is a preference pair.
    """
    if example.preferred is not None or example.rejected is not None:
        raise fields.bad("preferred", 'is a preference pair; write it as "openai-preference"')
    record: JsonObject = {"messages": messages_to(example.messages, "messages")}
    record.update(tools_to(example))
    return record


def metadata_from(record: JsonObject, own: frozenset[str]) -> Mapping[str, Json]:
    """Keys that the format doesn't know, and those inside `metadata`."""
    given = record.get("metadata")
    inner: JsonObject = {} if given is None else fields.obj(given, "metadata")
    return {key: value for key, value in record.items() if key not in own and key != "metadata"} | inner


def messages_from(value: Json, field: str) -> tuple[Message, ...]:
    """Messages of a list."""
    return tuple(message_from(item, f"{field}[{n}]") for n, item in enumerate(fields.items(value, field)))


def messages_to(messages: tuple[Message, ...], field: str, *, part: PartWriter | None = None) -> list[JsonObject]:
    """The list of messages; `part` writes the parts of a content, OpenAI's way by default."""
    return [message_to(message, f"{field}[{n}]", part=part) for n, message in enumerate(messages)]


def message_from(value: Json, field: str) -> Message:
    """One message."""
    record = fields.obj(value, field)
    role = fields.text(fields.required(record, "role", field), f"{field}.role")
    name = fields.optional_text(record.get("name"), f"{field}.name")
    answers = fields.optional_text(record.get("tool_call_id"), f"{field}.tool_call_id")
    if role == _OLD_TOOL:
        if answers is None:
            answers = _old_id(name or "")
        role, name = "tool", None
    elif role not in ROLES:
        raise fields.bad(f"{field}.role", f'"{role}" is none of {fields.listed(ROLES)}')
    return Message(
        role=role,
        content=_content_from(record.get("content"), f"{field}.content"),
        name=name,
        tool_calls=_calls_from(record, field),
        tool_call_id=answers,
        weight=_weight(record.get("weight"), f"{field}.weight"),
    )


def message_to(message: Message, field: str, *, part: PartWriter | None = None) -> JsonObject:
    """The record of one message."""
    record: JsonObject = {"role": message.role}
    if message.content is not None or not message.tool_calls:
        record["content"] = _content_to(message.content, f"{field}.content", part or part_to)
    if message.name is not None:
        record["name"] = message.name
    if message.tool_calls:
        record["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        record["tool_call_id"] = message.tool_call_id
    if message.weight is not None:
        record["weight"] = message.weight
    return record


def part_to(part: Part, field: str) -> JsonObject:
    """The record of a piece of text or an image."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.uri.startswith("gs://"):
        raise fields.bad(field, "lies in Cloud Storage, where OpenAI can't read it; give an https:// or data: address")
    if part.mime_type is not None and not part.mime_type.startswith("image/"):
        raise fields.bad(field, f"is {part.mime_type}; OpenAI trains on images only")
    image: JsonObject = {"url": part.uri}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def tools_from(record: JsonObject, field: str) -> tuple[JsonObject, ...]:
    """Tool definitions; older `functions` in the new shape."""
    prefix = f"{field}." if field else ""
    tools = fields.items(record.get("tools") or [], f"{prefix}tools")
    found = tuple(fields.obj(tool, f"{prefix}tools[{n}]") for n, tool in enumerate(tools))
    old = fields.items(record.get("functions") or [], f"{prefix}functions")
    return found + tuple(
        {"type": "function", "function": fields.obj(function, f"{prefix}functions[{n}]")}
        for n, function in enumerate(old)
    )


def tools_to(example: Example) -> JsonObject:
    """The keys `tools` and `parallel_tool_calls`, where the example has them."""
    record: JsonObject = {}
    if example.tools:
        record["tools"] = [dict(tool) for tool in example.tools]
    if example.parallel_tool_calls is not None:
        record["parallel_tool_calls"] = example.parallel_tool_calls
    return record


def flag(value: Json, field: str) -> bool | None:
    """True, false, or None where it is null or absent."""
    if value is None or isinstance(value, bool):
        return value
    raise fields.bad(field, f"is {kind(value)}, where true or false is expected")


def _weight(value: Json, field: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or value not in (0, 1):
        raise fields.bad(field, "is neither 0 nor 1")
    return int(value)


def _content_from(value: Json, field: str) -> str | tuple[Part, ...] | None:
    if value is None or isinstance(value, str):
        return value
    return tuple(_part_from(part, f"{field}[{n}]") for n, part in enumerate(fields.items(value, field)))


def _part_from(value: Json, field: str) -> Part:
    part = fields.obj(value, field)
    match part.get("type"):
        case "text":
            return TextPart(fields.text(fields.required(part, "text", field), f"{field}.text"))
        case "image_url":
            image = fields.required(part, "image_url", field)
            if isinstance(image, str):
                return MediaPart(image)
            image = fields.obj(image, f"{field}.image_url")
            return MediaPart(
                uri=fields.text(fields.required(image, "url", f"{field}.image_url"), f"{field}.image_url.url"),
                detail=fields.optional_text(image.get("detail"), f"{field}.image_url.detail"),
            )
        case "media":  # written by the format "finetuner"
            return MediaPart(
                uri=fields.text(fields.required(part, "uri", field), f"{field}.uri"),
                mime_type=fields.optional_text(part.get("mime_type"), f"{field}.mime_type"),
                detail=fields.optional_text(part.get("detail"), f"{field}.detail"),
            )
        case other:
            raise fields.bad(f"{field}.type", f'{other!r} is neither "text" nor "image_url"')


def _content_to(content: str | tuple[Part, ...] | None, field: str, write: PartWriter) -> Json:
    if content is None or isinstance(content, str):
        return content
    return [write(part, f"{field}[{n}]") for n, part in enumerate(content)]


def _calls_from(record: JsonObject, field: str) -> tuple[ToolCall, ...]:
    old = record.get("function_call")
    if old is not None:
        return (_call_from({"function": old, "id": ""}, f"{field}.function_call", old=True),)
    calls = fields.items(record.get("tool_calls") or [], f"{field}.tool_calls")
    return tuple(_call_from(call, f"{field}.tool_calls[{n}]", old=False) for n, call in enumerate(calls))


def _call_from(value: Json, field: str, *, old: bool) -> ToolCall:
    call = fields.obj(value, field)
    inner = field if old else f"{field}.function"
    function = fields.obj(fields.required(call, "function", field), inner)
    name = fields.text(fields.required(function, "name", inner), f"{inner}.name")
    return ToolCall(
        id=_old_id(name) if old else fields.text(fields.required(call, "id", field), f"{field}.id"),
        name=name,
        arguments=fields.text(fields.required(function, "arguments", inner), f"{inner}.arguments"),
    )


def _old_id(name: str) -> str:
    return f"call_{name}"
