"""Seeded bootstrap and permutation for scores of any shape; the same seed gives the same answer."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from finetuner.evaluation.statistics.domain import require, require_open_share, require_positive
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.special import normal_cdf, normal_quantile

Scores = npt.NDArray[np.float64]
Statistic = Callable[[Scores], float]
Interval = Literal["bca", "percentile"]

_MOST_DISTINCT = 64
_CHUNK_CELLS = 4_000_000
_TIE = 1e-12


def bootstrap_mean(
    scores: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    interval: Interval = "bca",
) -> Estimate:
    """The mean of independent items with its bootstrap interval.

    Scores with few distinct values are drawn as multinomial counts, which is the same distribution and about a
    hundred times faster.

    Source: Efron 1987, JASA 82:171 (bias-corrected and accelerated); Efron 1979, Annals of Statistics 7:1.

    Args:
        scores: One number for each item, shape `(n_items,)`.
        confidence: Two-sided coverage, 0..1.
        resamples: Bootstrap samples.
        seed: Of the random generator.
        interval: `"bca"` or `"percentile"`.

    Returns:
        The mean with its interval.

    Raises:
        UsageError: For no or non-finite scores, or impossible options.
    """
    values = _vector(scores)
    require_positive("resamples", resamples)
    n = values.size
    deviations = values - values.mean()
    replicates = _mean_replicates(values, resamples, np.random.default_rng(seed))
    # Leaving item i out moves the mean by -deviation_i/(n - 1): the acceleration depends on the shape only.
    return _bootstrap_estimate(float(values.mean()), replicates, deviations, n, confidence, interval)


def paired_bootstrap_mean(
    tuned: npt.ArrayLike,
    base: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    interval: Interval = "bca",
) -> Estimate:
    """The difference of means, tuned minus base, on the same items; arguments as `bootstrap_mean`."""
    return bootstrap_mean(
        _differences(tuned, base), confidence=confidence, resamples=resamples, seed=seed, interval=interval
    )


def bootstrap(
    items: npt.ArrayLike,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    interval: Interval = "bca",
) -> Estimate:
    """Any statistic of independent items with its bootstrap interval.

    To compare two models on the same items (macro F1 of both, say), put what belongs to one item in one row and let
    the statistic return the difference: rows are drawn as a whole, so pairs stay together.

    Source: as `bootstrap_mean`; the acceleration is the jackknife's.

    Args:
        items: Shape `(n_items,)` or `(n_items, n_columns)`, at least two items.
        statistic: Of an array of that shape, with any number of items.
        confidence: Two-sided coverage, 0..1.
        resamples: Bootstrap samples.
        seed: Of the random generator.
        interval: `"bca"` or `"percentile"`.

    Returns:
        The statistic with its interval.

    Raises:
        UsageError: For fewer than two items or impossible options.
    """
    rows = np.asarray(items, dtype=np.float64)
    require(rows.ndim > 0 and len(rows) > 1, "the bootstrap needs at least two items")
    require_positive("resamples", resamples)
    n = len(rows)
    rng = np.random.default_rng(seed)
    replicates = np.fromiter((statistic(rows[rng.integers(0, n, n)]) for _ in range(resamples)), np.float64, resamples)
    influence = np.zeros(n)
    if interval == "bca":
        left_out = np.fromiter((statistic(np.delete(rows, i, axis=0)) for i in range(n)), np.float64, n)
        influence = left_out.mean() - left_out
    return _bootstrap_estimate(statistic(rows), replicates, influence, n, confidence, interval)


def sign_flip_test(tuned: npt.ArrayLike, base: npt.ArrayLike, *, resamples: int = 10_000, seed: int = 0) -> float:
    """The two-sided p-value that which of two models scored what on an item is a coin toss.

    Source: Fisher 1935, The Design of Experiments; `p = (1 + #extreme) / (1 + resamples)` as in Phipson and Smyth
    2010, Statistical Applications in Genetics and Molecular Biology 9:39.

    Args:
        tuned: Scores of the tuned model, shape `(n_items,)`.
        base: Scores of the base model on the same items.
        resamples: Random sign flips.
        seed: Of the random generator.

    Returns:
        The p-value, above 0 and at most 1.

    Raises:
        UsageError: For no, non-finite or unequally many scores.
    """
    require_positive("resamples", resamples)
    differences = _differences(tuned, base)
    differences = differences[differences != 0]
    observed = abs(float(differences.sum()))
    tolerance = _TIE * float(np.abs(differences).sum())
    extreme = sum(
        int(np.count_nonzero(np.abs(sums) >= observed - tolerance))
        for sums in _flipped_sums(differences, resamples, np.random.default_rng(seed))
    )
    return (1 + extreme) / (1 + resamples)


def _flipped_sums(differences: Scores, resamples: int, rng: np.random.Generator) -> Iterator[Scores]:
    """Sums under random signs; equal magnitudes share one binomial draw."""
    sizes, counts = np.unique(np.abs(differences), return_counts=True)
    if sizes.size <= _MOST_DISTINCT:
        positive = rng.binomial(counts, 0.5, size=(resamples, sizes.size))
        yield np.asarray((2.0 * positive - counts) @ sizes, dtype=np.float64)
        return
    total = float(differences.sum())
    for rows in _chunks(resamples, differences.size):
        flips = np.unpackbits(
            rng.integers(0, 256, size=(rows, -(-differences.size // 8)), dtype=np.uint8), axis=1, count=differences.size
        )
        yield total - 2.0 * (flips @ differences)


def _mean_replicates(values: Scores, resamples: int, rng: np.random.Generator) -> Scores:
    n = values.size
    distinct, counts = np.unique(values, return_counts=True)
    if distinct.size <= _MOST_DISTINCT:
        drawn: Scores = rng.multinomial(n, counts / n, size=resamples) @ distinct / n
        return drawn
    means = [values[rng.integers(0, n, size=(rows, n))].mean(axis=1) for rows in _chunks(resamples, n)]
    return np.concatenate(means)


def _bootstrap_estimate(
    value: float, replicates: Scores, influence: Scores, n: int, confidence: float, interval: Interval
) -> Estimate:
    require_open_share("confidence", confidence)
    require(interval in {"bca", "percentile"}, f"interval is {interval!r}: give 'bca' or 'percentile'")
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]
    method = "bootstrap percentile"
    if interval == "bca":
        levels = _bca_levels(value, replicates, influence, levels)
        method = "bootstrap BCa"
    low, high = (float(end) for end in np.quantile(replicates, levels))
    return Estimate(value=value, low=low, high=high, n=n, confidence=confidence, method=method)


def _bca_levels(value: float, replicates: Scores, influence: Scores, levels: list[float]) -> list[float]:
    tolerance = _TIE * max(1.0, abs(value))
    below = float(np.mean(replicates < value - tolerance))
    tied = float(np.mean(np.abs(replicates - value) <= tolerance))
    center = below + tied / 2
    spread = float(np.sum(influence**2))
    if not 0 < center < 1 or spread == 0:
        return levels
    bias = normal_quantile(center)
    acceleration = float(np.sum(influence**3)) / (6 * spread**1.5)
    shifted = [bias + normal_quantile(level) for level in levels]
    return [normal_cdf(bias + shift / (1 - acceleration * shift)) for shift in shifted]


def _chunks(rows: int, columns: int) -> Iterator[int]:
    """Row counts that add up to `rows`, each small enough to keep memory bounded."""
    most = max(1, _CHUNK_CELLS // max(1, columns))
    for start in range(0, rows, most):
        yield min(most, rows - start)


def _vector(scores: npt.ArrayLike) -> Scores:
    values = np.asarray(scores, dtype=np.float64)
    require(values.ndim == 1 and values.size > 0, "give at least one score, as a flat sequence")
    require(bool(np.isfinite(values).all()), "scores must be finite: leave errored items out and report their number")
    return values


def _differences(tuned: npt.ArrayLike, base: npt.ArrayLike) -> Scores:
    first, second = _vector(tuned), _vector(base)
    require(
        first.size == second.size, f"{first.size} tuned and {second.size} base scores: both models need the same items"
    )
    return first - second
