"""Bodies of requests checked field by field, refused in OpenAI's words: combinators of small checks.

A check takes a value and its path, and raises `RefusedError` for what the service wouldn't take. Messages and codes are
those of OpenAI's API (2026-06): `missing_required_parameter`, `unknown_parameter`, `invalid_type`, `invalid_value`, and
the limits of numbers, texts and lists.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from finetuner._core.types import Json
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator.routing import RefusedError

Check = Callable[[Json, str], None]

_NO_CHECKS: Final[Mapping[str, Check]] = MappingProxyType({})
_AUTO: Final = "auto"
_LONGEST_PATH: Final = 200


def text(least: int = 0, most: int | None = None, *, choices: tuple[str, ...] = ()) -> Check:
    """A text of some length, or one of a few."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        if choices and value not in choices:
            known = ", ".join(f"'{choice}'" for choice in choices)
            raise refused(path, f"Invalid value: '{value:.100}'. Supported values are: {known}.", "invalid_value")
        if len(value) < least:
            raise _limit(path, "string", "short", "minimum length", least, f"a string with length {len(value)}")
        if most is not None and len(value) > most:
            raise _limit(path, "string", "long", "maximum length", most, f"a string with length {len(value)}")

    return check


def number(low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf, whole: bool = False) -> Check:
    """A number from `low` to `high`, greater than `above`; with `whole` an integer."""
    name, kind = ("an integer", "integer") if whole else ("a number", "decimal")

    def check(value: Json, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(path, name, value)
        if whole and value != int(value):
            raise _wrong_type(path, name, value)
        if value < low or value <= above:
            expected = f">= {low:g}" if math.isinf(above) else f"> {above:g}"
            raise _range(path, kind, "below minimum", expected, value)
        if value > high:
            raise _range(path, kind, "above maximum", f"<= {high:g}", value)

    return check


def flag(value: Json, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong_type(path, "a boolean", value)


def anything(value: Json, path: str) -> None:
    """Whatever it is."""
    del value, path


def mapping(value: Json, path: str) -> None:
    """An object, whatever it holds."""
    if not is_object(value):
        raise _wrong_type(path, "an object", value)


def auto(inner: Check) -> Check:
    """The word `auto`, or what passes."""

    def check(value: Json, path: str) -> None:
        if value != _AUTO:
            inner(value, path)

    return check


def either(first: Check, other: Check) -> Check:
    """A text that passes the first, or something else that passes the other."""

    def check(value: Json, path: str) -> None:
        (first if isinstance(value, str) else other)(value, path)

    return check


def items(inner: Check, least: int = 0, most: int | None = None) -> Check:
    """A list whose items all pass."""

    def check(value: Json, path: str) -> None:
        if not is_list(value):
            raise _wrong_type(path, "an array", value)
        if len(value) < least:
            raise _limit(path, "array", "short", "minimum length", least, f"an array with length {len(value)}")
        if most is not None and len(value) > most:
            raise _limit(path, "array", "long", "maximum length", most, f"an array with length {len(value)}")
        for position, item in enumerate(value):
            inner(item, f"{path}[{position}]")

    return check


def pairs(most: int = 16, longest_key: int = 64, longest_value: int = 512) -> Check:
    """Texts by name: metadata."""
    inner = text(0, longest_value)

    def check(value: Json, path: str) -> None:
        if not is_object(value):
            raise _wrong_type(path, "an object", value)
        if len(value) > most:
            raise _limit(path, "object", "many properties", "at most", most, f"an object with {len(value)} properties")
        for key, item in value.items():
            if len(key) > longest_key:
                message = f"Invalid property name in '{path}': '{key:.70}' is longer than {longest_key} characters."
                raise refused(path, message, "property_name_above_max_length")
            inner(item, _joined(path, key))

    return check


def table(
    required: Mapping[str, Check] = _NO_CHECKS, optional: Mapping[str, Check] = _NO_CHECKS, *, open: bool = False
) -> Check:
    """An object with these fields; null stands for an optional one that is absent.

    Args:
        required: Fields that must be there.
        optional: Fields that may be there.
        open: Whether there may be others.
    """

    def check(value: Json, path: str) -> None:
        if not is_object(value):
            raise _wrong_type(path, "an object", value)
        for name in required:
            if value.get(name) is None:
                place = _joined(path, name)
                raise refused(place, f"Missing required parameter: '{place}'.", "missing_required_parameter")
        for name, item in value.items():
            inner = required.get(name) or optional.get(name)
            if inner is None and not open:
                place = _joined(path, name)
                raise refused(place, f"Unknown parameter: '{place}'.", "unknown_parameter")
            if inner is not None and item is not None:
                inner(item, _joined(path, name))

    return check


def tagged(shapes: Mapping[str, Check], *, by: str = "type") -> Check:
    """An object whose field `by` says which of the shapes it has."""
    kind = text(choices=tuple(shapes))

    def check(value: Json, path: str) -> None:
        table({by: kind}, open=True)(value, path)
        shapes[value[by]](value, path)

    return check


def refused(param: str, message: str, code: str) -> RefusedError:
    """The refusal of one parameter."""
    return RefusedError(400, message, code=code, param=param[:_LONGEST_PATH] or None)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong_type(path: str, expected: str, value: Json) -> RefusedError:
    message = f"Invalid type for '{path or 'body'}': expected {expected}, but got {_kind(value)} instead."
    return refused(path, message, "invalid_type")


def _limit(path: str, kind: str, how: str, limit: str, bound: int, got: str) -> RefusedError:
    side = "min" if "min" in limit else "max"
    direction = "below" if side == "min" else "above"
    message = f"Invalid '{path}': {kind} too {how}. Expected {limit} {bound}, but got {got} instead."
    return refused(path, message, f"{kind}_{direction}_{side}_length")


def _range(path: str, kind: str, how: str, expected: str, value: float) -> RefusedError:
    message = f"Invalid '{path}': {kind} {how} value. Expected a value {expected}, but got {value:g} instead."
    return refused(path, message, f"{kind}_{'below_min' if 'below' in how else 'above_max'}_value")


def _kind(value: Json) -> str:
    names = ((bool, "a boolean"), (int, "an integer"), (float, "a decimal number"), (str, "a string"))
    if value is None:
        return "null"
    found = next((name for kind, name in names if isinstance(value, kind)), None)
    return found or ("an array" if is_list(value) else "an object")
