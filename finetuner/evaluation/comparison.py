"""Comparing a base and a tuned model on the same rows: the paired difference, and what it takes to see one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import attrs

from finetuner._core.hashing import json_sha256
from finetuner.errors import UsageError
from finetuner.evaluation.pairs import Pair, PairedScores
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.results import Evaluation, ScoredRow
from finetuner.evaluation.run import evaluate, evaluate_async, opened
from finetuner.evaluation.session import EvaluateOptions, priced
from finetuner.evaluation.slices import Correction, Slice, slices
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.providers.model import Model
from finetuner.records.evaluations import EvaluationRecords

Verdict = Literal["better", "worse", "no difference shown"]
"""What the data say about the tuned model."""

_ALPHA = 0.05


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
        slices: Per class, length, writing system, and metadata: where to look.
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

    def __str__(self) -> str:
        """Both models, their difference and the verdict, a line each, as `fine-tuner-cc compare` prints."""
        from finetuner.evaluation.text import comparison_text

        return comparison_text(self)

    @property
    def explanation(self) -> str:
        """The verdict in words, with what it would take where nothing is shown."""
        if self.verdict != "no difference shown":
            return f"{self.verdict} (p = {self.p_value:.2g})"
        if self.needed_n is None:
            return f"no difference shown: the models never disagree on {self.n} rows"
        what = "the observed difference" if self.difference.value else "a difference of one point"
        return f"no difference shown (p = {self.p_value:.2g}): would need n≈{self.needed_n:,} to see {what}"

    @property
    def won(self) -> tuple[ScoredRow, ...]:
        """The tuned model's rows on which it did better."""
        return tuple(self.tuned.rows[index] for index in self.wins)

    @property
    def lost(self) -> tuple[ScoredRow, ...]:
        """The tuned model's rows on which it did worse."""
        return tuple(self.tuned.rows[index] for index in self.losses)

    def plot(self) -> Any:
        """A figure of matplotlib (extra `plot`): the difference on all rows and on each slice.

        Raises:
            MissingExtraError: matplotlib isn't installed.
        """
        from finetuner.evaluation.plots import comparison_figure

        return comparison_figure(self)

    def summary(self) -> "Comparison":
        """The same without rows."""
        return attrs.evolve(self, base=self.base.summary(), tuned=self.tuned.summary())


def compare(
    base: Model | str,
    tuned: Model | str,
    data: LabeledData | str | Path,
    *,
    correction: Correction = "holm",
    **options: Unpack[EvaluateOptions],
) -> Comparison:
    """How a tuned model does against its base on the same rows.

    Args:
        base: `provider:model`, or a `Model`.
        tuned: Likewise.
        data: Examples with their expected answers, or the path of their file.
        correction: How p-values of slices are adjusted, over all groups together: `holm` or `bh`.
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
    data: LabeledData | str | Path,
    *,
    correction: Correction = "holm",
    **options: Unpack[EvaluateOptions],
) -> Comparison:
    """Like `compare`, without blocking the event loop."""
    with opened(options.pop("journal", None), options.pop("workspace", None)) as records:
        options["journal"] = records.journal
        first = await evaluate_async(base, data, **_affordable((base, tuned), records, options))
        second = await evaluate_async(tuned, data, **_rest(options, first))
        return _kept(records, compare_evaluations(first, second, correction=correction))


def compare_evaluations(base: Evaluation, tuned: Evaluation, *, correction: Correction = "holm") -> Comparison:
    """The comparison of two evaluations of the same data by their deciding metric. Pure.

    Raises:
        UsageError: Different data or metrics, or no row that both models answered.
    """
    if base.dataset != tuned.dataset or base.primary != tuned.primary:
        raise UsageError("only evaluations of the same data by the same deciding metric can be compared")
    pairs = _pairs(base, tuned)
    whole = PairedScores.of(pairs, base.primary)
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
        slices=slices(pairs, base.primary, correction),
        minimum_detectable_effect=whole.minimum_detectable_effect(),
        needed_n=None if shown else whole.needed_n(),
        verdict="no difference shown" if not shown else "better" if difference.value > 0 else "worse",
    )


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
