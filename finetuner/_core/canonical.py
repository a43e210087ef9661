"""JSON in one canonical form: equal values give equal bytes in any language.

Source: RFC 8785, JSON Canonicalization Scheme; numbers as ECMAScript writes them.
"""

import math
from collections.abc import Sequence
from typing import cast

import msgspec

from finetuner._core.types import Json, JsonObject

_FIXED_FROM = -7
_FIXED_TO = 21


def canonical_json(value: Json) -> bytes:
    """The canonical UTF-8 text of a JSON value.

    Whole numbers are written with all their digits, also those beyond 2^53, which the RFC leaves out.

    Raises:
        ValueError: A number is NaN or infinite, or a text holds half of a surrogate pair.
    """
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces).encode()


def _write(value: Json, pieces: list[str]) -> None:
    if isinstance(value, dict):
        fields = cast("JsonObject", value)
        pieces.append("{")
        for n, key in enumerate(sorted(fields, key=_utf16)):
            pieces.append(f",{_text(key)}:" if n else f"{_text(key)}:")
            _write(fields[key], pieces)
        pieces.append("}")
    elif isinstance(value, list | tuple):
        pieces.append("[")
        for n, item in enumerate(cast("Sequence[Json]", value)):
            if n:
                pieces.append(",")
            _write(item, pieces)
        pieces.append("]")
    elif isinstance(value, float):
        pieces.append(number(value))
    elif isinstance(value, str):
        pieces.append(_text(value))
    else:
        pieces.append(msgspec.json.encode(value).decode())  # null, true, false, whole numbers


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def number(value: float) -> str:
    """A number as ECMAScript writes it: `1`, `0.1`, `1e+21`, `1e-7`.

    Raises:
        ValueError: It is NaN or infinite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # digits before the point
    digits = digits.rstrip("0")
    if len(digits) <= point <= _FIXED_TO:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= _FIXED_TO:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if _FIXED_FROM < point - 1 < 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"
