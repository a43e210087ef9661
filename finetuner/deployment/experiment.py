"""What live traffic says about the tuned model, in numbers from which alone a decision can be made again.

Letters are those of `sequential`: intervals of differences (A) stay valid however often they are looked at, guardrails
are B, rare shares C, latencies D, the sample ratio E, stages are combined by G.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import attrs

from finetuner.deployment.gates import Gates
from finetuner.deployment.guardrails import Guardrail
from finetuner.deployment.histogram import Histogram
from finetuner.deployment.observations import Observation
from finetuner.deployment.sample_ratio import ArmCounts, stages_log_bayes_factor
from finetuner.deployment.sequential import (
    confidence_sequence,
    lower_bound,
    quantile_count_range,
    share_confidence_sequence,
    upper_bound,
)
from finetuner.deployment.state import Arm
from finetuner.deployment.strata import Stratum, clustered_difference
from finetuner.deployment.tally import BAD, Cell, Tally
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Effect, ratio_of_means

MetricName = Literal["pairs", "feedback", "errors", "slow", "invalid", "cost"]

_EVENTS_FOR_A = 20
_QUANTILES = (0.5, 0.95, 0.99)
_WINSORIZED = 0.99
_LATENCY_ALPHA = 0.05


@attrs.frozen(kw_only=True)
class QuantileReport:
    """A quantile of latency, in seconds, within 0.6 %; its interval is valid at every look (D).

    Attributes:
        q: Its level.
        value: Of the answers so far.
        low: Lower end of the 95 % interval, requests taken as independent.
        high: Upper end; None while too few answers bound it.
        n: Answers.
    """

    q: float
    value: float
    low: float
    high: float | None
    n: int


@attrs.frozen(kw_only=True)
class ArmReport:
    """What one arm did.

    Attributes:
        units: Distinct units.
        requests: Served.
        error_rate: Of requests, 0 to 1; an error that base made good counts against tuned.
        latency: Quantiles .5, .95 and .99; empty without a request.
        cost_usd: Of all requests with a known price.
        priced: How many those are.
        quality: Mean of the units' feedback, 0 to 1; None without any.
    """

    units: int
    requests: int
    error_rate: float
    latency: tuple[QuantileReport, ...]
    cost_usd: float
    priced: int
    quality: float | None

    @property
    def p50(self) -> float | None:
        """Median latency in seconds."""
        return self._quantile(0)

    @property
    def p95(self) -> float | None:
        """95 of 100 answers were at least this fast, in seconds."""
        return self._quantile(1)

    @property
    def p99(self) -> float | None:
        """99 of 100 answers were at least this fast, in seconds."""
        return self._quantile(2)

    @property
    def cost_per_request(self) -> float | None:
        """USD; None without a known price."""
        return self.cost_usd / self.priced if self.priced else None

    def _quantile(self, place: int) -> float | None:
        return self.latency[place].value if self.latency else None


@attrs.frozen(kw_only=True)
class MetricReport:
    """How far the tuned model differs in one metric.

    Attributes:
        name: `pairs` and `feedback` are quality (more is better); of the others less is better.
        difference: Tuned minus base with its interval, valid at every look at the level of a guardrail; None while
            nothing varies.
        low: One-sided lower bound at `Gates.alpha`; None while nothing is known.
        high: One-sided upper bound, likewise.
        base: Units of base behind it; for pairs, units with pairs.
        tuned: Units of tuned behind it; for pairs, pairs.
    """

    name: MetricName
    difference: Estimate | None
    low: float | None
    high: float | None
    base: int
    tuned: int


@attrs.frozen(kw_only=True)
class GuardrailReport:
    """The exact evidence that the tuned model causes one kind of bad event (B).

    Attributes:
        name: `errors`, `slow` or `invalid`.
        log_e: Logarithm of the evidence: alarm at `ln(1 / level)`.
        excess: Tuned's bad units above its share of all; evidence counts against it only above 0.
        base_bad: Units of base with such an event first.
        tuned_bad: Units of tuned.
    """

    name: str
    log_e: float
    excess: float
    base_bad: int
    tuned_bad: int


@attrs.frozen(kw_only=True)
class ShadowReport:
    """What the tuned model answered unseen.

    Attributes:
        answers: With an answer or an error.
        failed: Of those, with an error.
        base_failed: Of the same requests, where base failed.
        lost: Sampled ones without an answer, by reason.
        latency: Quantiles .5, .95 and .99 of the answers; empty without one.
    """

    answers: int
    failed: int
    base_failed: int
    lost: Mapping[str, int]
    latency: tuple[QuantileReport, ...] = ()

    @property
    def lost_share(self) -> float:
        """Of all sampled ones, 0 to 1."""
        lost = sum(self.lost.values())
        return lost / (self.answers + lost) if lost else 0.0


@attrs.frozen(kw_only=True)
class ExperimentReport:
    """Both arms and their differences.

    Attributes:
        base: Units assigned to base.
        tuned: Units assigned to tuned.
        stage_units: Tuned units of the current stage.
        metrics: Differences, those that can be known at all.
        guardrails: Exact evidence on bad events.
        sample_ratio_log_evidence: That the arms aren't as large as designed (E).
        lost_events: Share (0 to 1) of requests without an exposure, or of dropped events, whichever is larger.
        slow_seconds: What counts as slow; None before it is fixed.
        shadow: What was answered unseen.
    """

    base: ArmReport
    tuned: ArmReport
    stage_units: int
    metrics: tuple[MetricReport, ...]
    guardrails: tuple[GuardrailReport, ...]
    sample_ratio_log_evidence: float
    lost_events: float
    slow_seconds: float | None
    shadow: ShadowReport

    def metric(self, name: MetricName) -> MetricReport | None:
        """A metric by its name; None where nothing can be known of it."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    @property
    def quality_difference(self) -> Estimate | None:
        """Tuned minus base by feedback, else on shadow pairs; None until something varies."""
        found = (self.metric("feedback"), self.metric("pairs"))
        return next((metric.difference for metric in found if metric is not None and metric.difference), None)

    @property
    def error_difference(self) -> Estimate | None:
        """Share of requests with an error, units counting the same, tuned minus base; None until something varies."""
        found = self.metric("errors")
        return None if found is None else found.difference

    @property
    def scored(self) -> tuple[int, int]:
        """Units with feedback, base and tuned."""
        found = self.metric("feedback")
        return (0, 0) if found is None else (found.base, found.tuned)


def report(
    events: Iterable[Observation], *, stage: int, after_stage: int = -1, gates: Gates | None = None
) -> ExperimentReport:
    """What a rollout's events say.

    Args:
        events: By time.
        stage: The current one.
        after_stage: The last one of the attempt before.
        gates: For the levels of the intervals.
    """
    rules = gates or Gates()
    return tally_report(
        Tally(after_stage=after_stage, slow_seconds=rules.slow_seconds).add_all(events), stage=stage, gates=rules
    )


def tally_report(tally: Tally, *, stage: int, gates: Gates) -> ExperimentReport:
    """What counted events say. Like `report`."""
    counts = [ArmCounts(share, sizes["tuned"], sizes["base"]) for (_, share), sizes in sorted(tally.first.items())]
    current = (cells for (number, _), cells in tally.cells.items() if number == stage)
    return ExperimentReport(
        base=_arm(tally, "base"),
        tuned=_arm(tally, "tuned"),
        stage_units=sum(cell.arm == "tuned" for cells in current for cell in cells.values()),
        metrics=tuple(metric for metric in _metrics(tally, gates) if metric is not None),
        guardrails=tuple(_guardrail(tally, name) for name in BAD),
        sample_ratio_log_evidence=stages_log_bayes_factor(counts),
        lost_events=tally.lost_share,
        slow_seconds=tally.slow_seconds,
        shadow=ShadowReport(
            answers=tally.shadow["answers"],
            failed=tally.shadow["failed"],
            base_failed=tally.shadow["base_failed"],
            lost=dict(tally.shadow_lost),
            latency=_quantiles(tally.shadow_latency.histogram()),
        ),
    )


def _metrics(tally: Tally, gates: Gates) -> list[MetricReport | None]:
    quality = _strata(tally, lambda cell: cell.quality / cell.scored if cell.scored else None)
    found: list[MetricReport | None] = [_pairs(tally, gates), _metric("feedback", quality, gates)]
    found += [_bad(tally, name, gates) for name in ("errors", "slow", "invalid")]
    return [*found, _metric("cost", _winsorized(_strata(tally, _cost)), gates, relative=True)]


def _cost(cell: Cell) -> float | None:
    return cell.cost / cell.priced if cell.priced else None


def _pairs(tally: Tally, gates: Gates) -> MetricReport | None:
    units = list(tally.pairs.values())
    pairs = sum(unit.pairs for unit in units)
    if len(units) < 2:  # noqa: PLR2004  # a variance needs two
        return None
    effect = ratio_of_means([unit.difference for unit in units], [float(unit.pairs) for unit in units])
    return _bounded("pairs", effect if effect.se > 0 else None, gates, (len(units), pairs))


def _metric(name: MetricName, strata: list[Stratum], gates: Gates, *, relative: bool = False) -> MetricReport | None:
    sizes = _sizes(strata)
    if not any(sizes):
        return None
    return _bounded(name, clustered_difference(strata, relative=relative), gates, sizes)


def _bad(tally: Tally, name: Literal["errors", "slow", "invalid"], gates: Gates) -> MetricReport | None:
    """A unit's share of bad requests: by A where bad events abound, else by C on the units of tuned that had one.

    The latter is exact, and an upper bound of the former: a unit with a bad request is never more than wholly bad.
    """
    known = {"errors": True, "slow": tally.slow_seconds is not None, "invalid": tally.checked}[name]
    strata = _strata(tally, lambda cell: cell.bad.get(name, 0) / cell.requests)
    sizes = _sizes(strata)
    if not known or not any(sizes):
        return None
    found = _bounded(name, clustered_difference(strata), gates, sizes)
    base, tuned = (
        {unit for stratum in strata for unit, share in (stratum.tuned if own else stratum.base).items() if share > 0}
        for own in (False, True)
    )
    if min(len(base), len(tuned)) >= _EVENTS_FOR_A or not sizes[1]:
        return found
    share = share_confidence_sequence(len(tuned), sizes[1], alpha=gates.alpha, planned_n=gates.planned_units)
    return attrs.evolve(found, low=None, high=share.high)


def _bounded(name: MetricName, effect: Effect | None, gates: Gates, sizes: tuple[int, int]) -> MetricReport:
    sources = len(gates.quality_sources) if name in {"pairs", "feedback"} else 1
    # Of two kinds of evidence on quality either may decide: they share the level.
    level, alpha = gates.guardrail_level / max(1, sources), gates.alpha / max(1, sources)
    n = gates.planned_units
    return MetricReport(
        name=name,
        difference=None if effect is None else confidence_sequence(effect, alpha=level, planned_n=n),
        low=None if effect is None else lower_bound(effect, alpha=alpha, planned_n=n),
        high=None if effect is None else upper_bound(effect, alpha=alpha, planned_n=n),
        base=sizes[0],
        tuned=sizes[1],
    )


def _strata(tally: Tally, outcome: Callable[[Cell], float | None]) -> list[Stratum]:
    """Outcomes of units by stage and arm."""
    strata: list[Stratum] = []
    for _, cells in sorted(tally.cells.items()):
        arms: dict[Arm, dict[str, float]] = {"base": {}, "tuned": {}}
        for unit, cell in cells.items():
            value = outcome(cell) if cell.requests else None
            if value is not None:
                arms[cell.arm][unit] = value
        strata.append(Stratum(arms["base"], arms["tuned"]))
    return strata


def _sizes(strata: list[Stratum]) -> tuple[int, int]:
    """Distinct units of each arm."""
    base: set[str] = set()
    tuned: set[str] = set()
    return len(base.union(*(s.base for s in strata))), len(tuned.union(*(s.tuned for s in strata)))


def _winsorized(strata: list[Stratum]) -> list[Stratum]:
    """Costs above the 99th percentile as that: one runaway answer must not widen every interval."""
    costs = sorted(value for s in strata for arm in (s.base, s.tuned) for value in arm.values())
    if not costs:
        return strata
    most = costs[math.ceil(_WINSORIZED * len(costs)) - 1]
    return [
        Stratum(*({unit: min(value, most) for unit, value in arm.items()} for arm in (s.base, s.tuned))) for s in strata
    ]


def _guardrail(tally: Tally, name: str) -> GuardrailReport:
    guardrail, base, tuned = Guardrail(), 0, 0
    for (_, share), counts in sorted(tally.bad[name].items()):
        guardrail = guardrail.with_stage(share).with_bad(tuned=counts["tuned"], base=counts["base"])
        base, tuned = base + counts["base"], tuned + counts["tuned"]
    return GuardrailReport(name=name, log_e=guardrail.log_e, excess=guardrail.excess, base_bad=base, tuned_bad=tuned)


def _arm(tally: Tally, arm: Arm) -> ArmReport:
    seen, latency = tally.arms[arm], tally.arms[arm].latency.histogram()
    sums: dict[str, tuple[float, int]] = {}
    for cells in tally.cells.values():
        for unit, cell in cells.items():
            if cell.arm == arm and cell.scored:
                total, scored = sums.get(unit, (0.0, 0))
                sums[unit] = (total + cell.quality, scored + cell.scored)
    scores = [total / scored for total, scored in sums.values()]
    return ArmReport(
        units=len(seen.units),
        requests=seen.requests,
        error_rate=seen.errors / seen.requests if seen.requests else 0.0,
        latency=_quantiles(latency),
        cost_usd=seen.cost,
        priced=seen.priced,
        quality=math.fsum(scores) / len(scores) if scores else None,
    )


def _quantiles(latency: Histogram) -> tuple[QuantileReport, ...]:
    return tuple(_quantile(latency, q) for q in _QUANTILES) if latency.count else ()


def _quantile(latency: Histogram, q: float) -> QuantileReport:
    """A quantile between the order statistics that bound it at every look (D)."""
    n, value = latency.count, latency.quantile(q)
    fewest, most = quantile_count_range(n, q, alpha=_LATENCY_ALPHA)

    def ranked(rank: int) -> float:
        return latency.quantile(min(1.0, (rank + 0.5) / (n - 1))) if n > 1 else value

    return QuantileReport(
        q=q,
        value=value,
        low=min(value, ranked(fewest - 1)) if fewest else 0.0,
        high=max(value, ranked(most)) if most < n else None,
        n=n,
    )
