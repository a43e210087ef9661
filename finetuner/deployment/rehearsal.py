"""A rollout on made-up traffic: what the gates would do, and how soon, before a single user is served.

The same counting and the same decision as in production, on requests drawn from a described world. It answers how much
traffic a decision takes, and holds the promises on false promotions and rollbacks to account.
"""

import random
from collections.abc import Iterator
from typing import Literal

import attrs

from finetuner.deployment.decision import Action, Decision, Situation, decide
from finetuner.deployment.experiment import tally_report
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation
from finetuner.deployment.state import Arm, Status
from finetuner.deployment.tally import Tally
from finetuner.errors import UsageError

Outcome = Literal["PROMOTE", "ROLLBACK", "INCONCLUSIVE", "UNDECIDED"]
"""Where a rehearsal ended: with all units on tuned, back on base, with doubts about the data, or out of traffic."""


@attrs.frozen(kw_only=True)
class World:
    """Traffic that could be.

    Attributes:
        units: Who comes again and again.
        per_second: Requests.
        quality: Mean score of base's answers, 0 to 1.
        quality_change: Tuned minus base.
        errors: Share of base's requests that fail.
        error_change: Tuned minus base.
        seconds: Median latency of base.
        slower: Factor of tuned's latency.
        scored: Share of requests with feedback.
        judged: Share of base's requests with a shadow pair.
        unevenness: How much units differ in quality, as a standard deviation.
    """

    units: int = 5000
    per_second: float = 1.0
    quality: float = 0.8
    quality_change: float = 0.0
    errors: float = 0.01
    error_change: float = 0.0
    seconds: float = 1.0
    slower: float = 1.0
    scored: float = 1.0
    judged: float = 0.0
    unevenness: float = 0.1

    def __attrs_post_init__(self) -> None:
        if self.units < 1 or not self.per_second > 0:
            raise UsageError("a world has at least one unit, and requests per second above 0")


@attrs.frozen(kw_only=True)
class Rehearsal:
    """How it went.

    Attributes:
        outcome: Where it ended.
        requests: Until then.
        tuned_units: Units that had the tuned model until then.
        shares: Shares that were reached, in order.
        last: The decision that ended it, or the last one.
    """

    outcome: Outcome
    requests: int
    tuned_units: int
    shares: tuple[float, ...]
    last: Decision


def rehearse(
    world: World,
    *,
    gates: Gates | None = None,
    share: float | None = None,
    seed: int = 0,
    look_every: int = 250,
    most_requests: int = 50_000,
) -> Rehearsal:
    """Play a rollout through with a controller that may raise the share.

    Args:
        world: The traffic.
        gates: Stages and what they ask for.
        share: Where it starts; by default at the first stage.
        seed: The same gives the same.
        look_every: Requests between two looks.
        most_requests: When the traffic ends.

    Raises:
        UsageError: A start that is not above 0 and below 1.
    """
    play = _Play(world, gates or Gates(), share, seed)
    decision = play.decide()
    outcome: Outcome = "UNDECIDED"
    while play.requests < most_requests:
        play.serve(look_every)
        decision = play.decide()
        ended = play.follow(decision.action)
        if ended is not None:
            outcome = ended
            break
    return Rehearsal(
        outcome=outcome,
        requests=play.requests,
        tuned_units=len(play.tally.arms["tuned"].units),
        shares=tuple(play.shares),
        last=decision,
    )


class _Play:
    """The state of a rehearsal."""

    def __init__(self, world: World, gates: Gates, share: float | None, seed: int) -> None:
        first = gates.stages[0] if share is None and gates.stages else share
        if first is None or not 0 < first < 1:
            raise UsageError(f"share is {first}: give one above 0 and below 1")
        self._world = world
        self._gates = gates
        self._random = random.Random(seed)  # noqa: S311  # made-up traffic is no secret
        self._buckets = [self._random.random() for _ in range(world.units)]
        self._likes = [self._random.gauss(0.0, world.unevenness) for _ in range(world.units)]
        self._stage, self._begun = 1, 0
        self.tally = Tally(slow_seconds=gates.slow_seconds)
        self.shares = [first]
        self.requests = 0

    def serve(self, requests: int) -> None:
        """Draw requests."""
        for _ in range(requests):
            self.tally.add_all(self._request())
            self.requests += 1

    def decide(self) -> Decision:
        """What the gates say now."""
        share = self.shares[-1]
        status: Status = "ramping"
        situation = Situation(
            status=status,
            epoch=self._stage,
            share=share,
            next_share=self._gates.next_share(share),
            stage_seconds=(self.requests - self._begun) / self._world.per_second,
        )
        return decide(tally_report(self.tally, stage=self._stage, gates=self._gates), situation, gates=self._gates)

    def follow(self, action: Action) -> Outcome | None:
        """Do what was decided; the outcome where that ends it."""
        if action in {"ROLLBACK", "INCONCLUSIVE"}:
            return "ROLLBACK" if action == "ROLLBACK" else "INCONCLUSIVE"
        if action == "HOLD":
            return None
        after = self._gates.next_share(self.shares[-1])
        self.shares.append(after)
        self._stage, self._begun = self._stage + 1, self.requests
        return "PROMOTE" if after >= 1 else None

    def _request(self) -> Iterator[Observation]:
        world, chance = self._world, self._random
        unit = chance.randrange(world.units)
        share, number = self.shares[-1], f"{self.requests}"
        arm: Arm = "tuned" if self._buckets[unit] < share else "base"
        tuned = arm == "tuned"
        failed = chance.random() < world.errors + (world.error_change if tuned else 0.0)
        yield Observation(
            kind="exposure",
            request_id=number,
            at=float(self.requests),
            unit=f"{unit}",
            stage=self._stage,
            share=share,
            assigned=arm,
            served=arm,
            analyzed=True,
            latency=world.seconds * chance.lognormvariate(0.0, 0.5) * (world.slower if tuned else 1.0),
            error="TimeoutError" if failed else None,
        )
        if chance.random() < world.scored:
            yield self._score("feedback", number, self._liked(unit, tuned=tuned))
        if not tuned and world.judged and chance.random() < world.judged:
            yield self._score("verdict", number, self._liked(unit, tuned=False), self._liked(unit, tuned=True), unit)

    def _score(
        self, kind: Literal["feedback", "verdict"], id: str, quality: float, tuned: float | None = None, unit: int = 0
    ) -> Observation:
        at = float(self.requests)
        return Observation(kind=kind, request_id=id, at=at, unit=f"{unit}", quality=quality, tuned_quality=tuned)

    def _liked(self, unit: int, *, tuned: bool) -> float:
        mean = self._world.quality + self._likes[unit] + (self._world.quality_change if tuned else 0.0)
        return float(self._random.random() < mean)
