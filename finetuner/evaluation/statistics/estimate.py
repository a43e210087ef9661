"""What a statistic answers: an `Estimate` with its interval, or a `HypothesisTest` with its p-value."""

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share


@attrs.frozen(kw_only=True)
class Estimate:
    """A value with its confidence interval.

    A one-sided bound leaves the other end at what is possible at all (for instance infinity).

    Attributes:
        value: The point estimate, in the units of the metric.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Independent units behind it.
        confidence: Coverage of the interval, 0..1.
        method: Name of the interval, for reports.
    """

    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95
    method: str = ""

    def __attrs_post_init__(self) -> None:
        require(self.low <= self.high, f"the interval [{self.low}, {self.high}] is empty: low must not exceed high")
        require_open_share("confidence", self.confidence)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"

    def percent(self) -> str:
        """The value and its interval as percentages, such as `94.5% [90.4, 96.9]`."""
        return f"{100 * self.value:.1f}% [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    def excludes(self, x: float) -> bool:
        """Whether `x` lies outside the interval."""
        return not self.low <= x <= self.high


@attrs.frozen
class HypothesisTest:
    """A test statistic with its p-value.

    Attributes:
        statistic: In the units of the test.
        p_value: Probability of a statistic at least as extreme when nothing differs, 0..1.
    """

    statistic: float
    p_value: float
