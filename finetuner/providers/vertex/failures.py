"""What a failed call means: from a status and Google's words to one of our errors. Pure, and the only such place."""

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
    UnexpectedAnswerError,
)
from finetuner.providers.refusals import Answer, Meaning, redacted, retry_after

NAME: Final = "vertex"
"""The provider's name in errors."""

VERTEX: Final = "Vertex AI"
STORAGE: Final = "Cloud Storage"

_CLIENT: Final = 400
_SERVER: Final = 500
_LOGIN: Final = "Run: gcloud auth application-default login"


_REFUSED: Final = Meaning(RequestRejectedError, "{service} refuses the request: {said}")
_BROKEN: Final = Meaning(UnexpectedAnswerError, "{service} answered {status}: {said}", retryable=True)
_STRANGE: Final = Meaning(UnexpectedAnswerError, "{service} answered {status}: {said}")
_LATE: Final = Meaning(
    ProviderTimeoutError, "{service} gave up waiting: {said}. The request may have been accepted", retryable=True
)
_MEANINGS: Final[Mapping[int, Meaning]] = {
    401: Meaning(AuthenticationError, f"{{service}} doesn't know the caller: {{said}}. {_LOGIN}"),
    403: Meaning(
        AuthenticationError,
        "{service} forbids this call: {said}. Enable the API in the project, and give the caller the roles Vertex AI "
        "User and Storage Object Admin",
    ),
    404: Meaning(NotFoundError, "{service} doesn't have it: {said}. Look at the project and the location"),
    408: _LATE,
    409: Meaning(RequestRejectedError, "{service} has or changes it already: {said}"),
    412: Meaning(RequestRejectedError, "{service} finds something else there than expected: {said}"),
    429: Meaning(
        RateLimitError,
        "{service}'s quota is used up for now: {said}. Wait, or ask for more on the project's quota page",
        retryable=True,
    ),
    499: Meaning(UnexpectedAnswerError, "{service} cancelled the request: {said}", retryable=True),
    501: _STRANGE,
    504: _LATE,
}


def failure(answer: Answer, *, service: str, now: float, secret: str | None = None) -> ProviderError:
    """The error that an answer means.

    Args:
        answer: See `Answer`.
        service: Which one, for people.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
        secret: An access token, taken out of every text.
    """
    broken = _BROKEN if answer.status >= _SERVER else _REFUSED if answer.status >= _CLIENT else _STRANGE
    meaning = _MEANINGS.get(answer.status, broken)
    words = {"service": service, "status": answer.status, "said": redacted(answer.message, secret) or "no reason given"}
    return meaning.kind(
        meaning.text.format(**words),
        provider=NAME,
        code=answer.code,
        retryable=meaning.retryable,
        retry_after=retry_after(answer.headers, now) if meaning.retryable else None,
        request_id=answer.headers.get("x-request-id"),
    )


def unknown_caller(said: str, secret: str | None = None) -> ProviderError:
    """There are no credentials, or they can't be refreshed."""
    message = f"{VERTEX} needs credentials: {redacted(said, secret)}. {_LOGIN}"
    return AuthenticationError(message, provider=NAME)


def timed_out(service: str) -> ProviderError:
    """No answer in time."""
    message = f"{service} didn't answer in time; the request may have been accepted. Allow more with timeout="
    return ProviderTimeoutError(message, provider=NAME, retryable=True)


def unreachable(service: str, address: str, said: str, secret: str | None = None) -> ProviderError:
    """No connection, or one that broke."""
    variable = "STORAGE_EMULATOR_HOST" if service == STORAGE else "FINETUNER_VERTEX_ENDPOINT"
    reason = redacted(said, secret)
    message = f"{service} can't be reached at {redacted(address)}: {reason}. Look at the network and at {variable}"
    return ProviderConnectionError(message, provider=NAME, retryable=True)


def unexpected(service: str, found: str, *, retryable: bool = False) -> ProviderError:
    """An answer that isn't what the API promises."""
    message = f"{service}'s answer isn't as its API promises: {redacted(found)}"
    return UnexpectedAnswerError(message, provider=NAME, retryable=retryable)


def rejected(message: str, *, code: str = "invalid_request") -> RequestRejectedError:
    """A request that isn't even sent."""
    return RequestRejectedError(message, provider=NAME, code=code)
