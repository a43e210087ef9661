"""Latency histograms with a bounded relative error that add up across processes and days.

Source: OpenTelemetry base-2 exponential histogram: bucket i holds `(base^i, base^(i+1)]` with `base = 2^(2^-scale)`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Self

import attrs

from finetuner.errors import UsageError
from finetuner.evaluation.statistics.domain import require, require_share

DEFAULT_SCALE = 6
_MOST_SCALE = 20
_LEAST_EXPONENT, _MOST_EXPONENT = -1075, 1024


def bucket_index(value: float, scale: int = DEFAULT_SCALE) -> int:
    """The bucket of a value above 0, `ceil(log2(value) * 2^scale) - 1`."""
    return math.ceil(math.ldexp(math.log2(value), scale)) - 1


def relative_error(scale: int = DEFAULT_SCALE) -> float:
    """The largest relative error of a quantile, `(base - 1) / (base + 1)`: 0.0054 at scale 6."""
    return math.tanh(math.log(2) * 2.0 ** -(scale + 1))


@attrs.frozen
class Histogram:
    """Counts of non-negative values (seconds, tokens, USD) in buckets of equal relative width.

    Attributes:
        scale: Each doubling of the value spans `2^scale` buckets.
        zeros: Values that were exactly 0.
        buckets: `(index, count)` pairs in rising order, counts above 0.
    """

    scale: int = DEFAULT_SCALE
    zeros: int = 0
    buckets: tuple[tuple[int, int], ...] = ()

    def __attrs_post_init__(self) -> None:
        require(0 <= self.scale <= _MOST_SCALE, f"scale is {self.scale}: give 0 to {_MOST_SCALE}")
        require(self.zeros >= 0, f"{self.zeros} zeros: counts cannot be negative")
        indices = [index for index, _ in self.buckets]
        require(indices == sorted(set(indices)), "bucket indices must rise strictly")
        require(all(count > 0 for _, count in self.buckets), "bucket counts must be above 0")
        lowest, highest = _LEAST_EXPONENT << self.scale, _MOST_EXPONENT << self.scale
        require(all(lowest <= index <= highest for index in indices), "a bucket lies outside what a float can hold")

    @classmethod
    def from_values(cls, values: Iterable[float], *, scale: int = DEFAULT_SCALE) -> "Histogram":
        """Count values, each finite and at least 0."""
        recorder = HistogramRecorder(scale)
        for value in values:
            recorder.record(value)
        return recorder.histogram()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The histogram that `to_json` described.

        Raises:
            UsageError: When a field is missing or is not what `to_json` writes.
        """
        try:
            scale, zeros, rows = data["scale"], data["zeros"], data["buckets"]
            buckets = tuple((index, count) for index, count in rows)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"not a histogram ({error!r}): give scale, zeros, buckets as to_json writes them"
            ) from error
        numbers = (scale, zeros, *(number for bucket in buckets for number in bucket))
        require(all(type(number) is int for number in numbers), "scale, zeros and buckets must be integers")
        return cls(scale, zeros, buckets)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists that JSON can hold; `from_json` reads them."""
        return {"scale": self.scale, "zeros": self.zeros, "buckets": [list(bucket) for bucket in self.buckets]}

    @property
    def count(self) -> int:
        """How many values were counted."""
        return self.zeros + sum(count for _, count in self.buckets)

    def merge(self, other: "Histogram") -> Self:
        """The histogram of both sets of values, equal to counting them together; scales must agree."""
        require(self.scale == other.scale, f"scales {self.scale} and {other.scale} differ: merge equal scales only")
        counts = Counter(dict(self.buckets))
        counts.update(dict(other.buckets))
        return attrs.evolve(self, zeros=self.zeros + other.zeros, buckets=tuple(sorted(counts.items())))

    def quantile(self, q: float) -> float:
        """The value of rank `floor(q (n - 1))`, counted from 0, within `relative_error`.

        Args:
            q: Level, 0..1.

        Raises:
            UsageError: When nothing was counted or `q` is outside 0..1.
        """
        require_share("q", q)
        require(self.count > 0, "an empty histogram has no quantiles")
        rank = math.floor(q * (self.count - 1))
        seen = self.zeros
        value = 0.0
        for index, count in self.buckets:
            if rank < seen:
                break
            value = _midpoint(index, self.scale)
            seen += count
        return value


class HistogramRecorder:
    """Counts values one by one, in place; `histogram` freezes what was counted so far.

    Not synchronized: give each thread its own and merge their histograms.
    """

    __slots__ = ("_counts", "_scale", "_zeros")

    def __init__(self, scale: int = DEFAULT_SCALE) -> None:
        self._scale = scale
        self._zeros = 0
        self._counts: dict[int, int] = {}

    def record(self, value: float) -> None:
        """Count a value, finite and at least 0; raises `UsageError` for any other."""
        if value == 0:
            self._zeros += 1
            return
        if not 0 < value < math.inf:
            raise UsageError(f"{value} cannot be counted: give a finite value of at least 0")
        index = bucket_index(value, self._scale)
        self._counts[index] = self._counts.get(index, 0) + 1

    def histogram(self) -> Histogram:
        """The histogram of what was counted so far."""
        return Histogram(self._scale, self._zeros, tuple(sorted(self._counts.items())))


def _midpoint(index: int, scale: int) -> float:
    """`2 lower base / (1 + base)`: equally far from both ends of the bucket in relative terms."""
    base = math.exp2(math.ldexp(1, -scale))
    return math.exp2(math.ldexp(index, -scale)) * (2 * base / (1 + base))
