"""Two models on the same rows: their scores in pairs, and what follows from them."""

from collections.abc import Sequence

import attrs

from finetuner.evaluation.metrics.grading import binary
from finetuner.evaluation.results import ScoredRow
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

_SMALLEST_OF_INTEREST = 0.01

Pair = tuple[ScoredRow, ScoredRow]
"""The base's and the tuned model's row."""


@attrs.frozen
class PairedScores:
    """Scores of the same rows, base and tuned: what a comparison computes from them.

    Attributes:
        base: One for each row.
        tuned: Likewise, in the same order.
    """

    base: Sequence[float]
    tuned: Sequence[float]

    @classmethod
    def of(cls, pairs: Sequence[Pair], metric: str) -> "PairedScores":
        """The scores of pairs by one metric."""
        return cls([base.scores[metric] for base, _ in pairs], [tuned.scores[metric] for _, tuned in pairs])

    def counts(self) -> PairedCounts | None:
        """How often which model was right; None where scores aren't right or wrong."""
        if not binary(self.base) or not binary(self.tuned):
            return None
        return PairedCounts.from_outcomes(
            (tuned == 1, base == 1) for base, tuned in zip(self.base, self.tuned, strict=True)
        )

    def difference(self) -> Estimate:
        """Tuned minus base: Tango for right and wrong, else a paired bootstrap."""
        counts = self.counts()
        return paired_bootstrap_mean(self.tuned, self.base) if counts is None else tango_interval(counts)

    def p_value(self) -> float:
        """Two-sided: McNemar's exact test for right and wrong, else sign flips."""
        counts = self.counts()
        return sign_flip_test(self.tuned, self.base) if counts is None else mcnemar_exact(counts)

    def minimum_detectable_effect(self) -> float | None:
        """The smallest true difference that so many rows would show with probability 0.8."""
        counts, n = self.counts(), len(self.base)
        if counts is None:
            return sampled_minimum_detectable_effect(n, self._design()) if n > 1 else None
        # Where no disagreement was seen, one more row might have shown the first.
        effect = paired_minimum_detectable_effect(n, max(counts.discordance, 1 / (n + 1)))
        return effect if effect <= 1 else None

    def needed_n(self) -> int | None:
        """Rows that would show the observed difference with probability 0.8; None where that is unknown."""
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
