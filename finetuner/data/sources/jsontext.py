"""Strict JSON: one value, or the reason why the text isn't one.

What other readers let pass is refused here, because it changes meaning without a word: duplicate keys (the last would
win), NaN and Infinity (not JSON), lone surrogates (can't be written again), nesting without end (RFC 8259, RFC 7493).
"""

import json
import re
from typing import Final

import msgspec

from finetuner._core.types import Json
from finetuner.data.problems import Problem
from finetuner.data.shapes import is_list, is_object

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 64

# Every key ends in a quote, then a colon; text may look like it too. So this counts at least the keys.
_KEY_END: Final = re.compile(rb'"[ \t\r\n]*:')
_SHOWN: Final = 30


class _DuplicateKeyError(ValueError):
    """Raised inside the slow parser; its text is the key."""


def parse(text: bytes, *, torn: bool = False, limit: int = MAX_LINE_BYTES) -> Json | Problem:
    """The value of a JSON text, or why it isn't one.

    Args:
        text: UTF-8.
        torn: Whether the text is the end of a file without a newline: a cut-off value is then explained so.
        limit: Longest text, in bytes.
    """
    if len(text) > limit:
        return Problem(
            code="line_too_long",
            message=f"the record has more than {limit:,} bytes, the most that are read as one",
            fix="Split the record, or refer to large media by address",
        )
    try:
        value = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        return _not_utf8(text, error)
    except RecursionError:
        return _too_deep()
    except msgspec.DecodeError as error:
        return _malformed(text, str(error), torn=torn)
    return _ambiguity(text, value) or value


def _ambiguity(text: bytes, value: Json) -> Problem | None:
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        return _too_deep()
    if count_key_ends(text) == _keys(value):
        return None
    repeated = _duplicate(text)
    if repeated is None:
        return None
    return Problem(
        code="duplicate_key",
        message=f'the key "{repeated}" occurs twice in one object, so one of the two values would be lost',
        fix="Keep one of them",
    )


def count_key_ends(text: bytes) -> int:
    """How many keys a JSON text has, repeated ones included; or more, where text looks like the end of a key."""
    return len(_KEY_END.findall(text))


def _keys(value: Json) -> int:
    if is_object(value):
        return len(value) + sum(map(_keys, value.values()))
    if is_list(value):
        return sum(map(_keys, value))
    return 0


def _depth(value: Json) -> int:
    if is_object(value):
        return 1 + max(map(_depth, value.values()), default=0)
    if is_list(value):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _duplicate(text: bytes) -> str | None:
    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
        return found

    try:
        json.loads(text, object_pairs_hook=unique)
    except _DuplicateKeyError as error:
        return str(error)
    return None


def _too_deep() -> Problem:
    return Problem(
        code="too_deep",
        message=f"objects and lists are nested more than {MAX_DEPTH} deep",
        fix="Flatten the record; training data needs no such depth",
    )


def _not_utf8(text: bytes, error: UnicodeDecodeError) -> Problem:
    # msgspec counts from the start of the string; the place in the line is more useful.
    try:
        text.decode()
    except UnicodeDecodeError as whole:
        error = whole
    byte = error.object[error.start]
    return Problem(
        code="invalid_utf8",
        message=f"byte {error.start + 1} (0x{byte:02x}) isn't UTF-8",
        fix="Save the file as UTF-8",
    )


_HINTS: Final = (
    (re.compile(rb"\b(NaN|-?Infinity)\b"), "{} is no JSON number", "Write null or leave the key out"),
    (re.compile(rb"'[^'\"]*'\s*:"), "keys stand in single quotes", "JSON wants double quotes; write with json.dumps"),
    (re.compile(rb"\b(True|False|None)\b"), "{} is Python's word", "JSON writes true, false, null; use json.dumps"),
    (re.compile(rb",\s*[}\]]"), "a comma stands before a closing bracket", "Take the comma out"),
)


def _malformed(text: bytes, reason: str, *, torn: bool) -> Problem:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return _not_utf8(text, error)
    if "surrogate" in reason or ("truncated" in reason and re.search(rb"\\u[dD][89abAB]", text) and _complete(text)):
        return Problem(
            code="lone_surrogate",
            message="half of a \\uXXXX\\uXXXX pair stands alone, which is no character",
            fix="Write the text as UTF-8, for example with json.dumps(…, ensure_ascii=False)",
        )
    if "out of range" in reason:
        return Problem(
            code="number_out_of_range", message="a number is too large to be read exactly", fix="Write it as a string"
        )
    if "truncated" in reason:
        message = "the file ends in the middle of this line" if torn else "the line ends before its JSON is complete"
        fix = "Write the file again; the writing was cut off" if torn else "Put each record on one line"
        return Problem(code="invalid_json", message=message, fix=fix)
    for pattern, message, fix in _HINTS:
        match = pattern.search(text)
        if match:
            said = message.format(match[0].decode())
            return Problem(code="invalid_json", message=f"this isn't JSON: {said}", fix=fix)
    return Problem(code="invalid_json", message=_explain(text, reason), fix="Write each line with json.dumps")


def _explain(text: bytes, reason: str) -> str:
    byte = re.search(r"\(byte (\d+)\)", reason)
    if byte is None:
        return f"this isn't JSON: {reason}"
    position = int(byte[1])
    near = text[position : position + _SHOWN].decode(errors="replace")
    what = "more text follows after the end of the value" if "trailing" in reason else "an unexpected character"
    return f"this isn't JSON: {what} at byte {position + 1}, near {near!r}"


def _complete(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
