"""BLEU and chrF through `sacrebleu` (extra `text`)."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np

from finetuner._core import extras
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric
from finetuner.evaluation.statistics.estimate import Estimate

_RESAMPLES = 2_000
_LEVELS = (0.025, 0.975)
_HUNDRED = 100.0
_ORDER = 4


@attrs.frozen
class Bleu:
    """BLEU of all answers together, 0..1; its interval is a percentile bootstrap over rows (2,000 resamples, seed 0).

    Source: Papineni et al. 2002; Post 2018, arXiv 1804.08771.
    """

    name: str = "bleu"

    def grade(self, case: Case) -> Grade:
        """BLEU of one answer (effective order), 0..1."""
        score = _bleu(effective=True).sentence_score(case.answer, [case.expected]).score
        return Grade(expected=case.expected, value=score / _HUNDRED, parsed=case.answer)

    def summarize(self, grades: Sequence[Grade]) -> Mapping[str, Estimate]:
        """BLEU of the whole."""
        scores = [_bleu(effective=False).sentence_score(grade.parsed or "", [grade.expected]) for grade in grades]
        counts = np.array([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores], float)
        value = _corpus(counts.sum(axis=0))
        generator, n = np.random.default_rng(0), len(grades)
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) @ counts
        low, high = (float(end) for end in np.quantile([_corpus(row) for row in drawn], _LEVELS))
        estimate = Estimate(value=value, low=min(low, value), high=max(high, value), n=n, method="bootstrap percentile")
        return {self.name: estimate}


@attrs.frozen
class Chrf(MeanMetric):
    """Mean chrF2 of answers, 0..1.

    Source: Popović 2015, *chrF: character n-gram F-score for automatic MT evaluation*.
    """

    name: str = "chrf"

    def grade(self, case: Case) -> Grade:
        """chrF2 of one answer, 0..1."""
        score = _chrf().sentence_score(case.answer, [case.expected]).score
        return Grade(expected=case.expected, value=min(1.0, score / _HUNDRED), parsed=case.answer)


def _corpus(counts: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    """BLEU of summed n-gram hits, n-grams, and the two lengths."""
    score = _library().BLEU.compute_bleu(
        correct=counts[:_ORDER].tolist(),
        total=counts[_ORDER : 2 * _ORDER].tolist(),
        sys_len=int(counts[-2]),
        ref_len=int(counts[-1]),
    )
    return float(score.score) / _HUNDRED


@cache
def _library() -> Any:
    return extras.require("sacrebleu", extra="text", feature="BLEU and chrF")


@cache
def _bleu(*, effective: bool) -> Any:
    return _library().BLEU(effective_order=effective)


@cache
def _chrf() -> Any:
    return _library().CHRF()
