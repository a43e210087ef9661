"""Failures on order: what a real service does on a bad day, on the next matching requests."""

import re
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Fault:
    """What goes wrong with a request.

    Attributes:
        method: HTTP method of the requests meant.
        path: Regular expression for the whole path below `/v1`, such as `/fine_tuning/jobs`.
        status: HTTP status of the refusal; None answers as usual, after `delay`.
        code: The error's code.
        message: The error's text.
        type: The error's type.
        param: The parameter that the error names.
        headers: More headers, such as `Retry-After`.
        delay: Seconds to wait before the answer, after the request's work is done.
        accepted: Whether the request's work is done all the same: a job is there although the caller sees a failure.
        drop: Whether the connection is closed without an answer.
    """

    method: str = "POST"
    path: str = "/.*"
    status: int | None = None
    code: str | None = None
    message: str = "a fault that was ordered"
    type: str = "invalid_request_error"
    param: str | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    delay: float = 0.0
    accepted: bool = False
    drop: bool = False

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant."""
        return method == self.method and re.fullmatch(self.path, path) is not None

    @property
    def handles(self) -> bool:
        """Whether the request's work is done."""
        return self.accepted or (self.status is None and not self.drop)


_CREATE: Final = "/fine_tuning/jobs"

TRAINING_NOT_AVAILABLE: Final = Fault(
    path=_CREATE,
    status=403,
    code="training_not_available",
    message="Fine-tuning is no longer available to this organization",
)
MODEL_NOT_AVAILABLE: Final = Fault(
    path=_CREATE,
    status=400,
    code="model_not_available",
    message="This model can't be fine-tuned",
    param="model",
)
LOST_CREATE: Final = Fault(path=_CREATE, accepted=True, drop=True)
"""The job is there, but its creator never hears of it."""


def rate_limit(retry_after: float, *, method: str = "POST", path: str = "/.*") -> Fault:
    """Too many requests; try again in so many seconds."""
    return Fault(
        method=method,
        path=path,
        status=429,
        code="rate_limit_exceeded",
        type="requests",
        message="Rate limit reached",
        headers={"Retry-After": f"{retry_after:g}"},
    )


def server_error(*, method: str = "POST", path: str = "/.*") -> Fault:
    """The service breaks."""
    return Fault(method=method, path=path, status=500, type="server_error", message="The server had an error")


def _no_faults() -> list[Fault]:
    return []


@attrs.define(eq=False)
class Faults:
    """A queue of faults. Each serves as often as ordered, in order. Safe in several threads."""

    _queue: list[Fault] = attrs.field(factory=_no_faults, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def add(self, fault: Fault, *, times: int = 1) -> None:
        """Order a fault for the next matching requests."""
        with self._lock:
            self._queue.extend([fault] * times)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of a request, which is used up by it; None where all goes well."""
        with self._lock:
            for position, fault in enumerate(self._queue):
                if fault.matches(method, path):
                    return self._queue.pop(position)
        return None

    def clear(self) -> None:
        """Forget what was ordered."""
        with self._lock:
            self._queue.clear()
