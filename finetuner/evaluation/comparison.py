"""Comparing a base and a tuned model on the same rows: the paired difference, and what it takes to see one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, Unpack

import attrs

from finetuner._core.hashing import json_sha256
from finetuner.errors import UsageError
from finetuner.evaluation.metrics.grading import binary
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.results import Evaluation, ScoredRow
from finetuner.evaluation.run import evaluate, evaluate_async, opened
from finetuner.evaluation.session import EvaluateOptions, priced
from finetuner.evaluation.statistics.correction import benjamini_hochberg, holm
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.means import Moments
from finetuner.evaluation.statistics.paired import PairedCounts, mcnemar_exact, tango_interval
from finetuner.evaluation.statistics.power import (
    SamplingDesign,
    paired_minimum_detectable_effect,
    paired_sample_size,
    sampled_minimum_detectable_effect,
    sampled_sample_size,
)
from finetuner.evaluation.statistics.resampling import paired_bootstrap_mean, sign_flip_test
from finetuner.providers.model import Model
from finetuner.records.evaluations import EvaluationRecords

Verdict = Literal["better", "worse", "no difference shown"]
"""What the data say about the tuned model."""

Correction = Literal["holm", "bh"]
"""How p-values of slices are adjusted: `holm` bounds any false find, `bh` the share of false finds."""


_ALPHA = 0.05
_SMALLEST_OF_INTEREST = 0.01


@attrs.frozen(kw_only=True)
class Slice:
    """One class in a comparison.

    Attributes:
        name: The class.
        difference: Tuned minus base.
        base: Mean of the base model, in the units of the metric.
        tuned: Mean of the tuned model.
        p_value: Of this slice alone.
        adjusted_p_value: Adjusted for all slices.
    """

    name: str
    difference: Estimate
    base: float
    tuned: float
    p_value: float
    adjusted_p_value: float


@attrs.frozen(kw_only=True)
class Comparison:
    """A base and a tuned model on the same rows.

    Attributes:
        id: The same two evaluations have the same.
        base: How the base model did.
        tuned: How the tuned model did.
        primary: The metric that is compared.
        n: Rows with an answer of both models; only they are compared.
        unpaired: Rows where one or both calls failed.
        difference: Tuned minus base: Tango's score interval for right and wrong, else a paired bootstrap's.
        p_value: Two-sided: McNemar's exact test, else sign flips.
        wins: Indexes of the rows on which the tuned model did better.
        losses: Indexes of the rows on which it did worse.
        ties: Number of the other rows.
        slices: Per class, of a classifier.
        minimum_detectable_effect: Smallest true difference that this many rows would show with probability 0.8; None
            where even full disagreement is too little.
        needed_n: Rows that would show the observed difference (or one point, where none was observed) with
            probability 0.8; None where a difference is shown, or where the models never disagree.
        verdict: `better` or `worse` where p < 0.05, else `no difference shown`.
    """

    id: str
    base: Evaluation
    tuned: Evaluation
    primary: str
    n: int
    unpaired: int
    difference: Estimate
    p_value: float
    wins: tuple[int, ...]
    losses: tuple[int, ...]
    ties: int
    slices: tuple[Slice, ...]
    minimum_detectable_effect: float | None
    needed_n: int | None
    verdict: Verdict

    @property
    def explanation(self) -> str:
        """The verdict in words, with what it would take where nothing is shown."""
        if self.verdict != "no difference shown":
            return f"{self.verdict} (p = {self.p_value:.2g})"
        if self.needed_n is None:
            return f"no difference shown: the models never disagree on {self.n} rows"
        what = "the observed difference" if self.difference.value else "a difference of one point"
        return f"no difference shown (p = {self.p_value:.2g}): would need n≈{self.needed_n:,} to see {what}"

    def summary(self) -> "Comparison":
        """The same without rows."""
        return attrs.evolve(self, base=self.base.summary(), tuned=self.tuned.summary())


def compare(
    base: Model | str,
    tuned: Model | str,
    data: LabeledData,
    *,
    correction: Correction = "bh",
    **options: Unpack[EvaluateOptions],
) -> Comparison:
    """How a tuned model does against its base on the same rows.

    Args:
        base: `provider:model`, or a `Model`.
        tuned: Likewise.
        data: Examples with their expected answers.
        correction: How p-values of slices are adjusted: `bh` or `holm`.
        **options: As for `evaluate`; `max_usd` is for both models together.

    Returns:
        The paired difference with its interval, the test, wins and losses, slices, and a verdict.

    Raises:
        UsageError: No row has an answer of both models.
        FinetunerError: As `evaluate`.
    """
    with opened(options.pop("journal", None), options.pop("workspace", None)) as records:
        options["journal"] = records.journal
        first = evaluate(base, data, **_affordable((base, tuned), records, options))
        second = evaluate(tuned, data, **_rest(options, first))
        return _kept(records, compare_evaluations(first, second, correction=correction))


async def compare_async(
    base: Model | str,
    tuned: Model | str,
    data: LabeledData,
    *,
    correction: Correction = "bh",
    **options: Unpack[EvaluateOptions],
) -> Comparison:
    """Like `compare`, without blocking the event loop."""
    with opened(options.pop("journal", None), options.pop("workspace", None)) as records:
        options["journal"] = records.journal
        first = await evaluate_async(base, data, **_affordable((base, tuned), records, options))
        second = await evaluate_async(tuned, data, **_rest(options, first))
        return _kept(records, compare_evaluations(first, second, correction=correction))


def compare_evaluations(base: Evaluation, tuned: Evaluation, *, correction: Correction = "bh") -> Comparison:
    """The comparison of two evaluations of the same data by their deciding metric. Pure.

    Raises:
        UsageError: Different data or metrics, or no row that both models answered.
    """
    if base.dataset != tuned.dataset or base.primary != tuned.primary:
        raise UsageError("only evaluations of the same data by the same deciding metric can be compared")
    pairs = _pairs(base, tuned)
    whole = _Paired.of(pairs, base.primary)
    difference, p_value = whole.difference(), whole.p_value()
    shown = p_value < _ALPHA
    return Comparison(
        id=json_sha256({"base": base.id, "tuned": tuned.id, "metric": base.primary}),
        base=base,
        tuned=tuned,
        primary=base.primary,
        n=len(pairs),
        unpaired=len(tuned.rows) - len(pairs),
        difference=difference,
        p_value=p_value,
        wins=_where(pairs, base.primary, lambda change: change > 0),
        losses=_where(pairs, base.primary, lambda change: change < 0),
        ties=len(_where(pairs, base.primary, lambda change: change == 0)),
        slices=_slices(pairs, base.primary, correction) if base.task == "classification" else (),
        minimum_detectable_effect=whole.minimum_detectable_effect(),
        needed_n=None if shown else whole.needed_n(),
        verdict="no difference shown" if not shown else "better" if difference.value > 0 else "worse",
    )


Pair = tuple[ScoredRow, ScoredRow]
"""The base's and the tuned model's row."""


@attrs.frozen
class _Paired:
    """Scores of the same rows, base and tuned: what a comparison computes from them."""

    base: Sequence[float]
    tuned: Sequence[float]

    @classmethod
    def of(cls, pairs: Sequence[Pair], metric: str) -> "_Paired":
        return cls([base.scores[metric] for base, _ in pairs], [tuned.scores[metric] for _, tuned in pairs])

    def counts(self) -> PairedCounts | None:
        """How often which model was right; None where scores aren't right or wrong."""
        if not binary(self.base) or not binary(self.tuned):
            return None
        return PairedCounts.from_outcomes(
            (tuned == 1, base == 1) for base, tuned in zip(self.base, self.tuned, strict=True)
        )

    def difference(self) -> Estimate:
        counts = self.counts()
        return paired_bootstrap_mean(self.tuned, self.base) if counts is None else tango_interval(counts)

    def p_value(self) -> float:
        counts = self.counts()
        return sign_flip_test(self.tuned, self.base) if counts is None else mcnemar_exact(counts)

    def minimum_detectable_effect(self) -> float | None:
        counts, n = self.counts(), len(self.base)
        if counts is None:
            return sampled_minimum_detectable_effect(n, self._design()) if n > 1 else None
        # Where no disagreement was seen, one more row might have shown the first.
        effect = paired_minimum_detectable_effect(n, max(counts.discordance, 1 / (n + 1)))
        return effect if effect <= 1 else None

    def needed_n(self) -> int | None:
        counts = self.counts()
        if counts is None:
            change = sum(self.tuned) - sum(self.base)
            enough = len(self.base) > 1 and change != 0
            return round(sampled_sample_size(change / len(self.base), self._design())) if enough else None
        if counts.discordance == 0:
            return None
        effect = counts.difference or min(_SMALLEST_OF_INTEREST, counts.discordance)
        return paired_sample_size(effect, counts.discordance)

    def _design(self) -> SamplingDesign:
        changes = Moments.from_values(tuned - base for base, tuned in zip(self.base, self.tuned, strict=True))
        return SamplingDesign(difference_variance=changes.variance, tuned_noise=0.0, base_noise=0.0)


def _pairs(base: Evaluation, tuned: Evaluation) -> list[Pair]:
    pairs = [
        (first, second)
        for first, second in zip(base.rows, tuned.rows, strict=True)
        if first.error is None and second.error is None
    ]
    if not pairs:
        errors = [row.error for evaluation in (base, tuned) for row in evaluation.rows if row.error is not None]
        raise UsageError(
            f"no row has an answer of both models, so there is nothing to compare; first error: {errors[0]}"
        )
    return pairs


def _where(pairs: Sequence[Pair], metric: str, condition: Callable[[float], bool]) -> tuple[int, ...]:
    return tuple(tuned.index for base, tuned in pairs if condition(tuned.scores[metric] - base.scores[metric]))


def _slices(pairs: Sequence[Pair], metric: str, correction: Correction) -> tuple[Slice, ...]:
    by_class: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_class[pair[0].expected].append(pair)
    paired = {name: _Paired.of(of_class, metric) for name, of_class in sorted(by_class.items())}
    p_values = [scores.p_value() for scores in paired.values()]
    adjusted = (holm if correction == "holm" else benjamini_hochberg)(p_values)
    return tuple(
        Slice(
            name=name,
            difference=scores.difference(),
            base=sum(scores.base) / len(scores.base),
            tuned=sum(scores.tuned) / len(scores.tuned),
            p_value=p_value,
            adjusted_p_value=adjusted_p,
        )
        for (name, scores), p_value, adjusted_p in zip(paired.items(), p_values, adjusted, strict=True)
    )


def _affordable(models: Sequence[Model | str], records: EvaluationRecords, options: EvaluateOptions) -> EvaluateOptions:
    """The options as they are; a budget that can't be kept for one of the models is refused before the first call."""
    for model in models:
        priced(Model.of(model).connected(), records.journal, options.get("max_usd"))
    return options


def _rest(options: EvaluateOptions, first: Evaluation) -> EvaluateOptions:
    """The options for the second model, with what is left of the money."""
    limit = options.get("max_usd")
    return options if limit is None else {**options, "max_usd": max(0.0, limit - (first.cost or 0.0))}


def _kept(records: EvaluationRecords, comparison: Comparison) -> Comparison:
    records.begin(comparison.id, model=comparison.tuned.model, dataset=comparison.tuned.dataset, kind="comparison")
    records.finish(comparison.id, comparison.summary())
    return comparison
