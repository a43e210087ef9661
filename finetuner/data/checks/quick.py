"""Telling lines that surely have no problem, in a fraction of the time that looking for problems takes.

Most lines of most files are plain chats without a fault. They are recognized here by their shape; whatever else a line
holds (tools, images, weights, a fault), the rules look at it. So this may only err on one side: a line that passes must
be one in which the rules find nothing. It is fast because texts are checked, but not turned into strings, and because
a line that equals what `json.dumps` would write of it can hold no key twice.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from finetuner._core.types import Json
from finetuner.data.examples import Example, Message
from finetuner.data.sources.jsontext import MAX_LINE_BYTES, count_key_ends

QuickLook = Callable[[bytes], bool]
"""Whether a line surely has no problem; False where the rules must look at it."""

_SPACE: Final = ord(" ")
_AFTER_FIRST_KEY: Final = len('{"messages":')
_QUOTE: Final = ord('"')
_WHITE_BEYOND_ASCII: Final = b"\xc2\xe1\xe2\xe3"  # how its UTF-8 starts; other signs' too
_VISIBLE: Final = frozenset(
    bytes((_QUOTE, byte)) for byte in range(_SPACE + 1, 0xF5) if byte not in b'"\\\x7f' + _WHITE_BEYOND_ASCII
)
"""How a text starts whose first character surely isn't white space."""
_VISIBLE_ESCAPED: Final = (b'"\\"', b'"\\\\', b'"\\/')

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Scalar = str | int | float | bool | None


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "developer", "user", "assistant"]
    content: msgspec.Raw
    name: str | UnsetType = UNSET


class _Chat(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=2)]
    metadata: dict[str, _Scalar] | UnsetType = UNSET


class _Said(msgspec.Struct, gc=False):
    role: str
    content: str
    name: str | None = None


class _SaidChat(msgspec.Struct, gc=False):
    messages: list[_Said]
    metadata: dict[str, Json] | UnsetType = UNSET


class _Part(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: msgspec.Raw


class _System(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    parts: Annotated[list[_Part], msgspec.Meta(min_length=1)]
    role: str | UnsetType = UNSET


class _Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "model"]
    parts: Annotated[list[_Part], msgspec.Meta(min_length=1)]


class _Contents(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    contents: Annotated[list[_Turn], msgspec.Meta(min_length=2)]
    systemInstruction: _System | UnsetType = UNSET  # noqa: N815  # the wire's name


_chat: Final = msgspec.json.Decoder(_Chat).decode
_said_chat: Final = msgspec.json.Decoder(_SaidChat).decode
_contents: Final = msgspec.json.Decoder(_Contents).decode


@lru_cache(maxsize=256)
def _layout(wide: bool, roles: tuple[str, ...]) -> tuple[tuple[bytes, int], ...]:
    """What stands before each text of a chat, as `json.dumps` writes it, and after the last one.

    Args:
        wide: Whether there are spaces after commas and colons.
        roles: Who speaks.

    Returns:
        A piece with its length for each role, and two for the end: without metadata, and with it up to its first byte.
        Nothing where the order is wrong.
    """
    system = "system" in roles[1:] or "developer" in roles[1:]
    if system or "user" not in roles or roles[-1] != "assistant":
        return ()
    comma, colon = (", ", ": ") if wide else (",", ":")
    opened = [f'{{"role"{colon}"{role}"{comma}"content"{colon}' for role in roles]
    first, later = f'{{"messages"{colon}[{opened[0]}', (f"}}{comma}{text}" for text in opened[1:])
    texts = (first, *later, "}]}", f'}}]{comma}"metadata"{colon}')
    return tuple((text.encode(), len(text)) for text in texts)


def chat(line: bytes) -> bool:
    """A plain chat for OpenAI: a system text at most, users and assistants, the last word the assistant's."""
    try:
        found = _chat(line)
        return found.metadata is UNSET and _is_text(line) and _is_clean(found, line)
    except _FAILURES:
        return False


def own_chat(line: bytes) -> bool:
    """The same in the format `finetuner`, with metadata that is flat."""
    try:
        found = _chat(line)
        return _is_text(line) and _is_clean(found, line)
    except _FAILURES:
        return False


def texts(line: bytes) -> tuple[list[str], int] | None:
    """What is said in a line that `own_chat` recognizes, and how many speakers of the prompt are named; else None."""
    if not own_chat(line):
        return None
    messages = _said_chat(line).messages
    return [message.content for message in messages], sum(1 for message in messages[:-1] if message.name)


def example(line: bytes) -> Example | None:
    """The example of a line that `own_chat` recognizes, as the formats `finetuner` and `openai` read it; else None."""
    if not own_chat(line):
        return None
    said = _said_chat(line)
    return Example(
        messages=tuple([Message(role=one.role, content=one.content, name=one.name) for one in said.messages]),
        metadata={} if said.metadata is UNSET else said.metadata,
    )


def contents(line: bytes) -> bool:
    """A plain chat for Gemini: texts of users and the model in turn, the last word the model's."""
    try:
        found = _contents(line)
        turns, system = found.contents, found.systemInstruction
        parts = [part.text for turn in turns for part in turn.parts]
        keys = 1 + 2 * len(turns) + len(parts)
        if system is not UNSET:
            parts += [part.text for part in system.parts]
            keys += 2 + len(system.parts) + (system.role is not UNSET)
        return (
            _is_text(line)
            and turns[0].role == "user"
            and turns[-1].role == "model"
            and all(map(_says_something, parts))
            and count_key_ends(line) == keys
        )
    except _FAILURES:
        return False


def _is_clean(found: _Chat, line: bytes) -> bool:
    messages, metadata = found.messages, found.metadata
    layout = _layout(line[_AFTER_FIRST_KEY] == _SPACE, tuple([message.role for message in messages]))
    if not layout:
        return False
    texts = [message.content for message in messages]
    pieces: list[bytes | msgspec.Raw] = []
    place = 0
    for (before, length), text in zip(layout, texts, strict=False):  # two more pieces are for the end
        place += length
        # Where the line isn't laid out so, this looks at some other place, and the comparison below fails.
        seen = line[place : place + 2] in _VISIBLE or line.startswith(_VISIBLE_ESCAPED, place)
        if not seen and not _says_something(text):
            return False
        place += len(text)
        pieces += before, text
    after, length = layout[-2 if metadata is UNSET else -1]
    pieces.append(after)
    as_written = b"".join(pieces)
    if metadata is UNSET:
        if as_written == line:
            return True
    # Every key has a colon, a repeated one too; text may hold more.
    elif line.startswith(as_written) and line.count(b":", place + length) == len(metadata):
        return True
    return count_key_ends(line) == _keys(found) and all(map(_says_something, texts))


def _keys(found: _Chat) -> int:
    metadata = 0 if found.metadata is UNSET else 1 + len(found.metadata)
    return 1 + metadata + sum(2 if message.name is UNSET else 3 for message in found.messages)


def _says_something(raw: msgspec.Raw) -> bool:
    """Whether a raw value is a text of more than white space."""
    text: Json = msgspec.json.decode(raw)
    return isinstance(text, str) and bool(text.strip())


def _is_text(line: bytes) -> bool:
    """Whether a line is UTF-8 and not too long. A raw value's escapes are checked already, its bytes are not."""
    if len(line) > MAX_LINE_BYTES:
        return False
    if not line.isascii():
        line.decode()
    return True
