"""What the tuned model must show before more users get it, and what takes it away from them."""

import math
from itertools import pairwise
from typing import Final, Literal

import attrs

from finetuner.errors import UsageError

QualityEvidence = Literal["any", "pairs", "feedback", "none"]
"""Where quality is decided: on shadow pairs, on feedback, on whichever shows it, or not at all."""

GUARDRAILS: Final = ("errors", "slow", "invalid", "cost", "quality")
"""What may go wrong; `Gates.deterioration_alpha` is divided among them."""

_DAY = 86_400.0
_MOST_ALPHA = 0.5


@attrs.frozen(kw_only=True)
class Gates:
    """Stages of a rollout and what each of them asks for.

    A margin is what the whole of the users may lose: at a small share more is tolerated for each unit with the tuned
    model, at the last step exactly the margin. Going on to share `s` needs `s * harm < margin` to be shown.

    Attributes:
        stages: Shares of units on the way to 1, rising; a shadow comes before the first.
        quality: Where quality is decided.
        quality_margin: Points (0 to 1) of quality that may be lost.
        error_margin: Points (0 to 1) by which errors may be more frequent, each unit counting the same.
        slow_margin: Likewise for answers slower than `slow_seconds`.
        invalid_margin: Likewise for invalid answers.
        cost_margin: Share (0 to 1) by which a request may cost more.
        slow_seconds: What is slow; by default base's p95 over its first 200 answers.
        deterioration_alpha: Chance of rolling back a harmless model, over all looks and all guardrails.
        alpha: Chance of raising the share of a model that is worse by the margin, over all looks, for each gate.
        min_units: Tuned units of a stage; shadow answers before the first.
        min_seconds: Age of a stage.
        max_seconds: Age of a stage at which not knowing enough is the answer.
        min_scored: Units with feedback in each arm, or pairs.
        most_lost: Share (0 to 1) of lost events above which nothing is decided.
        planned_units: Units at which intervals are tightest.
    """

    stages: tuple[float, ...] = (0.01, 0.05, 0.2, 0.5)
    quality: QualityEvidence = "any"
    quality_margin: float = 0.02
    error_margin: float = 0.01
    slow_margin: float = 0.02
    invalid_margin: float = 0.01
    cost_margin: float = 0.1
    slow_seconds: float | None = None
    deterioration_alpha: float = 0.01
    alpha: float = 0.05
    min_units: int = 200
    min_seconds: float = 1800.0
    max_seconds: float = 14 * _DAY
    min_scored: int = 100
    most_lost: float = 0.01
    planned_units: int = 5000

    def __attrs_post_init__(self) -> None:
        if any(low >= high for low, high in pairwise((0.0, *self.stages, 1.0))):
            raise UsageError(f"stages are {self.stages}: give shares that rise, above 0 and below 1")
        for field in ("quality_margin", "error_margin", "slow_margin", "invalid_margin", "cost_margin"):
            if not getattr(self, field) > 0:
                raise UsageError(f"{field} is {getattr(self, field)}: a margin is above 0")
        for field in ("deterioration_alpha", "alpha"):
            if not 0 < getattr(self, field) < _MOST_ALPHA:
                raise UsageError(f"{field} is {getattr(self, field)}: a level is above 0 and below {_MOST_ALPHA}")
        if self.min_units < 1 or self.min_scored < 1 or not 0 <= self.min_seconds < self.max_seconds:
            raise UsageError("min_units and min_scored are at least 1, min_seconds is less than max_seconds")

    def next_share(self, share: float) -> float:
        """The share of the stage after this one; 1 after the last."""
        return next((stage for stage in self.stages if stage > share), 1.0)

    @property
    def guardrail_level(self) -> float:
        """The level of each guardrail."""
        return self.deterioration_alpha / len(GUARDRAILS)

    @property
    def guardrail_alarm(self) -> float:
        """Log evidence at which a guardrail takes the model away."""
        return -math.log(self.guardrail_level)

    @property
    def quality_sources(self) -> tuple[str, ...]:
        """The kinds of evidence about quality that count."""
        if self.quality == "any":
            return ("pairs", "feedback")
        return () if self.quality == "none" else (self.quality,)
