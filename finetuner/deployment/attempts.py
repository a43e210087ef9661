"""One request on its way through a router: what was decided, tried, and seen. No I/O."""

import itertools
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Literal, cast

import attrs

from finetuner._core import codec
from finetuner._core.clock import Clock
from finetuner.deployment.deadlines import LateError
from finetuner.deployment.observations import Kind, Observation
from finetuner.deployment.snapshot import Assignment
from finetuner.deployment.state import Arm, RolloutState
from finetuner.evaluation.pricing import Pricing
from finetuner.providers.ports import Completion, CompletionOptions

_LEAST_SECONDS = 0.001


@attrs.frozen(kw_only=True)
class RouterOptions:
    """How a router treats requests.

    Attributes:
        deadline: Seconds for a request in all, where the caller's `timeout` names none.
        tuned_part: Of it, what the tuned model may use (0 to 1) before base is asked; the rest is base's.
        slow: Seconds from which an answer of the tuned model counts as slow for the breaker.
        texts: Whose prompts and answers are kept in the events: of `none`, of shadowed requests (`pairs`), or of `all`.
        valid: Whether an answer is what it must be; what it gives is recorded.
        text: What is kept of a prompt, such as with personal data taken out; by default a text as it is, anything else
            as JSON.
    """

    deadline: float = 120.0
    tuned_part: float = 0.5
    slow: float = 30.0
    texts: Literal["none", "pairs", "all"] = "none"
    valid: Callable[[Completion], bool] | None = None
    text: Callable[[Any], str] | None = None


class RequestIds:
    """Random ids, 32 hexadecimal digits each: a secret of this process with a counter, hashed.

    Reading the operating system's randomness for each would let other threads in between. A forked child needs its own.
    """

    __slots__ = ("_key", "_numbers")

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._numbers = itertools.count()

    def next(self) -> str:
        """Another id."""
        return blake2b(next(self._numbers).to_bytes(8), digest_size=16, key=self._key).hexdigest()


class Attempt:
    """A request from its assignment to its answer. Belongs to one thread or task."""

    __slots__ = (
        "assignment",
        "clock",
        "failed_after",
        "failure",
        "first_token",
        "id",
        "options",
        "prompt",
        "rules",
        "shadowed",
        "started",
        "state",
        "ticket",
        "unit",
        "withheld",
    )

    def __init__(
        self,
        assignment: Assignment,
        *,
        prompt: Any,
        options: CompletionOptions,
        unit: str | None,
        state: RolloutState | None,
        rules: RouterOptions,
        clock: Clock,
        request_id: str,
    ) -> None:
        self.id = request_id
        self.assignment = assignment
        self.prompt = prompt
        self.options = options
        self.unit = unit
        self.state = state
        self.rules = rules
        self.clock = clock
        self.started = clock.monotonic()
        self.shadowed = False
        self.ticket: int | None = None
        self.withheld: str | None = None
        self.failure: str | None = None
        self.failed_after = 0.0
        self.first_token: float | None = None

    @property
    def tuned_seconds(self) -> float:
        """What the tuned model may use."""
        return self._seconds * self.rules.tuned_part

    @property
    def tuned_options(self) -> CompletionOptions:
        """What the tuned model is asked with."""
        return _limited(self.options, self.tuned_seconds)

    @property
    def base_options(self) -> CompletionOptions:
        """What base is asked with: as the caller said, or the time that is left after the tuned model failed."""
        if self.failure is None:
            return self.options
        left = self._seconds - (self.clock.monotonic() - self.started)
        return attrs.evolve(self.options, timeout=max(left, _LEAST_SECONDS))

    @property
    def _seconds(self) -> float:
        return self.options.timeout or self.rules.deadline

    def saw_first_token(self) -> None:
        """Take the time of a stream's first piece with content."""
        self.first_token = self.clock.monotonic() - self.started

    def tuned_failed(self, error: BaseException) -> None:
        """Base answers instead; the request counts against tuned."""
        self.failure = name_of(error)
        self.failed_after = self.clock.monotonic() - self.started

    def observed(
        self,
        served: Arm,
        completion: Completion | None,
        pricing: Pricing | None,
        *,
        error: str | None = None,
        kind: Kind = "exposure",
        latency: float | None = None,
        lost: str | None = None,
    ) -> Observation:
        """The event that tells what came of it.

        Args:
            served: Who answered.
            completion: The answer, where there is one.
            pricing: Of who answered.
            error: The class of what the answering arm raised.
            kind: Of the event.
            latency: Seconds, where they aren't those since the request began.
            lost: Why a shadow has no answer.
        """
        waited = self.clock.monotonic() - self.started
        state = self.state
        failure = self.failure or error
        usage = None if completion is None else completion.usage
        known = usage is not None and usage.prompt_tokens + usage.completion_tokens > 0
        texts = self.rules.texts == "all" or (self.rules.texts == "pairs" and self.shadowed)
        if latency is None:
            latency = waited if self.failure is None else self.failed_after
        return Observation(
            kind=kind,
            request_id=self.id,
            at=self.clock.now(),
            unit=self.unit,
            stage=state.stage if state else 0,
            epoch=state.epoch if state else 0,
            share=state.tuned_share if state else 0.0,
            assigned=self.assignment.arm,
            served=served,
            reason=self.withheld or self.assignment.reason,
            analyzed=self.assignment.by_chance and self.withheld is None,
            latency=latency,
            waited=waited,
            first_token=self.first_token if kind == "exposure" else None,
            prompt_tokens=usage.prompt_tokens if usage is not None and known else None,
            completion_tokens=usage.completion_tokens if usage is not None and known else None,
            cached_tokens=usage.cached_tokens if usage is not None and known else None,
            cost_usd=pricing.cost(usage) if usage is not None and pricing is not None and pricing.known else None,
            finish_reason=None if completion is None else completion.finish_reason,
            error=failure,
            lost=lost,
            valid=None if completion is None else self._valid(completion),
            prompt=(self.rules.text or text_of)(self.prompt) if texts else None,
            answer=completion.text if texts and completion is not None else None,
        )

    def _valid(self, completion: Completion) -> bool | None:
        if self.rules.valid is None:
            return None
        try:
            return bool(self.rules.valid(completion))
        except Exception:  # noqa: BLE001  # a check that fails on an answer finds it invalid; the user gets it
            return False


def _limited(options: CompletionOptions, seconds: float) -> CompletionOptions:
    """Options with another timeout; the last ones are kept, because most requests have the same."""
    global _last  # noqa: PLW0603  # one tuple, replaced as a whole: threads may only miss it
    given, limit, limited = _last
    if given is not options or limit != seconds:
        limited = attrs.evolve(options, timeout=seconds)
        _last = (options, seconds, limited)
    return limited


_last = (CompletionOptions(), 0.0, CompletionOptions(timeout=0.0))


def name_of(error: BaseException) -> str:
    """What an event calls an error: its class, and `Timeout` for a call that was late."""
    return "Timeout" if isinstance(error, LateError) else type(error).__name__


def text_of(prompt: Any) -> str:
    """A prompt as an event keeps it: a text as it is, anything else as JSON, as far as it can be."""
    if isinstance(prompt, str):
        return prompt
    try:
        return codec.to_json(prompt)
    except (TypeError, ValueError):
        return repr(prompt)


def size_of(prompt: Any) -> int:
    """About how many bytes a prompt holds in memory."""
    if isinstance(prompt, str):
        return len(prompt)
    if isinstance(prompt, Mapping):
        return len(repr(cast("object", prompt)))
    try:
        return sum(len(getattr(message, "text", None) or str(message)) for message in prompt)
    except TypeError:
        return len(str(prompt))
