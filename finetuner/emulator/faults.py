"""Failures on order: what a real service does on a bad day, on the next matching requests."""

import math
import re
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.errors import UnknownNameError

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NOTHING: Mapping[str, Json] = MappingProxyType({})
_VERSION: Final = re.compile(r"^/v1(?=/)")


@attrs.frozen(kw_only=True)
class Fault:
    """What goes wrong with a request.

    Attributes:
        method: HTTP method of the requests meant.
        path: Regular expression for the whole path, without `/v1` where it begins so: `/fine_tuning/jobs`.
        status: HTTP status of the refusal; None answers as usual, after `delay`.
        code: The error's code.
        message: The error's text.
        type: The error's type.
        param: The parameter that the error names.
        headers: More headers, such as `Retry-After`.
        delay: Seconds to wait before the answer, after the request's work is done; infinite hangs until the caller
            hangs up.
        accepted: Whether the request's work is done all the same: a job is there although the caller sees a failure.
        drop: Whether the connection is closed without an answer.
        body: With `status`: the whole answer, instead of an error in the service's words.
        content_type: Of that answer.
        merge: Fields laid over the JSON of the usual answer, or over each item of a list.
        cut: Bytes of the usual answer after which the connection breaks.
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
    body: str | None = None
    content_type: str = "text/html"
    merge: Mapping[str, Json] = _NOTHING
    cut: int | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant."""
        return method == self.method and re.fullmatch(self.path, _VERSION.sub("", path)) is not None

    @property
    def handles(self) -> bool:
        """Whether the request's work is done."""
        return self.accepted or (self.status is None and not self.drop)


_CREATE: Final = "/fine_tuning/jobs"
_TUNING: Final = "(/v1beta1)?/projects/[^/]+/locations/[^/]+/tuningJobs"
_ANY_CREATE: Final = f"{_CREATE}|{_TUNING}"

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
LOST_CREATE: Final = Fault(path=_ANY_CREATE, accepted=True, drop=True)
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


_JOB: Final = f"{_CREATE}/[^/]+"
FILE_ERROR: Final = Fault(
    method="GET",
    path="/files/[^/]+",
    merge={"status": "error", "status_details": "The file could not be parsed: line 3 isn't a JSON object"},
)
"""A file that the service finds unusable after it arrived."""

UNSAFE_FILE: Final = Fault(
    method="GET",
    path=_JOB,
    merge={
        "status": "failed",
        "fine_tuned_model": None,
        "error": {
            "code": "unsafe_file",
            "param": "training_file",
            "message": "The training file was blocked: it holds examples that violate the usage policies",
        },
    },
)
"""A job that fails in moderation."""

PAUSED: Final = Fault(method="GET", path=_JOB, merge={"status": "paused"})
UNKNOWN_STATUS: Final = Fault(method="GET", path=_JOB, merge={"status": "awaiting_moderation"})
EXPIRED_UPLOAD: Final = Fault(
    path="/uploads/[^/]+/(parts|complete)",
    status=400,
    code="upload_expired",
    message="The upload is expired; start a new one",
)
GARBAGE: Final = Fault(method="GET", path=f"({_ANY_CREATE})/[^/]+", status=200, body="<html>We'll be back soon</html>")
WAITING_FOR_QUOTA: Final = Fault(
    method="GET",
    path=f"{_TUNING}/[^/]+",
    merge={"state": "JOB_STATE_PENDING", "tuningJobState": "TUNING_JOB_STATE_WAITING_FOR_QUOTA"},
)
"""A job at Vertex AI that waits for others of its project; two requests tell it, in v1 and in v1beta1."""

SLOW_CREATE: Final = Fault(path=_ANY_CREATE, delay=30.0)
"""The job is there long before its creator hears of it."""

HANGING: Final = Fault(path="/.*", delay=math.inf, drop=True)
"""The connection is taken and never answered."""


def preset(text: str) -> Fault:
    """A fault by its name: `lost-create`, or with a number `rate-limit:7`.

    Raises:
        UnknownNameError: With the names that are known.
    """
    name, _, number = text.partition(":")
    if name not in PRESETS:
        raise UnknownNameError(f"no fault {name!r}; known: {', '.join(sorted(PRESETS))}")
    found = PRESETS[name]
    return attrs.evolve(found, headers={"Retry-After": number}) if number and "Retry-After" in found.headers else found


PRESETS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "training-not-available": TRAINING_NOT_AVAILABLE,
        "model-not-available": MODEL_NOT_AVAILABLE,
        "lost-create": LOST_CREATE,
        "rate-limit": rate_limit(1),
        "server-error": server_error(),
        "hanging": HANGING,
        "slow-create": SLOW_CREATE,
        "file-error": FILE_ERROR,
        "unsafe-file": UNSAFE_FILE,
        "paused": PAUSED,
        "unknown-status": UNKNOWN_STATUS,
        "expired-upload": EXPIRED_UPLOAD,
        "garbage": GARBAGE,
        "waiting-for-quota": WAITING_FOR_QUOTA,
    }
)
"""Faults with a name, for the command line and for orders over HTTP."""


@attrs.define
class _Ordered:
    fault: Fault
    left: int | None


def _no_faults() -> list[_Ordered]:
    return []


@attrs.define(eq=False)
class Faults:
    """A queue of faults. Each serves as often as ordered, in order. Safe in several threads."""

    _queue: list[_Ordered] = attrs.field(factory=_no_faults, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def add(self, fault: Fault, *, times: int | None = 1) -> None:
        """Order a fault for the next matching requests; for all of them, until `clear`, where `times` is None."""
        with self._lock:
            self._queue.append(_Ordered(fault, times))

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of a request, which is used up by it; None where all goes well."""
        with self._lock:
            found = next((ordered for ordered in self._queue if ordered.fault.matches(method, path)), None)
            if found is None:
                return None
            if found.left is not None:
                found.left -= 1
                if found.left < 1:
                    self._queue.remove(found)
            return found.fault

    def ordered(self) -> tuple[tuple[Fault, int | None], ...]:
        """What is still to come, and how often."""
        with self._lock:
            return tuple((ordered.fault, ordered.left) for ordered in self._queue)

    def clear(self) -> None:
        """Forget what was ordered."""
        with self._lock:
            self._queue.clear()
