"""Reading what a provider answers: fields come and go, so what isn't of the expected type counts as absent."""

import math
from datetime import datetime

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object


def as_object(value: Json) -> JsonObject:
    """The object, or an empty one."""
    return value if is_object(value) else {}


def as_list(value: Json) -> list[Json]:
    """The list, or an empty one."""
    return value if is_list(value) else []


def as_text(value: Json) -> str | None:
    """The text, None where it is empty or none."""
    return value if isinstance(value, str) and value else None


def as_number(value: Json) -> float | None:
    """The finite number, also where it is written as text (protobuf's JSON does so for 64 bits)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def as_whole(value: Json) -> int | None:
    """The number without its fraction."""
    number = as_number(value)
    return None if number is None else int(number)


def as_moment(value: Json) -> float | None:
    """Seconds since the epoch of an RFC 3339 time, such as `2026-11-22T00:00:00Z`."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None
