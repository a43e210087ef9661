"""How many calls may be in flight: a pure policy that grows while all is well and shrinks when throttled."""

import math
from typing import Self

import attrs

_WEIGHT = 0.1  # of the newest answer in the mean latency
_FORGET = 1.0005  # with each answer the best latency fades: the service itself may have become slower


@attrs.frozen(kw_only=True)
class ConcurrencyPolicy:
    """The numbers behind a `ConcurrencyState`.

    Attributes:
        maximum: Most calls in flight.
        initial: Calls in flight at the start; doubled with every clean round until the first throttling.
        shrink: What the limit is multiplied by, once for each episode of throttling.
        grow: Share by which the limit grows with every clean round after the first throttling.
        cooldown: Seconds during which further throttling belongs to the same episode, where the provider names none.
        backoff: Seconds without sending after a throttling where the provider names none; doubled each time.
        ceiling: Longest such pause, in seconds.
        patience: Seconds of nothing but throttling after which to give up.
        slower: Answers so many times slower than the best so far stop the growth.
    """

    maximum: int = 16
    initial: int = 8
    shrink: float = 0.8
    grow: float = 0.05
    cooldown: float = 15.0
    backoff: float = 1.0
    ceiling: float = 60.0
    patience: float = 600.0
    slower: float = 2.0

    def start(self) -> "ConcurrencyState":
        """The state before anything was sent."""
        return ConcurrencyState(policy=self, limit=float(max(1, min(self.initial, self.maximum))))


@attrs.frozen(kw_only=True)
class ConcurrencyState:
    """What is known about the provider's willingness. Every verb returns a new state; times are monotonic seconds.

    Attributes:
        policy: The numbers.
        limit: Calls that may be in flight, not yet rounded down.
        ever_throttled: Whether growth is slow by now.
        resume_at: Nothing is sent before.
        calm_at: End of the present episode: until then the limit neither shrinks again nor grows.
        pauses: Pauses since the last success.
        throttled_since: When the present run of nothing but throttling began, None outside of one.
        latency: Seconds that an answer takes lately; None before the first.
        best_latency: The least that this has been.
    """

    policy: ConcurrencyPolicy
    limit: float
    ever_throttled: bool = False
    resume_at: float = -math.inf
    calm_at: float = -math.inf
    pauses: int = 0
    throttled_since: float | None = None
    latency: float | None = None
    best_latency: float = math.inf

    @property
    def allowed(self) -> int:
        """Calls that may be in flight, at least 1."""
        return max(1, int(self.limit))

    def pause(self, now: float) -> float:
        """Seconds for which nothing may be sent, 0 where sending is fine."""
        return max(0.0, self.resume_at - now)

    def exhausted(self, now: float) -> bool:
        """Whether there was nothing but throttling for longer than patience lasts."""
        return self.throttled_since is not None and now - self.throttled_since >= self.policy.patience

    @property
    def strained(self) -> bool:
        """Whether answers have become so slow that more calls at once would only wait for each other."""
        return self.latency is not None and self.latency > self.policy.slower * self.best_latency

    def succeeded(self, now: float, seconds: float | None = None) -> Self:
        """The state after an answer.

        Args:
            now: Monotonic seconds.
            seconds: What the answer took, where that is known.
        """
        grows = now >= self.calm_at and not self.strained
        growth = 0.0 if not grows else self.policy.grow if self.ever_throttled else 1.0
        limit = min(float(self.policy.maximum), self.limit + growth)
        latency, best = self.latency, self.best_latency
        if seconds is not None:
            latency = seconds if latency is None else latency + _WEIGHT * (seconds - latency)
            best = min(best * _FORGET, latency)
        return attrs.evolve(self, limit=limit, pauses=0, throttled_since=None, latency=latency, best_latency=best)

    def throttled(self, now: float, retry_after: float | None = None) -> Self:
        """The state after a refusal because of too many requests.

        Args:
            now: Monotonic seconds.
            retry_after: Seconds that the provider asks to wait.
        """
        new_episode = now >= self.calm_at
        new_pause = now >= self.resume_at
        own_pause = min(self.policy.ceiling, self.policy.backoff * 2.0 ** min(self.pauses, 32))
        seconds = retry_after if retry_after is not None else own_pause if new_pause else 0.0
        quiet = retry_after if retry_after is not None else self.policy.cooldown
        return attrs.evolve(
            self,
            limit=max(1.0, self.limit * self.policy.shrink) if new_episode else self.limit,
            ever_throttled=True,
            resume_at=max(self.resume_at, now + seconds),
            calm_at=now + quiet if new_episode else max(self.calm_at, now + (retry_after or 0.0)),
            pauses=self.pauses + new_pause,
            throttled_since=now if self.throttled_since is None else self.throttled_since,
        )
