"""Bodies of type `multipart/form-data` (RFC 7578)."""

import re
from collections.abc import Mapping
from email.message import Message
from typing import Final

import attrs

from finetuner.emulator.http import RefusedError

_BREAK: Final = b"\r\n"
_MOST_PARTS: Final = 32


@attrs.frozen
class Part:
    """One field of a form."""

    content: bytes
    filename: str | None = None


def parse(body: bytes, content_type: str) -> Mapping[str, Part]:
    """The fields by name, in whatever order they were sent.

    Raises:
        RefusedError: The body isn't a form.
    """
    boundary = _parameter("Content-Type", content_type, "boundary")
    if not boundary or not content_type.lower().startswith("multipart/form-data"):
        raise RefusedError(400, "The body must be multipart/form-data")
    pieces = (_BREAK + body).split(_BREAK + b"--" + boundary.encode())
    if len(pieces) > _MOST_PARTS or not pieces[-1].startswith(b"--"):
        raise RefusedError(400, "The form has no end or too many parts")
    found: dict[str, Part] = {}
    for piece in pieces[1:-1]:
        head, separator, content = piece.partition(_BREAK + _BREAK)
        disposition = re.search(rb"(?im)^content-disposition:\s*(.+?)\r?$", head)
        name = _parameter("Content-Disposition", _text(disposition[1]), "name") if disposition else None
        if not separator or disposition is None or name is None:
            raise RefusedError(400, "A part of the form has no name")
        found[name] = Part(content, _parameter("Content-Disposition", _text(disposition[1]), "filename"))
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _parameter(header: str, value: str, name: str) -> str | None:
    message = Message()
    message[header] = re.sub(r"[\r\n]", " ", value)
    found = message.get_param(name, header=header)
    return found if isinstance(found, str) else None
