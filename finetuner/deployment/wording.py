"""Evidence in words that people can read: shares as percents, counts with separators, fingerprints cut short."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_FINGERPRINT: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_LONGEST: Final = 80
_FIGURES: Final = ("value", "low", "high", "n")
_DIFFERENCE: Final = "difference"
_DAY: Final = 86_400.0
_HOUR: Final = 3600.0


def evidence(found: Mapping[str, object]) -> str:
    """A finding's figures in one line, such as `accuracy 86.8% [80.8, 91.1], n = 166, rows 166`."""
    return ", ".join(_parts(found)) or "no figures"


def figures(name: str, value: float, low: float, high: float, n: int) -> str:
    """A value with its interval: in percent (a difference in points) where all of it lies between -1 and 1."""
    if max(abs(value), abs(low), abs(high)) <= 1:
        unit = " points" if name.endswith(_DIFFERENCE) else "%"
        return f"{name} {100 * value:.1f}{unit} [{100 * low:.1f}, {100 * high:.1f}], n = {n:,}"
    return f"{name} {value:.4g} [{low:.4g}, {high:.4g}], n = {n:,}"


def shortened(text: str) -> str:
    """A text with its fingerprints cut to 12 digits, and itself where it is long."""
    brief = _FINGERPRINT.sub(r"\1", text)
    return brief if len(brief) <= _LONGEST else f"{brief[: _LONGEST - 1]}…"


def first_of(reasons: Sequence[str]) -> str:
    """The first reason, and how many more there are."""
    rest = len(reasons) - 1
    return f"{reasons[0] if reasons else 'no reason'}{f' (and {rest} more)' if rest > 0 else ''}"


def ago(seconds: float) -> str:
    """How long ago something was: `just now`, `5 hours ago`, `yesterday`, `12 days ago`."""
    if seconds < _HOUR:
        return "just now"
    if seconds < _DAY:
        hours = int(seconds // _HOUR)
        return f"{hours} hour{'s' if hours > 1 else ''} ago"
    days = int(seconds // _DAY)
    return "yesterday" if days == 1 else f"{days} days ago"


def _parts(found: Mapping[str, object]) -> Iterator[str]:
    rest = dict(found)
    if isinstance(rest.get("note"), str):
        person = rest.pop("person", None)
        yield f"{shortened(str(rest.pop('note')))}{f' ({person})' if person else ''}"
    numbers = [rest.get(name) for name in _FIGURES]
    if all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        value, low, high, n = (rest.pop(name) for name in _FIGURES)
        yield figures(_named(rest), float(f"{value}"), float(f"{low}"), float(f"{high}"), int(f"{n}"))
    for name, value in rest.items():
        yield _part(name, value)


def _named(rest: dict[str, object]) -> str:
    """What the figures are of; takes it out of the rest."""
    benchmark, metric = rest.pop("benchmark", None), rest.pop("metric", None)
    compared = benchmark is not None or "base" in rest
    return f"{benchmark or metric or 'value'}{f' {_DIFFERENCE}' if compared else ''}"


def _part(name: str, value: object) -> str:
    words = name.replace("_", " ")
    match value:
        case bool():
            return f"{words} {'yes' if value else 'no'}"
        case int():
            return f"{words} {value:,}"
        case float():
            return f"{words} {value:.4g}"
        case list() | tuple():
            listed: list[object] = [*value]  # pyright: ignore[reportUnknownArgumentType]  # any JSON may be in there
            return _listed("examples" if name == "counts" else words, listed)
        case None:
            return f"{words} unknown"
        case _:
            return f"{words} {shortened(str(value))}"


def _listed(words: str, values: list[object]) -> str:
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return f"{' / '.join(f'{value:,}' for value in values)} {words}"
    return f"{words} {shortened(', '.join(map(str, values)) or 'none')}"
