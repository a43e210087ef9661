"""Refusals of HTTP services: what came back, what it means, when to try again, and words without secrets. Pure."""

import email.utils
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.errors import ProviderError

_KEYS: Final = re.compile(
    r"\b(?:(?:sk|sess|ek|rk)-[A-Za-z0-9_*-]{6,}|ya29\.[A-Za-z0-9_.-]+|AIza[A-Za-z0-9_-]{10,})|(?i:bearer)\s+[^\s\"',;]+"
)
_USER: Final = re.compile(r"//[^/@\s]*@")
_LONGEST: Final = 600
_SHORTEST_SECRET: Final = 6
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Answer:
    """What came back instead of a result.

    Attributes:
        status: HTTP status; 200 for an error inside a stream, 0 where none is known.
        message: The service's words.
        code: The service's code.
        param: Which parameter it complains about.
        headers: Of the answer, names in lower case.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = attrs.field(default=_NO_HEADERS)


@attrs.frozen
class Meaning:
    """What a status stands for; `text` is formatted with the words that a provider knows."""

    kind: type[ProviderError]
    text: str
    retryable: bool = False


def redacted(text: str, secret: str | None = None) -> str:
    """A service's words on one line, cut to 600 characters, without keys: it may quote the one that it was sent.

    Nor are a user and password in an address shown.
    """
    if secret and len(secret) >= _SHORTEST_SECRET:  # a word such as "any", for an emulator, is none
        text = text.replace(secret, "[key]")
    text = _USER.sub("//", _KEYS.sub("[key]", " ".join(text.split()))).rstrip(". ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} […]"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the headers ask to wait: `retry-after-ms`, else `Retry-After` in seconds or as a date (RFC 9110)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds / unit
    date = email.utils.parsedate_tz(headers.get("retry-after"))
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - now)


def _number(text: Json) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None
