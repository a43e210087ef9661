"""Problems of one message, or of the order of messages, in OpenAI's chat format."""

import re
from collections.abc import Iterator
from typing import Final

from finetuner._core.codec import decode
from finetuner._core.types import Json, JsonObject
from finetuner.data.checks import parts
from finetuner.data.formats.fields import listed
from finetuner.data.formats.openai import ROLES
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object, kind

MESSAGE_KEYS: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "weight", "function_call", "refusal"}
)
_OTHERS_WORDS: Final = {
    "model": ('"model" is Gemini\'s word; OpenAI calls it "assistant"', 'Write "assistant"'),
    "human": ('"human" is ShareGPT\'s word; OpenAI calls it "user"', 'Write "user"'),
    "gpt": ('"gpt" is ShareGPT\'s word; OpenAI calls it "assistant"', 'Write "assistant"'),
    "bot": ('"bot" is no role of OpenAI\'s; it says "assistant"', 'Write "assistant"'),
    "ai": ('"ai" is no role of OpenAI\'s; it says "assistant"', 'Write "assistant"'),
}
OTHERS_ROLES: Final = {"model": "assistant", "human": "user", "gpt": "assistant", "bot": "assistant", "ai": "assistant"}
"""Roles as others call them, and their names here."""

_IMAGE_DATA: Final = re.compile(r"data:image/(jpeg|jpg|png|webp);base64,", re.IGNORECASE)
_MAX_IMAGE_BYTES: Final = 10 * 1024 * 1024
_MAX_IMAGES: Final = 10
_DETAILS: Final = ("low", "high", "auto")
_OTHER_IMAGE: Final = re.compile(r"\.(gif|bmp|tiff?|svg|heic|heif|avif|ico|pdf|mp4)([?#]|$)", re.IGNORECASE)


def meant_role(role: Json) -> Json:
    """The role that a word of another provider, or one in capitals, stands for; others as they are."""
    if not isinstance(role, str):
        return role
    return OTHERS_ROLES.get(role.lower(), role.lower() if role.lower() in ROLES else role)


def check_messages(messages: Json, field: str, tools: set[str] | None, *, no_images: str | None) -> Iterator[Problem]:
    """All problems of a list of messages, save for how it must end.

    Args:
        messages: What stands where the list should be.
        field: Its path.
        tools: Names of the functions that are defined, None where none are.
        no_images: Why images can't be trained on here; None where they can.
    """
    if not is_list(messages):
        yield parts.wrong_type(messages, field, "a list of messages")
        return
    if not messages:
        yield Problem(
            code="empty_messages",
            field=field,
            message="is empty",
            fix="Give at least a user's and an assistant's message",
        )
        return
    for n, message in enumerate(messages):
        yield from check_message(message, f"{field}[{n}]", no_images=no_images)
    good = [(n, message) for n, message in enumerate(messages) if is_object(message)]
    yield from _order(good, field)
    yield from _tool_use(good, field, tools)
    yield from _image_count(good, field)


def check_message(message: Json, field: str, *, no_images: str | None) -> Iterator[Problem]:
    """All problems of one message by itself."""
    if not is_object(message):
        yield parts.wrong_type(message, field, "an object with role and content")
        return
    yield from _role(message, field)
    yield from _content(message, field, no_images=no_images)
    yield from _weight(message, field)
    yield from _calls(message, field)
    if message.get("role") == "tool" and not isinstance(message.get("tool_call_id"), str):
        yield Problem(
            code="missing_tool_call_id",
            field=f"{field}.tool_call_id",
            message="is missing or no text, so nobody knows which call this answers",
            fix="Copy the id of the assistant's tool call",
        )
    if not isinstance(message.get("name", ""), str | None):
        yield parts.wrong_type(message["name"], f"{field}.name", "text")
    yield from parts.unknown_keys(message, MESSAGE_KEYS, field, "error")


def _role(message: JsonObject, field: str) -> Iterator[Problem]:
    role = message.get("role")
    if "role" not in message:
        yield parts.missing(message, f"{field}.role", "missing_role", "Say who speaks: system, user or assistant")
    elif not isinstance(role, str):
        yield Problem(
            code="wrong_role",
            field=f"{field}.role",
            message=f"is {kind(role)}, where a role is expected",
            fix=_ROLE_FIX,
        )
    elif role not in ROLES and role != "function":
        said, fix = _OTHERS_WORDS.get(role.lower(), (f'"{role}" is no role of OpenAI\'s', _ROLE_FIX))
        if role.lower() in ROLES:
            said, fix = f'"{role}" must be written in small letters', f'Write "{role.lower()}"'
        yield Problem(code="wrong_role", field=f"{field}.role", message=said, fix=fix)


_ROLE_FIX: Final = f"Use one of {listed(ROLES)}"


def _content(message: JsonObject, field: str, *, no_images: str | None) -> Iterator[Problem]:
    content, place = message.get("content"), f"{field}.content"
    calls = bool(message.get("tool_calls") or message.get("function_call"))
    if content is None:
        if not calls:
            code = "missing_content" if "content" not in message else "empty_content"
            said = "is missing" if "content" not in message else "is null"
            yield Problem(code=code, field=place, message=said, fix="Give the text, or drop the example")
    elif isinstance(content, str):
        if not content.strip() and not calls:
            said = "is empty" if not content else "holds only white space"
            yield Problem(code="empty_content", field=place, message=said, fix="Give the text, or drop the example")
    elif is_list(content):
        if not content:
            yield Problem(code="empty_content", field=place, message="is an empty list", fix="Give at least one part")
        for n, part in enumerate(content):
            yield from _part(part, f"{place}[{n}]", str(message.get("role")), no_images=no_images)
    else:
        yield parts.wrong_type(content, place, "text or a list of parts")


def _part(part: Json, field: str, role: str, *, no_images: str | None) -> Iterator[Problem]:
    if not is_object(part):
        yield parts.wrong_type(part, field, "an object with a type")
    elif part.get("type") == "text":
        text = part.get("text")
        if not isinstance(text, str):
            yield parts.wrong_type(text, f"{field}.text", "text")
        elif not text.strip():
            yield Problem(code="empty_content", field=f"{field}.text", message="is empty", fix="Leave the part out")
    elif part.get("type") == "image_url":
        yield from _image(part.get("image_url"), f"{field}.image_url", role, no_images=no_images)
    else:
        yield Problem(
            code="bad_part",
            field=f"{field}.type",
            message=f'is {part.get("type")!r}; training data holds "text" and "image_url" only',
            fix="Leave the part out, or describe it in text",
        )


def _image(image: Json, field: str, role: str, *, no_images: str | None) -> Iterator[Problem]:
    if role != "user":
        yield Problem(
            code="misplaced_image", field=field, message="images may stand in user messages only", fix="Move or drop it"
        )
    if no_images is not None:
        yield Problem(
            code="images_not_supported",
            field=field,
            message=no_images,
            fix="Choose a model that takes them (fine-tuner-cc models), or drop the images",
        )
    address = image.get("url") if is_object(image) else image
    if not isinstance(address, str) or not address:
        yield Problem(code="bad_image", field=f"{field}.url", message="is missing or no text", fix="Give the address")
        return
    if is_object(image) and image.get("detail") not in (None, *_DETAILS):
        yield Problem(
            code="bad_image", field=f"{field}.detail", message=f"must be one of {listed(_DETAILS)}", fix='Write "auto"'
        )
    data = _IMAGE_DATA.match(address)
    if data:
        if (len(address) - data.end()) * 3 // 4 > _MAX_IMAGE_BYTES:
            yield Problem(code="bad_image", field=f"{field}.url", message="is more than 10 MB", fix="Scale it down")
    elif not address.startswith(("https://", "http://")):
        yield Problem(
            code="bad_image",
            field=f"{field}.url",
            message=f"{address[:40]!r} is neither an http address nor data of a JPEG, PNG or WEBP image",
            fix="Upload the image, or write it as data:image/png;base64,…",
        )
    elif _OTHER_IMAGE.search(address):
        yield Problem(
            code="bad_image",
            field=f"{field}.url",
            message="is no JPEG, PNG or WEBP image by its name; others are refused",
            fix="Convert the image",
        )


def _weight(message: JsonObject, field: str) -> Iterator[Problem]:
    weight = message.get("weight")
    if weight is None:
        return
    if isinstance(weight, bool) or weight not in (0, 1) or isinstance(weight, float):
        yield Problem(code="bad_weight", field=f"{field}.weight", message="is neither 0 nor 1", fix="Write 0 or 1")
    if message.get("role") not in ("assistant", None):
        yield Problem(
            code="misplaced_weight",
            field=f"{field}.weight",
            message="only an assistant's message can have a weight; others aren't learned anyway",
            fix="Leave it out",
        )


def _calls(message: JsonObject, field: str) -> Iterator[Problem]:
    calls, place = message.get("tool_calls"), f"{field}.tool_calls"
    if calls is None:
        return
    if not is_list(calls) or not calls:
        yield (
            parts.wrong_type(calls, place, "a list of at least one call")
            if calls != []
            else Problem(code="bad_tool_call", field=place, message="is an empty list", fix="Leave the key out")
        )
        return
    if message.get("role") not in ("assistant", None):
        yield Problem(code="bad_tool_call", field=place, message="only an assistant calls tools", fix="Leave it out")
    for n, call in enumerate(calls):
        yield from _call(call, f"{place}[{n}]")


def _call(call: Json, field: str) -> Iterator[Problem]:
    if not is_object(call):
        yield parts.wrong_type(call, field, "an object")
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield Problem(code="bad_tool_call", field=f"{field}.id", message="is missing or no text", fix="Give it an id")
    if call.get("type") != "function":
        yield Problem(
            code="bad_tool_call", field=f"{field}.type", message='must be "function"', fix='Write "type": "function"'
        )
    function = call.get("function")
    if not is_object(function):
        yield parts.wrong_type(function, f"{field}.function", "an object with name and arguments")
        return
    if not isinstance(function.get("name"), str) or not function["name"]:
        yield Problem(
            code="bad_tool_call",
            field=f"{field}.function.name",
            message="is missing or no text",
            fix="Name the function",
        )
    if not _is_json_object(function.get("arguments")):
        yield Problem(
            code="bad_arguments",
            field=f"{field}.function.arguments",
            message="must be the text of a JSON object, as a model would write it",
            fix='Write it with json.dumps, for example "{\\"id\\": 7}"',
        )


def _is_json_object(text: Json) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return is_object(decode(text))
    except (ValueError, RecursionError):
        return False


def _order(messages: list[tuple[int, JsonObject]], field: str) -> Iterator[Problem]:
    for n, message in messages:
        if message.get("role") in ("system", "developer") and n > 0:
            yield Problem(
                code="system_not_first",
                field=f"{field}[{n}].role",
                message=f'a "{message["role"]}" message stands at place {n + 1}; it may only come first',
                fix="Move it to the start, and join several into one",
            )
    if not any(meant_role(message.get("role")) == "user" for _, message in messages):
        yield Problem(
            code="no_user",
            severity="warning",
            field=field,
            message="there is no user message, so the model learns to answer nothing",
            fix="Give the request that was answered",
        )


def _tool_use(messages: list[tuple[int, JsonObject]], field: str, tools: set[str] | None) -> Iterator[Problem]:
    waiting: dict[str, str] = {}
    for n, message in messages:
        if message.get("role") == "tool":
            identifier = message.get("tool_call_id")
            if isinstance(identifier, str) and waiting.pop(identifier, None) is None:
                yield Problem(
                    code="answer_without_call",
                    field=f"{field}[{n}].tool_call_id",
                    message=f"{identifier!r} is the id of no open call before it",
                    fix="Use the id of the call that it answers",
                )
            continue
        yield from _unanswered(waiting)
        waiting = {}
        calls = message.get("tool_calls")
        for m, call in enumerate(calls if is_list(calls) else []):
            function = call.get("function") if is_object(call) else None
            if not is_object(call) or not is_object(function):
                continue
            place = f"{field}[{n}].tool_calls[{m}]"
            if str(call.get("id")) in waiting:
                yield Problem(
                    code="repeated_id",
                    field=f"{place}.id",
                    message=f"{call.get('id')!r} is the id of another call, so nobody knows which one is answered",
                    fix="Give each call an id of its own",
                )
            waiting[str(call.get("id"))] = place
            if tools is None or function.get("name") not in tools:
                yield Problem(
                    code="undeclared_tool",
                    severity="warning",
                    field=f"{place}.function.name",
                    message=f"{function.get('name')!r} isn't among the line's tools",
                    fix='Declare it under "tools", as the request would',
                )


def _unanswered(waiting: dict[str, str]) -> Iterator[Problem]:
    for identifier, place in waiting.items():
        yield Problem(
            code="call_without_answer",
            field=f"{place}.id",
            message=f"the call {identifier!r} gets no answer before the conversation goes on",
            fix='Add a message of role "tool" with this tool_call_id',
        )


def _image_count(messages: list[tuple[int, JsonObject]], field: str) -> Iterator[Problem]:
    contents = [content for _, message in messages if is_list(content := message.get("content"))]
    n = sum(is_object(part) and part.get("type") == "image_url" for content in contents for part in content)
    if n > _MAX_IMAGES:
        yield Problem(
            code="too_many_images",
            field=field,
            message=f"{n} images are more than {_MAX_IMAGES}",
            fix="Split the example",
        )
