"""JSON in and out: msgspec for speed, cattrs for objects."""

import os
import threading
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import msgspec

from finetuner._core.types import Json

T = TypeVar("T")

_converter = cattrs.Converter()


def encode(value: Json) -> bytes:
    """UTF-8 JSON of a plain value, compact, keys in the given order."""
    return msgspec.json.encode(value)


def decode(data: bytes | str) -> Json:
    """The plain value that JSON text holds.

    Raises:
        ValueError: The text isn't JSON (`msgspec.DecodeError`, or invalid UTF-8).
    """
    return msgspec.json.decode(data)


def canonical(value: Json) -> bytes:
    """JSON with sorted keys: equal values give equal bytes, whatever the order of their keys."""
    return msgspec.json.encode(value, order="sorted")


def unstructure(value: Any) -> Json:
    """The plain JSON value of an attrs object."""
    return _converter.unstructure(value)


def structure(value: Json, cls: type[T]) -> T:
    """The attrs object that a plain value describes; unknown keys are ignored.

    Raises:
        cattrs.BaseValidationError: Required fields are missing or have the wrong type.
    """
    return _converter.structure(value, cls)


def to_json(value: Any) -> str:
    """JSON text of an attrs object (or plain value)."""
    return encode(unstructure(value)).decode()


def from_json(text: bytes | str, cls: type[T]) -> T:
    """The attrs object that JSON text describes. The inverse of `to_json`."""
    return structure(decode(text), cls)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
