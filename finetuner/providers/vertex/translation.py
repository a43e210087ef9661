"""From the exceptions of Google's packages, and of the HTTP libraries under them, to our errors.

Each SDK brings its own family: `google.api_core` for answers, `google.auth` for credentials, `requests` for connections
of the generated clients and of Cloud Storage, `google.genai` with httpx for models' answers.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs

from finetuner._core.clock import Clock
from finetuner._core.types import Json
from finetuner.errors import FinetunerError, ProviderError
from finetuner.providers.lenient import as_object, as_text
from finetuner.providers.refusals import Answer, redacted
from finetuner.providers.vertex import failures
from finetuner.providers.vertex.failures import STORAGE
from finetuner.providers.vertex.settings import EMULATED_STORAGE, Settings

_TRANSPORTS: Final = frozenset({"httpx", "httpx2", "httpcore", "httpcore2"})
_DEEPEST: Final = 8


@attrs.frozen
class Translation:
    """Turns exceptions into our errors.

    Attributes:
        settings: For the address in a message.
        clock: For `Retry-After` dates.
        secret: An access token, taken out of every text.
    """

    settings: Settings
    clock: Clock = attrs.field(repr=False)
    secret: str | None = attrs.field(default=None, repr=False)

    @contextmanager
    def of(self, service: str) -> Generator[None]:
        """Whatever a service's SDK raises inside is raised as one of our errors."""
        try:
            yield
        except FinetunerError:
            raise
        except Exception as error:
            translated = self._google(error, service) or self._transport(error, service)
            if translated is None:
                raise
            raise translated from None  # the SDK's own text may quote a token, and a traceback would show it

    def failure(self, service: str, answer: Answer) -> ProviderError:
        """The error that an answer means."""
        return failures.failure(answer, service=service, now=self.clock.now(), secret=self.secret)

    def _google(self, error: Exception, service: str) -> ProviderError | None:
        from google.api_core import exceptions as api
        from google.auth import exceptions as auth
        from google.protobuf import json_format

        found: ProviderError | None = None
        match error:
            case api.RetryError(cause=Exception() as cause):
                found = self._google(cause, service) or self._transport(cause, service)
            case api.RetryError():
                found = failures.timed_out(service)
            case api.GoogleAPICallError():
                found = self.failure(service, _answer_of_api(error))
            case auth.TransportError():
                found = failures.unreachable(service, "Google's sign-in", str(error), self.secret)
            case auth.GoogleAuthError():
                found = failures.unknown_caller(str(error), self.secret)
            case json_format.ParseError():
                found = failures.unexpected(service, str(error))
            case _ if type(error).__module__ == "google.genai.errors":
                found = self.failure(service, _answer_of_genai(error))
            case _:
                pass
        return found

    def _transport(self, error: Exception, service: str) -> ProviderError | None:
        import requests

        parents = {(parent.__module__.partition(".")[0], parent.__name__) for parent in type(error).__mro__}
        found: ProviderError | None = None
        match error:
            case requests.exceptions.Timeout():
                found = failures.timed_out(service)
            case requests.exceptions.RequestException() if not isinstance(error, ValueError):
                found = failures.unreachable(service, self._address(service), _reason(error), self.secret)
            case _ if any(package in _TRANSPORTS for package, _ in parents):
                if any(name == "TimeoutException" for _, name in parents):
                    found = failures.timed_out(service)
                else:
                    found = failures.unreachable(service, self._address(service), _reason(error), self.secret)
            case _ if ("pydantic_core", "ValidationError") in parents:
                found = failures.rejected(f"{service} takes no such request: {redacted(str(error))}")
            case ValueError() if "JSON" in f"{type(error).__name__} {error}".upper():
                found = failures.unexpected(service, f"{type(error).__name__}: {error}")
            case _:
                pass
        return found

    def _address(self, service: str) -> str:
        if service == STORAGE:
            return os.environ.get(EMULATED_STORAGE) or "https://storage.googleapis.com"
        return self.settings.host(self.settings.location)


def body_of(answer: Any) -> Json:
    """The JSON of an HTTP answer, None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def headers_of(answer: Any) -> Mapping[str, str]:
    """The headers of an HTTP answer, names in lower case."""
    headers: Mapping[str, str] = getattr(answer, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _answer_of_api(error: Any) -> Answer:
    body = as_object(None if error.response is None else body_of(error.response))
    told = as_object(body.get("error"))
    return Answer(
        status=int(error.code or 0),
        message=as_text(told.get("message")) or str(error.message),
        code=as_text(error.reason) or as_text(told.get("status")),
        headers=headers_of(error.response),
    )


def _answer_of_genai(error: Any) -> Answer:
    return Answer(
        status=int(error.code or 0),
        message=str(error.message or error),
        code=as_text(error.status),
        headers=headers_of(error.response),
    )


def _reason(error: Exception) -> str:
    """The innermost words: connections are wrapped several times."""
    inner: BaseException = error
    for _ in range(_DEEPEST):
        nested = next((each for each in inner.args if isinstance(each, BaseException)), None)
        deeper = getattr(inner, "reason", None) or nested or inner.__cause__
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    return str(inner).rpartition(": ")[2] or type(inner).__name__
