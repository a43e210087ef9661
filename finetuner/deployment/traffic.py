"""What happens around every answer of a router: who is asked, what is recorded, what is shadowed."""

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from finetuner._core.clock import Clock
from finetuner.deployment import observations
from finetuner.deployment.answers import Answer, Answerer, described
from finetuner.deployment.assignment import unit_key
from finetuner.deployment.attempts import Attempt, RequestIds, RouterOptions, name_of, size_of
from finetuner.deployment.breaker import Breaker, BreakerState
from finetuner.deployment.deadlines import Deadlines, SaturatedError
from finetuner.deployment.observations import Observation
from finetuner.deployment.poller import StatePoller
from finetuner.deployment.recorder import Recorder
from finetuner.deployment.shadow import Loss, Shadow, ShadowOutcome, ShadowQueue
from finetuner.deployment.snapshot import STALE, ArmSource
from finetuner.deployment.state import Arm
from finetuner.deployment.streaming import Opened, Tally
from finetuner.providers.ports import Completion, CompletionOptions

S = TypeVar("S")

_UNCOUNTED = -1
_LEAST_SECONDS = 0.5


@attrs.frozen(kw_only=True)
class RouterHealth:
    """How a router fares, in this process.

    Attributes:
        epoch: Of the rollout's state that requests follow; None while there is none: everybody gets base.
        share: Of units that get tuned.
        breaker: `closed` is healthy.
        shadows: Counts: `sampled`, `done`, `failed`, and lost by reason.
        shadow_usd: What shadows cost, as far as prices are known.
        lost_events: Events that are in no file, by reason.
        waiting_events: Events that wait for the disk.
        late_calls: Calls of the tuned model that were given up and still run.
    """

    epoch: int | None
    share: float
    breaker: BreakerState
    shadows: Mapping[str, int]
    shadow_usd: float
    lost_events: Mapping[str, int]
    waiting_events: int
    late_calls: int


@attrs.define(kw_only=True, eq=False)
class Traffic:
    """The parts of a router that requests share. Thread-safe; a forked child begins anew by itself."""

    base: Answerer
    tuned: Answerer
    rules: RouterOptions
    arms: ArmSource | None
    clock: Clock
    poller: StatePoller
    breaker: Breaker
    recorder: Recorder
    shadows: ShadowQueue
    deadlines: Deadlines
    _ids: RequestIds = attrs.field(factory=RequestIds, init=False)
    _pid: int = attrs.field(factory=os.getpid, init=False)
    _polling: bool = attrs.field(default=False, init=False)

    # -- a request -----------------------------------------------------------------------------------------------------

    def begin(
        self,
        prompt: Any,
        unit: str | int | None,
        options: CompletionOptions,
        arm: Arm | None,
        request_id: str | None,
    ) -> Attempt:
        """Decide who is asked; `ticket` is set where that is the tuned model."""
        if self._pid != os.getpid():
            self.reset()
        if not self._polling:
            self._poll_on()
        key = None if unit is None else unit_key(unit)
        snapshot = self.poller.current()
        assignment = STALE if snapshot is None else snapshot.assign(key, arm, self.arms)
        attempt = Attempt(
            assignment,
            prompt=prompt,
            options=options,
            unit=key,
            state=None if snapshot is None else snapshot.state,
            rules=self.rules,
            clock=self.clock,
            request_id=request_id or self._ids.next(),
        )
        if assignment.arm == "base":
            attempt.shadowed = snapshot is not None and snapshot.shadowed(attempt.id)
            return attempt
        attempt.ticket = self.breaker.admit()
        if attempt.ticket is None:
            # Somebody who asks for the tuned model gets it, breaker or not; that is no probe.
            if assignment.reason == "override":
                attempt.ticket = _UNCOUNTED
            else:
                attempt.withheld = "breaker"
        return attempt

    def tuned_failed(self, attempt: Attempt, error: BaseException) -> None:
        """Take note that base must answer instead."""
        if isinstance(error, SaturatedError):
            attempt.withheld = "saturated"
            return
        attempt.tuned_failed(error)
        if attempt.ticket is not None:
            self.breaker.record(attempt.ticket, ok=False)

    def base_failed(self, attempt: Attempt, error: BaseException) -> None:
        """Record a request that got no answer."""
        if isinstance(error, asyncio.CancelledError):
            self.cancelled(attempt)
            return
        self.recorder.append(attempt.observed("base", None, None, error=name_of(error)))
        if attempt.shadowed:
            self._shadow(attempt, None, "base-failed")

    def cancelled(self, attempt: Attempt) -> None:
        """Record a request whose caller left; that says nothing about a model."""
        if attempt.failure is None:
            attempt.withheld = "cancelled"
        self.recorder.append(attempt.observed(attempt.assignment.arm, None, None))
        if attempt.shadowed:
            self._shadow(attempt, None, "cancelled")

    def answered(self, attempt: Attempt, arm: Arm, raw: Any) -> Answer:
        """Record an answer, shadow it where it was sampled, and hand it over."""
        completion = described(raw, (self.tuned if arm == "tuned" else self.base).name)
        self.finish(attempt, arm, completion, None)
        return Answer(text=completion.text, arm=arm, request_id=attempt.id, completion=completion, raw=raw)

    def streamed(self, attempt: Attempt, arm: Arm, opened: Opened, kind: type[S]) -> S:
        """A stream that is recorded, and shadowed, when it ends."""
        tally = Tally(
            (self.tuned if arm == "tuned" else self.base).name,
            attempt.saw_first_token,
            lambda completion, error: self.finish(attempt, arm, completion, error),
        )
        return kind(arm, attempt.id, opened, tally)  # type: ignore[call-arg]  # both kinds of streams are made so

    def finish(self, attempt: Attempt, arm: Arm, completion: Completion, error: BaseException | None) -> None:
        """Record what came of a request."""
        pricing = (self.tuned if arm == "tuned" else self.base).pricing
        event = attempt.observed(arm, completion, pricing, error=None if error is None else name_of(error))
        if arm == "tuned" and attempt.ticket is not None:
            self.breaker.record(attempt.ticket, ok=error is None, slow=event.latency >= self.rules.slow)
        self.recorder.append(event)
        if attempt.shadowed and arm == "base":
            self._shadow(attempt, completion, None if error is None else "base-failed")

    # -- shadows -------------------------------------------------------------------------------------------------------

    def _shadow(self, attempt: Attempt, answer: Completion | None, loss: Loss | None) -> None:
        size = size_of(attempt.prompt) + (0 if answer is None else len(answer.text))

        def settle(outcome: ShadowOutcome | Loss) -> None:
            event = (
                outcome.event
                if isinstance(outcome, ShadowOutcome)
                else attempt.observed("tuned", None, None, kind="shadow", lost=outcome)
            )
            self.recorder.append(event)

        def ask() -> ShadowOutcome | Loss:
            started = self.clock.monotonic()
            try:
                raw = self.deadlines.run(
                    lambda: self.tuned.complete(attempt.prompt, attempt.tuned_options), attempt.tuned_seconds
                )
            except BaseException as error:  # noqa: BLE001  # whatever it raises is the tuned model's failure
                return self._shadow_failed(attempt, error, started)
            return self._shadow_answered(attempt, raw, started)

        async def ask_async() -> ShadowOutcome | Loss:
            started = self.clock.monotonic()
            try:
                raw = await self.deadlines.run_async(
                    self.tuned.complete_async(attempt.prompt, attempt.tuned_options), attempt.tuned_seconds
                )
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # whatever it raises is the tuned model's failure
                return self._shadow_failed(attempt, error, started)
            return self._shadow_answered(attempt, raw, started)

        in_loop = self.tuned.needs_loop
        shadow = Shadow(settle, ask=None if in_loop else ask, ask_async=ask_async if in_loop else None, size=size)
        self.shadows.submit(shadow, loss)

    def _shadow_answered(self, attempt: Attempt, raw: Any, started: float) -> ShadowOutcome:
        completion = described(raw, self.tuned.name)
        latency = self.clock.monotonic() - started
        event = attempt.observed("tuned", completion, self.tuned.pricing, kind="shadow", latency=latency)
        return ShadowOutcome(event=event, ok=True, cost_usd=event.cost_usd or 0.0)

    def _shadow_failed(self, attempt: Attempt, error: BaseException, started: float) -> ShadowOutcome | Loss:
        if isinstance(error, SaturatedError):
            return "saturated"
        latency = self.clock.monotonic() - started
        event = attempt.observed("tuned", None, None, error=name_of(error), kind="shadow", latency=latency)
        return ShadowOutcome(event=event, ok=False)

    # -- its life ------------------------------------------------------------------------------------------------------

    def record(self, event: Observation) -> None:
        """Record something that isn't about a request in work."""
        self.recorder.append(event)

    def feedback(self, request_id: str, quality: float) -> None:
        """Record how good an answer was."""
        self.record(observations.feedback(request_id, quality, at=self.clock.now()))

    def health(self) -> RouterHealth:
        """How it fares."""
        snapshot = self.poller.current()
        state = None if snapshot is None or snapshot.killed else snapshot.state
        return RouterHealth(
            epoch=None if state is None else state.epoch,
            share=0.0 if state is None else state.tuned_share,
            breaker=self.breaker.state,
            shadows=self.shadows.counts,
            shadow_usd=self.shadows.spent_usd,
            lost_events=self.recorder.lost,
            waiting_events=self.recorder.waiting,
            late_calls=self.deadlines.left_behind,
        )

    def reset(self) -> None:
        """Begin anew in a forked child: no thread, lock, file or connection crosses a fork."""
        self.base.reset()
        self.tuned.reset()
        self.poller.reset()
        self.breaker.reset()
        self.recorder.reset()
        self.shadows.reset()
        self.deadlines.reset()
        self._ids = RequestIds()
        self._pid = os.getpid()
        self._polling = False

    def close(self, timeout: float) -> None:
        """Drain what waits for at most so many seconds; the rest is lost, and recorded as abandoned."""
        until = time.monotonic() + timeout
        self.shadows.drain(max(0.0, timeout - _LEAST_SECONDS))
        self.shadows.abandon()
        self.recorder.close(max(_LEAST_SECONDS, until - time.monotonic()))
        self.poller.stop()
        self._polling = False

    async def aclose(self, timeout: float) -> None:
        """Like `close`, without blocking the event loop."""
        until = time.monotonic() + timeout
        await self.shadows.drain_async(max(0.0, timeout - _LEAST_SECONDS))
        await asyncio.to_thread(self.close, max(0.0, until - time.monotonic()))

    def _poll_on(self) -> None:
        self._polling = True
        if self.poller.current() is None:
            self.poller.poll()
        self.poller.start()
