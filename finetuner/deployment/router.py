"""Answers requests with the base or the tuned model, as a rollout says; base always answers."""

import os
import threading
import uuid
from collections.abc import Callable

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.deployment.assignment import unit_key
from finetuner.deployment.breaker import Breaker
from finetuner.deployment.observations import Observation, Segment
from finetuner.deployment.rollout import Rollout, read_state
from finetuner.deployment.shadow import ShadowQueue
from finetuner.deployment.state import Arm, RolloutState
from finetuner.errors import UsageError
from finetuner.evaluation.pricing import Pricing
from finetuner.providers.model import Model, Prompt
from finetuner.providers.ports import Completion, CompletionOptions

_POLL_SECONDS = 1.0
_DEFAULTS = CompletionOptions()


@attrs.frozen(kw_only=True)
class Answer:
    """What a user gets.

    Attributes:
        text: The answer's text.
        arm: The model that answered.
        request_id: For `feedback`.
        completion: Everything that the model said.
    """

    text: str
    arm: Arm
    request_id: str
    completion: Completion


@attrs.frozen(kw_only=True)
class _Request:
    id: str
    unit: str | None
    state: RolloutState | None
    assigned: Arm
    analyzed: bool


class Router:
    """Routes requests. Safe in threads, in asyncio, and across forks.

    Rollback takes effect within one poll of the rollout's file (1 s); a file that can't be read means base only.
    """

    def __init__(
        self,
        rollout: Rollout,
        *,
        base: Model | None = None,
        tuned: Model | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Give models only to answer with other ones than those that the rollout names."""
        state = rollout.state
        self._base = (base or Model(state.base)).connected()
        self._tuned = (tuned or Model(state.tuned)).connected()
        self._prices = {
            "base": Pricing.of(self._base),
            "tuned": Pricing.of(self._tuned, self._base.reference.model),
        }
        self._clock = clock
        self._path = rollout.state_path
        self._segment = Segment(rollout.events_folder)
        self._breaker = Breaker(clock=clock)
        self._lock = threading.Lock()
        self._state = read_state(self._path)
        self._read_at = clock.monotonic()
        self._shadows = ShadowQueue()
        self._pid = os.getpid()
        self.lost_events = 0
        """Events that the disk refused; serving goes on without them."""

    @property
    def shadows(self) -> ShadowQueue:
        """The queue of unseen answers, with its counts."""
        if self._pid != os.getpid():
            self._shadows, self._pid = ShadowQueue(), os.getpid()
        return self._shadows

    def complete(
        self, messages: Prompt, *, unit: str | int | None = None, options: CompletionOptions = _DEFAULTS
    ) -> Answer:
        """Answer; the same unit gets the same arm while the share doesn't fall.

        Args:
            messages: Messages, or one user's text.
            unit: User or conversation id; without one base answers, and the request isn't analyzed.
            options: Temperature, limits, schema.

        Raises:
            ProviderError: Base failed. A failing tuned model is replaced by base, and counted against tuned.
        """
        request = self._request(unit)
        started = self._clock.monotonic()
        error: Exception | None = None
        if request.assigned == "tuned" and self._breaker.allows():
            try:
                completion = self._tuned.complete(messages, options)
            except Exception as failure:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                error = failure
            else:
                return self._served(request, "tuned", completion, started)
            self._breaker.record(ok=False)
        failed_after = self._clock.monotonic() - started
        try:
            completion = self._base.complete(messages, options)
        except Exception as failure:
            self._observe(request, "base", self._clock.monotonic() - started, error or failure)
            raise
        return self._fallback_or_base(request, completion, started, (error, failed_after), (messages, options))

    async def complete_async(
        self, messages: Prompt, *, unit: str | int | None = None, options: CompletionOptions = _DEFAULTS
    ) -> Answer:
        """Answer without blocking the event loop. Like `complete`."""
        request = self._request(unit)
        started = self._clock.monotonic()
        error: Exception | None = None
        if request.assigned == "tuned" and self._breaker.allows():
            try:
                completion = await self._tuned.complete_async(messages, options)
            except Exception as failure:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                error = failure
            else:
                return self._served(request, "tuned", completion, started)
            self._breaker.record(ok=False)
        failed_after = self._clock.monotonic() - started
        try:
            completion = await self._base.complete_async(messages, options)
        except Exception as failure:
            self._observe(request, "base", self._clock.monotonic() - started, error or failure)
            raise
        return self._fallback_or_base(request, completion, started, (error, failed_after), (messages, options))

    def feedback(self, request_id: str, *, quality: float) -> None:
        """Tell how good an answer was, even days later.

        Args:
            request_id: Of the answer.
            quality: 0 (useless) to 1.
        """
        if not 0 <= quality <= 1:
            raise UsageError(f"quality is {quality}: give 0 (useless) to 1")
        self._append(Observation(kind="feedback", request_id=request_id, at=self._clock.now(), quality=quality))

    def close(self) -> None:
        """Flush events to the disk."""
        self._segment.close()

    def _request(self, unit: str | int | None) -> _Request:
        key = None if unit is None else unit_key(unit)
        state = self._current()
        arm: Arm = "base"
        analyzed = False
        if key is not None and state is not None:
            arm, analyzed = state.arm(key)
        return _Request(id=uuid.uuid4().hex, unit=key, state=state, assigned=arm, analyzed=analyzed)

    def _current(self) -> RolloutState | None:
        with self._lock:
            now = self._clock.monotonic()
            if now - self._read_at >= _POLL_SECONDS:
                self._state, self._read_at = read_state(self._path), now
            return self._state

    def _served(self, request: _Request, arm: Arm, completion: Completion, started: float) -> Answer:
        if arm == "tuned":
            self._breaker.record(ok=True)
        self._observe(request, arm, self._clock.monotonic() - started, completion)
        return Answer(text=completion.text, arm=arm, request_id=request.id, completion=completion)

    def _fallback_or_base(
        self,
        request: _Request,
        completion: Completion,
        started: float,
        failure: tuple[Exception | None, float],
        asked: tuple[Prompt, CompletionOptions],
    ) -> Answer:
        error, failed_after = failure
        if error is not None:
            self._observe(request, "base", failed_after, error)
        else:
            self._observe(request, "base", self._clock.monotonic() - started, completion)
            if request.assigned == "base" and request.state is not None and request.state.shadowed(request.id):
                self.shadows.submit(self._shadow(request, *asked))
        return Answer(text=completion.text, arm="base", request_id=request.id, completion=completion)

    def _shadow(self, request: _Request, messages: Prompt, options: CompletionOptions) -> Callable[[], None]:
        def answer() -> None:
            started = self._clock.monotonic()
            try:
                outcome = self._tuned.complete(messages, options)
            except Exception as failure:
                self._observe(request, "tuned", self._clock.monotonic() - started, failure, shadow=True)
                raise
            self._observe(request, "tuned", self._clock.monotonic() - started, outcome, shadow=True)

        return answer

    def _observe(
        self, request: _Request, served: Arm, latency: float, outcome: Completion | Exception, *, shadow: bool = False
    ) -> None:
        state = request.state
        failed = isinstance(outcome, Exception)
        usage = None if isinstance(outcome, Exception) else outcome.usage
        # What an open breaker kept from tuned says nothing about tuned.
        withheld = request.assigned != served and not failed and not shadow
        prices = self._prices[served]
        self._append(
            Observation(
                kind="shadow" if shadow else "exposure",
                request_id=request.id,
                at=self._clock.now(),
                unit=request.unit,
                stage=state.stage if state else 0,
                share=state.share if state else 0.0,
                assigned=request.assigned,
                served=served,
                analyzed=request.analyzed and not withheld,
                latency=latency,
                cost_usd=prices.cost(usage) if prices.known and usage is not None else None,
                error=type(outcome).__name__ if failed else None,
            )
        )

    def _append(self, event: Observation) -> None:
        try:
            self._segment.append(event)
        except OSError:  # a full disk must not keep users from their answers: the loss is counted
            with self._lock:
                self.lost_events += 1
