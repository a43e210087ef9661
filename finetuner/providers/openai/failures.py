"""What a failed call means: from a status and the body's words to one of our errors. Pure, and the only such place."""

import email.utils
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.errors import (
    AuthenticationError,
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    TrainingNotAvailableError,
    UnexpectedAnswerError,
)
from finetuner.providers.openai.flavours import Flavour

NAME: Final = "openai"
"""The provider's name in errors."""

TRAINING_NOT_AVAILABLE: Final = "training_not_available"

_KEYS: Final = re.compile(r"\b(sk|sess|ek|rk)-[A-Za-z0-9_*-]{6,}|(?i:bearer)\s+[^\s\"',;]+")
_LONGEST: Final = 600
_SHORTEST_SECRET: Final = 6
_CLIENT: Final = 400
_SERVER: Final = 500


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Answer:
    """What came back instead of a result.

    Attributes:
        status: HTTP status; 200 for an error inside a stream.
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
class _Meaning:
    """What a status stands for; `text` may use the words of `failure`."""

    kind: type[ProviderError]
    text: str
    retryable: bool = False


_LOCKED_OUT: Final = _Meaning(
    TrainingNotAvailableError,
    "{title} takes no new fine-tuning jobs from this organization: {said}. {alternatives}",
)
_REFUSED: Final = _Meaning(RequestRejectedError, "{title} refuses the request: {said}{about}")
_EXHAUSTED: Final = _Meaning(RateLimitError, "{title}'s quota is used up: {said}. Look at the plan and its limits")
_BROKEN: Final = _Meaning(UnexpectedAnswerError, "{title} answered {status}: {said}", retryable=True)
_STRANGE: Final = _Meaning(UnexpectedAnswerError, "{title} answered {status}: {said}")
_MEANINGS: Final[Mapping[int, _Meaning]] = {
    401: _Meaning(AuthenticationError, "{title} doesn't accept the key: {said}. Set {key_variable}, or pass api_key"),
    403: _Meaning(AuthenticationError, "{title} forbids this call: {said}. Look at the key's project and permissions"),
    404: _Meaning(NotFoundError, "{title} doesn't have it: {said}{about}"),
    408: _Meaning(ProviderTimeoutError, "{title} gave up waiting: {said}. Try again", retryable=True),
    409: _Meaning(RequestRejectedError, "{title} is changing it already: {said}. Try again", retryable=True),
    429: _Meaning(RateLimitError, "{title} is asked too often: {said}", retryable=True),
}
_NO_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "exceeded_quota"})


def failure(answer: Answer, *, flavour: Flavour, secret: str | None, alternatives: str, now: float) -> ProviderError:
    """The error that an answer means.

    Args:
        answer: See `Answer`.
        flavour: Which service.
        secret: The key, taken out of every text.
        alternatives: What else there is where training isn't possible.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
    """
    meaning = _meaning(answer)
    words = {
        "title": flavour.title,
        "key_variable": flavour.key_variable,
        "status": answer.status,
        "said": redacted(answer.message, secret),
        "about": f" (parameter {answer.param})" if answer.param else "",
        "alternatives": alternatives,
    }
    return meaning.kind(
        meaning.text.format(**words),
        provider=flavour.name,
        code=answer.code,
        retryable=meaning.retryable,
        retry_after=retry_after(answer.headers, now) if meaning.retryable else None,
        request_id=answer.headers.get("x-request-id"),
    )


def _meaning(answer: Answer) -> _Meaning:
    if answer.code == TRAINING_NOT_AVAILABLE:
        return _LOCKED_OUT
    if answer.code in _NO_MONEY:
        return _EXHAUSTED
    if answer.status >= _SERVER:
        return _BROKEN
    return _MEANINGS.get(answer.status, _REFUSED if answer.status >= _CLIENT else _STRANGE)


def timed_out(flavour: Flavour) -> ProviderError:
    """No answer in time."""
    message = f"{flavour.title} didn't answer in time; the request may have been accepted. Allow more with timeout="
    return ProviderTimeoutError(message, provider=flavour.name, retryable=True)


def unreachable(flavour: Flavour, address: str, reason: str) -> ProviderError:
    """No connection, or one that broke."""
    variable = flavour.address_variable
    message = f"{flavour.title} can't be reached at {address}: {reason}. Look at the network and at {variable}"
    return ProviderConnectionError(message, provider=flavour.name, retryable=True)


def unexpected(title: str, found: str, *, retryable: bool = False) -> ProviderError:
    """An answer that isn't what the API promises."""
    return UnexpectedAnswerError(
        f"{title}'s answer isn't as its API promises: {found}", provider=NAME, retryable=retryable
    )


def rejected(message: str, *, code: str = "invalid_request") -> RequestRejectedError:
    """A request that isn't even sent, or a file that the service couldn't use."""
    return RequestRejectedError(message, provider=NAME, code=code)


def redacted(text: str, secret: str | None) -> str:
    """A service's words on one line, cut to 600 characters, without keys: it may quote the one that it was sent."""
    if secret and len(secret) >= _SHORTEST_SECRET:  # a word such as "any", for an emulator, is none
        text = text.replace(secret, "[key]")
    text = _KEYS.sub("[key]", " ".join(text.split())).rstrip(". ")
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
