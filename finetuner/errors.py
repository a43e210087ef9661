"""The error tree. Every class is also the standard error that it refines.

```text
FinetunerError
├── UsageError (ValueError)                  an argument that can't be right
├── MissingExtraError (ImportError)          an optional dependency isn't installed
├── DataError (ValueError)                   files and examples
│   ├── DataFormatError                      a line or file that can't be read: file, line, field
│   ├── InvalidDataError                     check() found errors: .report holds them all
│   ├── LeakError                            rows that were trained on are about to be scored
│   └── RubricError                          a rubric file that isn't well formed
├── UnknownNameError (LookupError)           provider, model, benchmark, job that nobody knows
├── ProviderError (RuntimeError)             what a provider answered: retryable, retry_after, request_id, code
│   ├── AuthenticationError (PermissionError)
│   ├── TrainingNotAvailableError (PermissionError)
│   ├── NotFoundError (LookupError)
│   ├── RequestRejectedError (ValueError)
│   ├── RateLimitError
│   ├── ProviderConnectionError (ConnectionError)
│   ├── ProviderTimeoutError (TimeoutError)
│   └── UnexpectedAnswerError                an answer that isn't what the API promises
├── JobError (RuntimeError)                  a training job: .job_id
│   ├── JobFailedError                       .code and .reason as the provider gave them
│   ├── JobCancelledError
│   ├── JobNotReadyError                     asked for what only a finished job has
│   └── JobTimeoutError (TimeoutError)       waiting ended; the job itself goes on
├── BudgetExceededError (RuntimeError)       stopped before spending more than allowed
├── JournalError (OSError)                   the journal can't be read or written
└── RolloutError (RuntimeError)              a transition that the rollout's state does not allow
```
"""

from collections.abc import Mapping
from typing import Any


def _rebuild(cls: type["FinetunerError"], args: tuple[Any, ...], state: Mapping[str, Any]) -> "FinetunerError":
    builtin: type = cls  # the standard class whose memory layout this one has: only its __new__ is allowed
    while builtin.__module__ != "builtins":
        builtin = builtin.__base__ or object
    error: FinetunerError = builtin.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class FinetunerError(Exception):
    """The root: `except FinetunerError` catches whatever this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep keyword fields when an error crosses a process."""
        return _rebuild, (type(self), self.args, self.__dict__)


class UsageError(FinetunerError, ValueError):
    """An argument that can't be right, whatever the data."""


class MissingExtraError(FinetunerError, ImportError):
    """An optional dependency isn't installed.

    Args:
        feature: What was asked for, in words.
        extra: The name of the extra that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs the extra "{extra}": pip install "finetuner-sdk[{extra}]"')
        self.feature = feature
        self.extra = extra


class DataError(FinetunerError, ValueError):
    """Something about files and examples."""


class DataFormatError(DataError):
    """A line or file that can't be read.

    Args:
        message: What is wrong and what to do.
        file: Path of the file, where one is known.
        line: 1-based line number.
        field: Path inside the line, such as `messages[0].content`.
    """

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        place = ": ".join(
            part for part in (file, f"line {line}" if line is not None else None, field) if part is not None
        )
        super().__init__(f"{place}: {message}" if place else message)
        self.problem = message
        self.file = file
        self.line = line
        self.field = field


class InvalidDataError(DataError):
    """`validate()` found errors. `report` is the `ValidationReport` with every problem."""

    def __init__(self, message: str, *, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class LeakError(DataError):
    """Rows that a model was trained on are about to be scored as a test."""


class RubricError(DataError):
    """A rubric file that isn't well formed; the message names the line."""


class UnknownNameError(FinetunerError, LookupError):
    """A provider, model, benchmark or job that nobody knows. The message lists the known ones."""


class ProviderError(FinetunerError, RuntimeError):
    """What a provider answered, translated once at its border.

    Args:
        message: What happened and what to do next. Never holds a key.
        provider: The provider's name.
        code: The provider's own error code, such as `rate_limit_exceeded`.
        retryable: Whether sending the same request again may work.
        retry_after: Seconds that the provider asks to wait.
        request_id: The provider's id of the failed request, for its support.
    """

    def __init__(  # the fields that every provider's error carries
        self,
        message: str,
        *,
        provider: str | None = None,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        self.request_id = request_id


class AuthenticationError(ProviderError, PermissionError):
    """The provider doesn't know the caller, or forbids the call."""


class TrainingNotAvailableError(ProviderError, PermissionError):
    """The provider takes no new fine-tuning jobs from this account. The message names other ways."""


class NotFoundError(ProviderError, LookupError):
    """The provider has no such file, job or model."""


class RequestRejectedError(ProviderError, ValueError):
    """The provider refuses the request as it is; sending it again won't help."""


class RateLimitError(ProviderError):
    """Too many requests or tokens; retryable."""


class ProviderConnectionError(ProviderError, ConnectionError):
    """The provider can't be reached. The request may or may not have arrived."""


class ProviderTimeoutError(ProviderError, TimeoutError):
    """The provider didn't answer in time. The request may have been accepted."""


class UnexpectedAnswerError(ProviderError):
    """The provider's answer isn't what its API promises, such as HTML instead of JSON, or a 5xx."""


class JobError(FinetunerError, RuntimeError):
    """Something about one training job.

    Args:
        message: What happened and what to do next.
        job_id: The provider's id of the job.
    """

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailedError(JobError):
    """The job ended without a model.

    Args:
        message: What happened and what to do next.
        job_id: The provider's id of the job.
        code: The provider's code, such as `invalid_n_examples`.
        reason: The provider's own words.
    """

    def __init__(self, message: str, *, job_id: str, code: str | None = None, reason: str | None = None) -> None:
        super().__init__(message, job_id=job_id)
        self.code = code
        self.reason = reason


class JobCancelledError(JobError):
    """The job was cancelled."""


class JobNotReadyError(JobError):
    """Asked for something that only a finished job has."""


class JobTimeoutError(JobError, TimeoutError):
    """Waiting ended before the job did. The job itself goes on; wait again to re-attach."""


class BudgetExceededError(FinetunerError, RuntimeError):
    """Stopped before spending more than allowed.

    Args:
        message: What would have been spent, and on what.
        limit_usd: The ceiling, in USD.
        estimated_usd: What it would have cost, in USD.
    """

    def __init__(self, message: str, *, limit_usd: float, estimated_usd: float) -> None:
        super().__init__(message)
        self.limit_usd = limit_usd
        self.estimated_usd = estimated_usd


class JournalError(FinetunerError, OSError):
    """The journal can't be read or written."""


class RolloutError(FinetunerError, RuntimeError):
    """A transition that the rollout's state doesn't allow."""
