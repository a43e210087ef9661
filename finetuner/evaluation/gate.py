"""The regression gate: is the tuned model worse than its base by more than a margin? Yes, no, or not enough data."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Unpack

import attrs

from finetuner._core.hashing import json_sha256
from finetuner.errors import UsageError
from finetuner.evaluation.benchmarks import registry
from finetuner.evaluation.benchmarks.humaneval import Sandbox
from finetuner.evaluation.benchmarks.registry import Benchmark
from finetuner.evaluation.metrics.grading import binary
from finetuner.evaluation.results import Evaluation, ScoredRow
from finetuner.evaluation.run import evaluate, evaluate_async, opened
from finetuner.evaluation.session import EvaluateOptions
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.paired import PairedCounts, tango_bounds
from finetuner.evaluation.statistics.power import non_inferiority_sample_size
from finetuner.evaluation.statistics.resampling import paired_bootstrap_mean
from finetuner.providers.model import Model
from finetuner.records.evaluations import EvaluationRecords

Outcome = Literal["pass", "fail", "not enough data"]
"""`pass`: not worse by more than the margin. `fail`: worse by more. Both at one-sided level 0.05."""

MARGIN = 0.05
"""Tolerated loss where none is given: five points."""

_ALPHA = 0.05


@attrs.frozen(kw_only=True)
class Part:
    """The gate of one metric.

    Attributes:
        name: What it stands for: `capability`, `format`, or the metric's name.
        base: Mean of the base model on the paired rows.
        tuned: Mean of the tuned model on the paired rows.
        difference: Tuned minus base; `low` and `high` are one-sided 95 % bounds.
        outcome: `pass`, `fail` or `not enough data`.
        needs_n: Rows that would pass with probability 0.8 were there no loss; None where decided or unknown.
        reason: The outcome in words.
    """

    name: str
    base: float
    tuned: float
    difference: Estimate
    outcome: Outcome
    needs_n: int | None
    reason: str


@attrs.frozen(kw_only=True)
class RegressionResult:
    """A tuned model on a benchmark, and against its base where one is given.

    Attributes:
        id: The same evaluations and margin have the same.
        benchmark: Its name.
        margin: Tolerated loss, as a share.
        tuned: How the tuned model did.
        base: How the base model did; None without one.
        parts: One gate for each metric; empty without a base.
        outcome: `fail` where a part fails, `pass` where all pass, else `not enough data`; None without a base.
    """

    id: str
    benchmark: str
    margin: float
    tuned: Evaluation
    base: Evaluation | None
    parts: tuple[Part, ...]
    outcome: Outcome | None

    @property
    def difference(self) -> Estimate | None:
        """The deciding metric's difference with one-sided bounds."""
        return self.parts[0].difference if self.parts else None

    @property
    def needs_n(self) -> int | None:
        """Rows that all undecided parts need; None where none is known."""
        return max((part.needs_n for part in self.parts if part.needs_n is not None), default=None)

    def summary(self) -> "RegressionResult":
        """The same without rows."""
        base = None if self.base is None else self.base.summary()
        return attrs.evolve(self, tuned=self.tuned.summary(), base=base)


def benchmark(
    model: Model | str,
    name: str,
    baseline: Model | str | None = None,
    *,
    margin: float = MARGIN,
    data: str | Path | None = None,
    limit: int | None = None,
    download: bool = False,
    sandbox: Sandbox | None = None,
    **options: Unpack[EvaluateOptions],
) -> RegressionResult:
    """How a model does on a benchmark, and whether it lost more than a margin against a baseline.

    Args:
        model: The tuned model, `provider:model` or a `Model`.
        name: Of a benchmark (`gsm8k`, `mmlu`, …), or the path of an own data set in any format.
        baseline: The base model; without one there is no gate.
        margin: Tolerated loss, as a share of all rows (0.05: five points).
        data: The benchmark's file.
        limit: Only so many rows from the start.
        download: Get the benchmark's data from the Hugging Face hub where they are nowhere here.
        sandbox: Where programs run, for `humaneval`.
        **options: As for `evaluate`; `max_usd` is for each model.

    Raises:
        UnknownNameError: No such benchmark; the message lists the known ones.
        DataFormatError: The benchmark's file isn't there or isn't well formed.
        UsageError: The margin isn't between 0 and 1, or no row has an answer of both models.
        FinetunerError: As `evaluate`.
    """
    _require_margin(margin)
    with opened(options.pop("journal", None), options.pop("workspace", None)) as records:
        chosen = registry.load(
            name, path=data, limit=limit, workspace=records.journal.workspace, download=download, sandbox=sandbox
        )
        options = _options_for(chosen, options, records)
        base = None if baseline is None else evaluate(baseline, chosen.data, **options)
        tuned = evaluate(model, chosen.data, **options)
        return _kept(records, _result(chosen, base, tuned, margin))


async def benchmark_async(
    model: Model | str,
    name: str,
    baseline: Model | str | None = None,
    *,
    margin: float = MARGIN,
    data: str | Path | None = None,
    limit: int | None = None,
    download: bool = False,
    sandbox: Sandbox | None = None,
    **options: Unpack[EvaluateOptions],
) -> RegressionResult:
    """Like `benchmark`, without blocking the event loop."""
    _require_margin(margin)
    with opened(options.pop("journal", None), options.pop("workspace", None)) as records:
        chosen = registry.load(
            name, path=data, limit=limit, workspace=records.journal.workspace, download=download, sandbox=sandbox
        )
        options = _options_for(chosen, options, records)
        base = None if baseline is None else await evaluate_async(baseline, chosen.data, **options)
        tuned = await evaluate_async(model, chosen.data, **options)
        return _kept(records, _result(chosen, base, tuned, margin))


def regression(base: Evaluation, tuned: Evaluation, margin: float = MARGIN, *, name: str = "") -> RegressionResult:
    """The gate over two evaluations of the same data, by their deciding metric. Pure.

    Raises:
        UsageError: The margin isn't between 0 and 1, the data differ, or no row has an answer of both models.
    """
    _require_margin(margin)
    return _regression(base, tuned, margin, name or tuned.source, {tuned.primary: tuned.primary})


def non_inferiority(counts: PairedCounts, margin: float) -> tuple[Outcome, Estimate]:
    """Whether a tuned model is not worse than its base by more than a margin, with Tango's one-sided 95 % bounds."""
    bounds = tango_bounds(counts, alpha=_ALPHA)
    return _decide(bounds, margin), bounds


def _decide(bounds: Estimate, margin: float) -> Outcome:
    if bounds.low > -margin:
        return "pass"
    return "fail" if bounds.high < -margin else "not enough data"


def _regression(
    base: Evaluation, tuned: Evaluation, margin: float, name: str, metrics: dict[str, str]
) -> RegressionResult:
    if base.dataset != tuned.dataset:
        raise UsageError("the gate needs both models on the same data")
    parts = tuple(_part(title, metric, base, tuned, margin) for metric, title in metrics.items())
    outcomes = {part.outcome for part in parts}
    return RegressionResult(
        id=json_sha256({"base": base.id, "tuned": tuned.id, "margin": margin, "metrics": list(metrics)}),
        benchmark=name,
        margin=margin,
        tuned=tuned,
        base=base,
        parts=parts,
        outcome="fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "not enough data",
    )


def _part(title: str, metric: str, base: Evaluation, tuned: Evaluation, margin: float) -> Part:
    pairs = list(zip(base.rows, tuned.rows, strict=True))
    answered = [(_score(first, metric), _score(second, metric)) for first, second in pairs]
    scores = [(old, new) for old, new in answered if old is not None and new is not None]
    if not scores:
        raise UsageError("no row has an answer of both models, so the gate has nothing to decide on")
    bounds = _bounds(scores)
    outcome = _decide(bounds, margin)
    lost = len(pairs) - len(scores)
    hidden = outcome == "pass" and lost > 0 and not _survives(answered, margin)
    return Part(
        name=title,
        base=sum(old for old, _ in scores) / len(scores),
        tuned=sum(new for _, new in scores) / len(scores),
        difference=bounds,
        outcome="not enough data" if hidden else outcome,
        needs_n=None if outcome != "not enough data" else _needed(scores, margin),
        reason=f"passes only if the {lost} rows without an answer are left out: run it again to ask them"
        if hidden
        else _reason(outcome, bounds, margin),
    )


def _score(row: ScoredRow, metric: str) -> float | None:
    return row.scores.get(metric)


def _bounds(scores: list[tuple[float, float]]) -> Estimate:
    counts = _counts(scores)
    if counts is not None:
        return tango_bounds(counts, alpha=_ALPHA)
    base, tuned = zip(*scores, strict=True)
    both_sides = paired_bootstrap_mean(tuned, base, confidence=1 - 2 * _ALPHA)
    return attrs.evolve(both_sides, confidence=1 - _ALPHA, method="bootstrap BCa, one-sided bounds")


def _counts(scores: Iterable[tuple[float, float]]) -> PairedCounts | None:
    """How often which model was right; None where scores aren't right or wrong."""
    held = list(scores)
    if not binary([score for pair in held for score in pair]):
        return None
    return PairedCounts.from_outcomes((new == 1, old == 1) for old, new in held)


def _survives(answered: Iterable[tuple[float | None, float | None]], margin: float) -> bool:
    """Whether the gate passes even if every missing answer speaks against the tuned model."""
    worst = [(1.0 if old is None else old, 0.0 if new is None else new) for old, new in answered]
    return _decide(_bounds(worst), margin) == "pass"


def _needed(scores: list[tuple[float, float]], margin: float) -> int | None:
    counts = _counts(scores)
    if counts is None:
        return None
    discordance = max(counts.discordance, 1 / (counts.n + 1))
    without_loss = non_inferiority_sample_size(margin, discordance)
    if without_loss > counts.n or counts.difference <= -margin:
        return max(without_loss, counts.n + 1)
    return max(counts.n + 1, non_inferiority_sample_size(margin, discordance, difference=counts.difference))


def _reason(outcome: Outcome, bounds: Estimate, margin: float) -> str:
    if outcome == "pass":
        return f"a loss of more than {margin:.1%} is excluded: it is at most {max(0.0, -bounds.low):.1%}"
    if outcome == "fail":
        return f"a loss of more than {margin:.1%} is shown: it is at least {-bounds.high:.1%}"
    return f"the loss may be up to {-bounds.low:.1%}: more rows are needed to tell it from {margin:.1%}"


def _result(chosen: Benchmark, base: Evaluation | None, tuned: Evaluation, margin: float) -> RegressionResult:
    if base is not None:
        names = list(tuned.metrics) or [tuned.primary]
        titles = dict(zip(names, chosen.parts, strict=False)) or {tuned.primary: tuned.primary}
        return _regression(base, tuned, margin, chosen.name, titles)
    return RegressionResult(
        id=json_sha256({"tuned": tuned.id, "benchmark": chosen.name}),
        benchmark=chosen.name,
        margin=margin,
        tuned=tuned,
        base=None,
        parts=(),
        outcome=None,
    )


def _options_for(chosen: Benchmark, options: EvaluateOptions, records: EvaluationRecords) -> EvaluateOptions:
    """A named benchmark brings its own metrics; its rows are text, whatever they look like."""
    merged: EvaluateOptions = {**options, "journal": records.journal}
    if chosen.metrics is not None:
        merged["metrics"] = chosen.metrics
        merged["task"] = "generation"
    return merged


def _kept(records: EvaluationRecords, result: RegressionResult) -> RegressionResult:
    records.begin(result.id, model=result.tuned.model, dataset=result.tuned.dataset, kind="benchmark")
    records.finish(result.id, result.summary())
    return result


def _require_margin(margin: float) -> None:
    if not (math.isfinite(margin) and 0 < margin < 1):
        raise UsageError(f"margin is {margin}; give a share between 0 and 1, such as 0.05 for five points")
