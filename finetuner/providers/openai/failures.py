"""What a failed call means: from a status and the body's words to one of our errors. Pure, and the only such place."""

from collections.abc import Mapping
from typing import Final

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
from finetuner.providers.refusals import Answer, Meaning, redacted, retry_after

NAME: Final = "openai"
"""The provider's name in errors."""

TRAINING_NOT_AVAILABLE: Final = "training_not_available"

_CLIENT: Final = 400
_SERVER: Final = 500

_LOCKED_OUT: Final = Meaning(
    TrainingNotAvailableError,
    "{title} takes no new fine-tuning jobs from this organization: {said}. {alternatives}",
)
_REFUSED: Final = Meaning(RequestRejectedError, "{title} refuses the request: {said}{about}")
_EXHAUSTED: Final = Meaning(RateLimitError, "{title}'s quota is used up: {said}. Look at the plan and its limits")
_BROKEN: Final = Meaning(UnexpectedAnswerError, "{title} answered {status}: {said}", retryable=True)
_STRANGE: Final = Meaning(UnexpectedAnswerError, "{title} answered {status}: {said}")
_MEANINGS: Final[Mapping[int, Meaning]] = {
    401: Meaning(AuthenticationError, "{title} doesn't accept the key: {said}. Set {key_variable}, or pass api_key"),
    403: Meaning(AuthenticationError, "{title} forbids this call: {said}. Look at the key's project and permissions"),
    404: Meaning(NotFoundError, "{title} doesn't have it: {said}{about}"),
    408: Meaning(ProviderTimeoutError, "{title} gave up waiting: {said}. Try again", retryable=True),
    409: Meaning(RequestRejectedError, "{title} is changing it already: {said}. Try again", retryable=True),
    429: Meaning(RateLimitError, "{title} is asked too often: {said}", retryable=True),
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


def _meaning(answer: Answer) -> Meaning:
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
