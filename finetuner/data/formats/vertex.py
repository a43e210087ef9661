"""Vertex AI's lines for supervised tuning of Gemini.

`{"systemInstruction": {"parts"}, "contents": [{"role": "user" | "model", "parts": […]}], "tools": […]}`. Parts are
`text`, `fileData` (in Cloud Storage), `functionCall`, `functionResponse`.

Gemini's calls have no ids; they are numbered on reading, and an answer belongs to the first open call of its function.
An answer that is no JSON object is wrapped as `{"output": …}`. `parallel_tool_calls` and OpenAI's image detail have no
counterpart and are left out, since they don't change what is learned.

Source: Google Cloud, "Prepare supervised fine-tuning data for Gemini models", 2026.
"""

import mimetypes
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from finetuner._core.codec import canonical, decode
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, MediaPart, Message, Part, TextPart, ToolCall
from finetuner.data.formats import fields, openai
from finetuner.data.shapes import is_list, is_object

NAME: Final = "vertex"

SYSTEM_KEYS: Final = ("systemInstruction", "system_instruction")
_KEYS: Final = frozenset({*SYSTEM_KEYS, "contents", "tools"})
_ROLES: Final = {"user": "user", "function": "user", "model": "assistant"}
_WRAPPED: Final = "output"


def detect(record: JsonObject) -> bool:
    """Whether the record has a list of contents."""
    return is_list(record.get("contents"))


def from_record(record: JsonObject) -> Example:
    """The example of a line.

    Raises:
        DataFormatError: A field is missing or of the wrong type.
    """
    return Example(
        messages=system_from(record) + contents_from(fields.required(record, "contents", ""), "contents"),
        tools=_tools_from(record),
        metadata=openai.metadata_from(record, _KEYS),
    )


def to_record(example: Example) -> JsonObject:
    """The line of an example, without its metadata.

    Raises:
        DataFormatError: It holds what Gemini's tuning doesn't take, such as a weight of 0 or an image on the web.
    """
    if example.preferred is not None or example.rejected is not None:
        raise fields.bad("preferred", 'is a preference pair; write it as "vertex-preference"')
    record: JsonObject = {}
    instruction, turns = split_system(example.messages)
    if instruction:
        record["systemInstruction"] = {"parts": system_parts(instruction)}
    record["contents"] = contents_to(turns, start=len(instruction))
    if example.tools:
        declared = [_declaration(tool, f"tools[{n}]") for n, tool in enumerate(example.tools)]
        record["tools"] = [{"functionDeclarations": declared}]
    return record


# -- the system instruction ------------------------------------------------------------------------------------------


def system_from(record: JsonObject) -> tuple[Message, ...]:
    """The system message, where the record has one."""
    key = next((name for name in SYSTEM_KEYS if record.get(name) is not None), None)
    if key is None:
        return ()
    if isinstance(record[key], str):
        return (Message(role="system", content=record[key]),)
    parts = fields.items(fields.required(fields.obj(record[key], key), "parts", key), f"{key}.parts")
    content = [_plain_part(fields.obj(part, f"{key}.parts[{n}]"), f"{key}.parts[{n}]") for n, part in enumerate(parts)]
    return (Message(role="system", content=_content(content)),)


def split_system(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The system and developer messages at the start, and the rest.

    Raises:
        DataFormatError: One stands further down.
    """
    roles = [message.role in {"system", "developer"} for message in messages]
    n = roles.index(False) if False in roles else len(roles)
    if any(roles[n:]):
        place = n + roles[n:].index(True)
        raise fields.bad(
            f"messages[{place}].role", "stands after the start, and Gemini has one system instruction only"
        )
    return messages[:n], messages[n:]


def system_parts(messages: tuple[Message, ...]) -> list[JsonObject]:
    """The parts of the system instruction, which holds text only."""
    parts: list[JsonObject] = []
    for n, message in enumerate(messages):
        if message.name is not None:
            raise fields.bad(f"messages[{n}].name", "has no place in Gemini's contents")
        for part in as_parts(message):
            if isinstance(part, MediaPart):
                raise fields.bad(f"messages[{n}].content", "a system instruction holds text only")
            parts.append({"text": part.text})
    return parts


# -- contents: reading -----------------------------------------------------------------------------------------------


def contents_from(value: Json, field: str) -> tuple[Message, ...]:
    """The messages of a list of contents."""
    return turns_from([(f"{field}[{n}]", item) for n, item in enumerate(fields.items(value, field))])


def turns_from(turns: Sequence[tuple[str, Json]]) -> tuple[Message, ...]:
    """The messages of contents, each given with its path."""
    messages: list[Message] = []
    open_calls: list[ToolCall] = []
    calls = 0
    for field, item in turns:
        content = fields.obj(item, field)
        role = content_role(content, field)
        found, called, answers = _parts_from(content, field, calls)
        calls += len(called)
        open_calls += called
        messages += [_answer(answer, open_calls) for answer in answers]
        if found or called or not answers:
            messages.append(
                Message(role=role, content=_content(found) if found or not called else None, tool_calls=tuple(called))
            )
    return tuple(messages)


def content_role(content: JsonObject, field: str) -> str:
    """Our name of a content's role."""
    role = fields.text(fields.required(content, "role", field), f"{field}.role")
    if role not in _ROLES:
        hint = '; "assistant" is OpenAI\'s word' if role == "assistant" else ""
        raise fields.bad(f"{field}.role", f'"{role}" is neither "user" nor "model"{hint}')
    return _ROLES[role]


def _parts_from(
    content: JsonObject, field: str, calls: int
) -> tuple[list[Part], list[ToolCall], list[tuple[str, Json]]]:
    found: list[Part] = []
    called: list[ToolCall] = []
    answers: list[tuple[str, Json]] = []
    for n, value in enumerate(fields.items(fields.required(content, "parts", field), f"{field}.parts")):
        place = f"{field}.parts[{n}]"
        part = fields.obj(value, place)
        call = _either(part, "functionCall", "function_call")
        answer = _either(part, "functionResponse", "function_response")
        if call is not None:
            inner = fields.obj(call, f"{place}.functionCall")
            name = fields.text(fields.required(inner, "name", f"{place}.functionCall"), f"{place}.functionCall.name")
            arguments = canonical(fields.obj(inner.get("args") or {}, f"{place}.functionCall.args")).decode()
            called.append(ToolCall(id=f"call_{calls + len(called)}", name=name, arguments=arguments))
        elif answer is not None:
            inner = fields.obj(answer, f"{place}.functionResponse")
            name = fields.text(
                fields.required(inner, "name", f"{place}.functionResponse"), f"{place}.functionResponse.name"
            )
            answers.append((name, inner.get("response")))
        else:
            found.append(_plain_part(part, place))
    return found, called, answers


def _plain_part(part: JsonObject, field: str) -> Part:
    if "text" in part:
        return TextPart(fields.text(part["text"], f"{field}.text"))
    data = _either(part, "fileData", "file_data")
    if data is None:
        raise fields.bad(field, f"is neither text nor a file nor a function's; its keys are {fields.listed(part)}")
    file = fields.obj(data, f"{field}.fileData")
    return MediaPart(
        uri=fields.text(_either(file, "fileUri", "file_uri"), f"{field}.fileData.fileUri"),
        mime_type=fields.optional_text(_either(file, "mimeType", "mime_type"), f"{field}.fileData.mimeType"),
    )


def _answer(answer: tuple[str, Json], open_calls: list[ToolCall]) -> Message:
    name, response = answer
    call = next((call for call in open_calls if call.name == name), None)
    if call is not None:
        open_calls.remove(call)
    wrapped = response.get(_WRAPPED) if is_object(response) and set(response) == {_WRAPPED} else None
    text = wrapped if isinstance(wrapped, str) else canonical(response).decode()
    return Message(role="tool", content=text, tool_call_id=call.id if call is not None else name)


def _content(parts: list[Part]) -> str | tuple[Part, ...]:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return tuple(parts) or ""


def _either(record: JsonObject, *names: str) -> Json:
    return next((record[name] for name in names if record.get(name) is not None), None)


# -- contents: writing -----------------------------------------------------------------------------------------------


def as_parts(message: Message) -> tuple[Part, ...]:
    """The parts of a message's content; text is one part."""
    if isinstance(message.content, str):
        return (TextPart(message.content),)
    return message.content or ()


def contents_to(messages: tuple[Message, ...], *, start: int) -> list[JsonObject]:
    """The list of contents; answers of tools that follow each other share one content.

    Args:
        messages: Without the system messages.
        start: How many messages stand before them, for the paths in errors.
    """
    contents: list[JsonObject] = []
    names: dict[str, str] = {}
    previous = ""
    for n, message in enumerate(messages, start):
        field = f"messages[{n}]"
        parts = _message_parts(message, names, field)
        if message.role == "tool" == previous:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
        previous = message.role
        names.update({call.id: call.name for call in message.tool_calls})
    return contents


def _message_parts(message: Message, names: Mapping[str, str], field: str) -> list[JsonObject]:
    fields.unweighted(message, field, NAME)
    if message.name is not None and message.role != "tool":
        raise fields.bad(f"{field}.name", "has no place in Gemini's contents")
    if message.role == "tool":
        return [_response_to(message, names, field)]
    parts = [_part_to(part, f"{field}.content[{n}]") for n, part in enumerate(as_parts(message))]
    calls = [_call_to(call, f"{field}.tool_calls[{n}]") for n, call in enumerate(message.tool_calls)]
    if not parts and not calls:
        raise fields.bad(f"{field}.content", "is empty")
    return parts + calls


def _part_to(part: Part, field: str) -> JsonObject:
    if isinstance(part, TextPart):
        return {"text": part.text}
    if not part.uri.startswith("gs://"):
        raise fields.bad(field, "must lie in Cloud Storage; copy it there and give its gs:// address")
    mime_type = part.mime_type or mimetypes.guess_type(part.uri)[0]
    if mime_type is None:
        raise fields.bad(field, "needs its MIME type, such as image/png")
    return {"fileData": {"mimeType": mime_type, "fileUri": part.uri}}


def _call_to(call: ToolCall, field: str) -> JsonObject:
    arguments = _object_or_none(call.arguments)
    if arguments is None:
        raise fields.bad(f"{field}.function.arguments", "isn't the text of a JSON object, which Gemini needs")
    return {"functionCall": {"name": call.name, "args": arguments}}


def _response_to(message: Message, names: Mapping[str, str], field: str) -> JsonObject:
    name = names.get(message.tool_call_id or "")
    if name is None:
        raise fields.bad(f"{field}.tool_call_id", "answers no call before it, so its function's name isn't known")
    if not isinstance(message.content, str):
        raise fields.bad(f"{field}.content", "a tool's answer must be text")
    response = _object_or_none(message.content)
    if response is None or set(response) == {_WRAPPED}:
        response = {_WRAPPED: message.content}
    return {"functionResponse": {"name": name, "response": response}}


def _object_or_none(text: str) -> JsonObject | None:
    try:
        value = decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if is_object(value) else None


# -- tools -----------------------------------------------------------------------------------------------------------


def _tools_from(record: JsonObject) -> tuple[JsonObject, ...]:
    found: list[JsonObject] = []
    for n, value in enumerate(fields.items(record.get("tools") or [], "tools")):
        tool = fields.obj(value, f"tools[{n}]")
        place = f"tools[{n}].functionDeclarations"
        declared = _either(tool, "functionDeclarations", "function_declarations")
        if declared is None:
            raise fields.bad(place, f"is missing; the keys here are {fields.listed(tool)}")
        for m, function in enumerate(fields.items(declared, place)):
            found.append({"type": "function", "function": fields.obj(function, f"{place}[{m}]")})
    return tuple(found)


def _declaration(tool: Mapping[str, Json], field: str) -> JsonObject:
    if tool.get("type") != "function":
        raise fields.bad(f"{field}.type", "Gemini's tuning takes functions only")
    function = fields.obj(tool.get("function"), f"{field}.function")
    return {key: value for key, value in function.items() if key != "strict"}
