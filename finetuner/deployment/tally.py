"""Counts events as they come: sums for each unit, each stage apart, so that a report needs no second look at them.

A unit is in every stage in which it was served, with the arm that it had there. Its first bad event of a kind counts
once in the whole attempt: which arm it then has says nothing about anything else if the tuned model changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

import attrs

from finetuner.deployment.histogram import HistogramRecorder
from finetuner.deployment.observations import Observation
from finetuner.deployment.state import Arm

BAD = ("errors", "slow", "invalid")
"""Kinds of bad events."""

LIMIT_ANSWERS = 200
"""Base's first answers, whose p95 says what is slow."""

_LIMIT_QUANTILE = 0.95

StageKey = tuple[int, float]
"""A stage's number, and the share of tuned units in it."""


@attrs.define
class Cell:
    """Sums of one unit in one stage."""

    arm: Arm
    requests: int = 0
    cost: float = 0.0
    priced: int = 0
    quality: float = 0.0
    scored: int = 0
    bad: dict[str, int] = attrs.field(factory=dict[str, int])


@attrs.define
class ArmTally:
    """Sums of one arm."""

    requests: int = 0
    errors: int = 0
    cost: float = 0.0
    priced: int = 0
    latency: HistogramRecorder = attrs.field(factory=HistogramRecorder)
    units: set[str] = attrs.field(factory=set[str])


@attrs.define
class PairTally:
    """Sums of one unit's pairs: how much better tuned's unseen answers were than base's."""

    difference: float = 0.0
    pairs: int = 0


@attrs.define
class _Served:
    """An exposure, for what is told of it later."""

    current: bool
    cell: Cell | None
    error: bool
    score: float | None = None


class Tally:
    """What a rollout's events add up to. Not synchronized."""

    def __init__(self, *, after_stage: int = -1, slow_seconds: float | None = None) -> None:
        """Begin with nothing.

        Args:
            after_stage: Earlier stages belong to another attempt: they are known, and not counted.
            slow_seconds: What is slow; by default base's first answers tell.
        """
        self.arms: dict[Arm, ArmTally] = {"base": ArmTally(), "tuned": ArmTally()}
        self.cells: defaultdict[StageKey, dict[str, Cell]] = defaultdict(dict)
        self.first: defaultdict[StageKey, Counter[Arm]] = defaultdict(Counter)
        self.bad: dict[str, defaultdict[StageKey, Counter[Arm]]] = {kind: defaultdict(Counter) for kind in BAD}
        self.pairs: defaultdict[str, PairTally] = defaultdict(PairTally)
        self.shadow: Counter[str] = Counter()
        self.shadow_lost: Counter[str] = Counter()
        self.shadow_latency = HistogramRecorder()
        self.slow_seconds = slow_seconds
        self.checked = False
        self._after_stage = after_stage
        self._before: list[float] = []
        self._seen: set[str] = set()
        self._was_bad: dict[str, set[str]] = {kind: set() for kind in BAD}
        self._served: dict[str, _Served] = {}
        self._early: dict[str, float] = {}
        self._told = 0
        self._recorded = 0
        self._dropped = 0
        self._orphans = 0

    def add_all(self, events: Iterable[Observation]) -> "Tally":
        """Count events, by time; returns itself."""
        for event in events:
            self.add(event)
        return self

    def add(self, event: Observation) -> None:
        """Count an event."""
        match event.kind:
            case "exposure":
                self._expose(event)
            case "shadow":
                self._shadow(event)
            case "feedback":
                self._score(event)
            case "verdict":
                self._judge(event)
            case "dropped":
                self._dropped += event.count if event.stage > self._after_stage else 0

    @property
    def lost_share(self) -> float:
        """The larger of two shares: of requests told of, those without an exposure; of all answers, those dropped."""
        lost, told = self.lost
        dropped = self._dropped / (self._recorded + self._dropped) if self._dropped else 0.0
        return max(lost / told if told else 0.0, dropped)

    @property
    def lost(self) -> tuple[int, int]:
        """Requests whose exposure is missing although something else tells of them, of all that are told of.

        An exposure is written before anything else about its request, so that its absence is a lost event.
        """
        return len(self._early) + self._orphans, len(self._early) + self._told

    def _expose(self, event: Observation) -> None:
        current = event.stage > self._after_stage
        counted = current and event.analyzed and 0 < event.share < 1
        cell = self._cell(event) if counted else None
        served = _Served(current, cell, error=event.error is not None)
        self._served[event.request_id] = served
        if current:
            self._recorded += 1
            self._limit(event)
        early = self._early.pop(event.request_id, None)
        if early is not None:
            self._told += 1
            _scored(served, early)
        if cell is None:
            return
        cell.requests += 1
        arm = self.arms[event.assigned]
        arm.requests += 1
        arm.errors += event.error is not None
        arm.latency.record(max(0.0, event.latency))
        if event.cost_usd is not None:
            cell.cost += event.cost_usd
            cell.priced += 1
            arm.cost += event.cost_usd
            arm.priced += 1

    def _cell(self, event: Observation) -> Cell | None:
        """The unit's sums in this stage, with its bad events counted; None after it changed arms inside a stage."""
        unit, key = event.unit or event.request_id, (event.stage, event.share)
        cell = self.cells[key].setdefault(unit, Cell(event.assigned))
        if cell.arm != event.assigned:
            return None
        self.arms[event.assigned].units.add(unit)
        if unit not in self._seen:
            self._seen.add(unit)
            self.first[key][event.assigned] += 1
        for kind in self._faults(event):
            cell.bad[kind] = cell.bad.get(kind, 0) + 1
            if unit not in self._was_bad[kind]:
                self._was_bad[kind].add(unit)
                self.bad[kind][key][event.assigned] += 1
        return cell

    def _faults(self, event: Observation) -> list[str]:
        found = ["errors"] if event.error is not None else []
        if self.slow_seconds is not None and event.latency > self.slow_seconds:
            found.append("slow")
        if event.valid is not None:
            self.checked = True
            found += [] if event.valid else ["invalid"]
        return found

    def _limit(self, event: Observation) -> None:
        """Fix what is slow before anything is counted as slow: a limit that moves would follow the tuned model."""
        if self.slow_seconds is None and event.assigned == "base" and event.error is None:
            self._before.append(event.latency)
            if len(self._before) >= LIMIT_ANSWERS:
                self.slow_seconds = sorted(self._before)[int(_LIMIT_QUANTILE * LIMIT_ANSWERS) - 1]
                self._before.clear()

    def _shadow(self, event: Observation) -> None:
        if event.stage <= self._after_stage:
            return
        self._recorded += 1
        if event.lost is not None:
            self.shadow_lost[event.lost] += 1
            return
        served = self._find(event.request_id)
        self.shadow["answers"] += 1
        self.shadow["failed"] += event.error is not None
        self.shadow_latency.record(max(0.0, event.latency))
        self.shadow["base_failed"] += served is not None and served.error

    def _score(self, event: Observation) -> None:
        if event.quality is None:
            return
        served = self._served.get(event.request_id)
        if served is None:
            self._early[event.request_id] = event.quality
            return
        self._told += 1
        _scored(served, event.quality)

    def _judge(self, event: Observation) -> None:
        served = self._find(event.request_id)
        if served is None or not served.current or event.quality is None or event.tuned_quality is None:
            return
        pair = self.pairs[event.unit or event.request_id]
        pair.difference += event.tuned_quality - event.quality
        pair.pairs += 1

    def _find(self, request_id: str) -> _Served | None:
        served = self._served.get(request_id)
        self._told += 1
        self._orphans += served is None
        return served


def _scored(served: _Served, quality: float) -> None:
    """Count a score; the newest of an answer replaces those before it."""
    cell, before = served.cell, served.score
    served.score = quality
    if cell is not None:
        cell.quality += quality - (before or 0.0)
        cell.scored += before is None
