"""Answers requests with the base or the tuned model, as a rollout says; base always answers."""

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.deployment import lifetimes
from finetuner.deployment.answers import Answer, Source, answerer
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.breaker import Breaker, BreakerOptions
from finetuner.deployment.deadlines import Deadlines
from finetuner.deployment.lifetimes import DRAIN_SECONDS
from finetuner.deployment.poller import StatePoller
from finetuner.deployment.recorder import Recorder, RecorderOptions
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.shadow import ShadowOptions, ShadowQueue
from finetuner.deployment.snapshot import ArmSource
from finetuner.deployment.state import Arm
from finetuner.deployment.streaming import AsyncStream, Opened, Stream, first_piece, first_piece_async
from finetuner.deployment.traffic import RouterHealth, Traffic
from finetuner.errors import UsageError
from finetuner.providers.model import Model
from finetuner.providers.ports import CompletionOptions

_DEFAULTS = CompletionOptions()
_RULES = RouterOptions()


class Router:
    """Routes requests. Safe in threads, in asyncio, and across forks; one for each process and rollout is enough.

    Nobody gets the tuned model later than a second after a rollback; a state that can't be read means base only.
    Use it as a context manager, or call `close` (in asyncio `aclose`) at the end: it drains what waits, for up to 5 s.
    A process that just ends, or gets `SIGTERM`, does so too.

    Example:
        ```python
        with Router(rollout) as router:
            answer = router.complete("I lost my card", unit="customer-7")
            router.feedback(answer.request_id, quality=1.0)
        ```
    """

    def __init__(
        self,
        rollout: Rollout,
        *,
        base: Source | None = None,
        tuned: Source | None = None,
        options: RouterOptions = _RULES,
        breaker: BreakerOptions | None = None,
        shadow: ShadowOptions | None = None,
        recorder: RecorderOptions | None = None,
        arms: ArmSource | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Begin to route.

        Args:
            rollout: Says who gets what.
            base: Answers instead of the rollout's base: another `Model`, or a callable.
            tuned: Likewise.
            options: Deadlines, what is kept, what is valid.
            breaker: When the tuned model is left alone.
            shadow: Bounds of unseen answers.
            recorder: Bounds of events that wait for the disk.
            arms: Says a unit's arm in the place of its bucket, such as `openfeature.flag_arms`.
            clock: Tells the time.

        Raises:
            UsageError: A spend cap is set for a model whose price isn't known.
        """
        state = rollout.state
        first = rollout.model("base") if base is None else base
        limits = shadow or ShadowOptions()
        self._traffic = traffic = Traffic(
            base=answerer(first, state.base),
            tuned=answerer(
                rollout.model("tuned") if tuned is None else tuned,
                state.tuned,
                (first if isinstance(first, Model) else Model(state.base)).reference.model,
            ),
            rules=options,
            arms=arms,
            clock=clock,
            poller=StatePoller(rollout.state_path, clock),
            breaker=Breaker(breaker, clock),
            recorder=Recorder(rollout.events_folder, recorder),
            shadows=ShadowQueue(limits),
            deadlines=Deadlines(),
        )
        self._base, self._tuned, self._deadlines = traffic.base, traffic.tuned, traffic.deadlines
        if limits.max_usd is not None and not (self._tuned.pricing and self._tuned.pricing.known):
            raise UsageError(f"max_usd needs a price, and none is known of {self._tuned.name}; leave max_usd out")
        lifetimes.watch(traffic)

    # -- answers -------------------------------------------------------------------------------------------------------

    def complete(
        self,
        messages: Any,
        *,
        unit: str | int | None = None,
        options: CompletionOptions = _DEFAULTS,
        arm: Arm | None = None,
        request_id: str | None = None,
    ) -> Answer:
        """Answer; the same unit gets the same arm while the share doesn't fall.

        Args:
            messages: Messages, or one user's text; whatever the callables take.
            unit: User or conversation id; without one base answers, and the request isn't analyzed.
            options: Temperature, limits, schema; `timeout` is the deadline of the whole request.
            arm: Asks for an arm, such as for a tester's header; counted, not analyzed.
            request_id: Yours, unique; by default a random one.

        Raises:
            ProviderError: Base failed. A failing or late tuned model is replaced by base, and counted against tuned.
        """
        attempt = self._traffic.begin(messages, unit, options, arm, request_id)
        if attempt.ticket is not None:
            asked = attempt.tuned_options
            try:
                raw = self._deadlines.run(lambda: self._tuned.complete(messages, asked), attempt.tuned_seconds)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                self._traffic.tuned_failed(attempt, error)
            else:
                return self._traffic.answered(attempt, "tuned", raw)
        try:
            raw = self._base.complete(messages, attempt.base_options)
        except BaseException as error:
            self._traffic.base_failed(attempt, error)
            raise
        return self._traffic.answered(attempt, "base", raw)

    async def complete_async(
        self,
        messages: Any,
        *,
        unit: str | int | None = None,
        options: CompletionOptions = _DEFAULTS,
        arm: Arm | None = None,
        request_id: str | None = None,
    ) -> Answer:
        """Answer without blocking the event loop. Like `complete`."""
        attempt = self._traffic.begin(messages, unit, options, arm, request_id)
        if attempt.ticket is not None:
            try:
                raw = await self._deadlines.run_async(
                    self._tuned.complete_async(messages, attempt.tuned_options), attempt.tuned_seconds
                )
            except (KeyboardInterrupt, asyncio.CancelledError):
                self._traffic.cancelled(attempt)
                raise
            except BaseException as error:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                self._traffic.tuned_failed(attempt, error)
            else:
                return self._traffic.answered(attempt, "tuned", raw)
        try:
            raw = await self._base.complete_async(messages, attempt.base_options)
        except BaseException as error:
            self._traffic.base_failed(attempt, error)
            raise
        return self._traffic.answered(attempt, "base", raw)

    def stream(
        self,
        messages: Any,
        *,
        unit: str | int | None = None,
        options: CompletionOptions = _DEFAULTS,
        arm: Arm | None = None,
        request_id: str | None = None,
    ) -> Stream:
        """Answer in pieces. Like `complete`, but base steps in only until the tuned model's first piece with content.

        An error that comes later surfaces where the pieces are read, and counts against who answered.
        """
        attempt = self._traffic.begin(messages, unit, options, arm, request_id)
        if attempt.ticket is not None:
            asked, late = attempt.tuned_options, threading.Event()

            def opened() -> Opened:
                return first_piece(self._tuned.stream(messages, asked), late.is_set)

            try:
                first = self._deadlines.run(opened, attempt.tuned_seconds)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                late.set()
                self._traffic.tuned_failed(attempt, error)
            else:
                return self._traffic.streamed(attempt, "tuned", first, Stream)
        try:
            rest = self._base.stream(messages, attempt.base_options)
        except BaseException as error:
            self._traffic.base_failed(attempt, error)
            raise
        return self._traffic.streamed(attempt, "base", Opened((), rest), Stream)

    async def stream_async(
        self,
        messages: Any,
        *,
        unit: str | int | None = None,
        options: CompletionOptions = _DEFAULTS,
        arm: Arm | None = None,
        request_id: str | None = None,
    ) -> AsyncStream:
        """Answer in pieces without blocking the event loop. Like `stream`."""
        attempt = self._traffic.begin(messages, unit, options, arm, request_id)
        if attempt.ticket is not None:

            async def opened() -> Opened:
                return await first_piece_async(await self._tuned.stream_async(messages, attempt.tuned_options))

            try:
                first = await self._deadlines.run_async(opened(), attempt.tuned_seconds)
            except (KeyboardInterrupt, asyncio.CancelledError):
                self._traffic.cancelled(attempt)
                raise
            except BaseException as error:  # noqa: BLE001  # whatever tuned raises, base answers; it is recorded
                self._traffic.tuned_failed(attempt, error)
            else:
                return self._traffic.streamed(attempt, "tuned", first, AsyncStream)
        try:
            rest = await self._base.stream_async(messages, attempt.base_options)
        except BaseException as error:
            self._traffic.base_failed(attempt, error)
            raise
        return self._traffic.streamed(attempt, "base", Opened((), rest), AsyncStream)

    # -- beside answers ------------------------------------------------------------------------------------------------

    def feedback(self, request_id: str, *, quality: float) -> None:
        """Tell how good an answer was, even days later; `observations.record_feedback` does so without a router.

        Args:
            request_id: Of the answer.
            quality: 0 (useless) to 1.

        Raises:
            UsageError: The quality is outside 0 to 1.
        """
        self._traffic.feedback(request_id, quality)

    @property
    def health(self) -> RouterHealth:
        """How this router fares, in this process: losses, breaker, shadows."""
        return self._traffic.health()

    def poll(self) -> None:
        """Look at the rollout's state now; it is looked at four times a second anyway."""
        self._traffic.poller.poll()

    def drain(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Block until every shadow has ended, at most so many seconds; whether that was reached."""
        return self._traffic.shadows.drain(seconds)

    def close(self, timeout: float = DRAIN_SECONDS) -> None:
        """Drain shadows and events for at most so many seconds; the rest is recorded as abandoned."""
        self._traffic.close(timeout)

    async def aclose(self, timeout: float = DRAIN_SECONDS) -> None:
        """Like `close`, without blocking the event loop."""
        await self._traffic.aclose(timeout)

    def __enter__(self) -> Self:
        """Use as a context manager to drain it at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drain."""
        self.close()

    async def __aenter__(self) -> Self:
        """Use as a context manager to drain it at the end."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drain."""
        await self.aclose()
