"""Exact evidence that the tuned model causes rare bad events (formula B), valid at every look.

A bad event is an error, a time-out, invalid output, an answer slower than a limit fixed before, a failed judgement.
If the tuned model changes nothing, the bad units are split between the arms as all units are, whatever the rate of
bad events does over time: incidents hit both arms.
"""

import math
from typing import Self

import attrs

from finetuner.evaluation.statistics.domain import require, require_open_share, require_positive
from finetuner.evaluation.statistics.special import log_beta

DEFAULT_CONCENTRATION = 20.0


def label_log_e(tuned_bad: int, bad: int, share: float, *, concentration: float = DEFAULT_CONCENTRATION) -> float:
    """Log evidence that bad units are not split as assigned (formula B): an e-process, alarm at `ln(1/alpha)`.

    Source: beta-binomial mixture e-process; Ville's inequality bounds false alarms over all looks.

    Args:
        tuned_bad: Bad units assigned to the tuned model; a unit counts once, at its first bad event.
        bad: Bad units in all.
        share: Of units assigned to the tuned model, strictly between 0 and 1.
        concentration: Weight of the prior around `share`; 2 to 20 serve.

    Returns:
        Natural logarithm of the e-value; evidence in either direction.

    Raises:
        UsageError: For impossible counts or arguments.
    """
    require_open_share("share", share)
    require_positive("concentration", concentration)
    require(0 <= tuned_bad <= bad, f"{tuned_bad} of {bad} bad units assigned to the tuned model are impossible")
    a, b = concentration * share, concentration * (1 - share)
    base_bad = bad - tuned_bad
    mixture = log_beta(a + tuned_bad, b + base_bad) - log_beta(a, b)
    return mixture - tuned_bad * math.log(share) - base_bad * math.log1p(-share)


def bad_units_to_roll_back(share: float, alpha: float, *, concentration: float = DEFAULT_CONCENTRATION) -> int:
    """How many bad units, all assigned to the tuned model, it takes to roll back at level `alpha`."""
    require_open_share("alpha", alpha)
    count = 1
    while label_log_e(count, count, share, concentration=concentration) < -math.log(alpha):
        count += 1
    return count


@attrs.frozen
class StageCounts:
    """Bad units while one share was in force.

    Attributes:
        share: Of units assigned to the tuned model, strictly between 0 and 1.
        tuned_bad: Bad units assigned to the tuned model.
        bad: Bad units in all.
    """

    share: float
    tuned_bad: int = 0
    bad: int = 0

    def __attrs_post_init__(self) -> None:
        require_open_share("share", self.share)
        require(0 <= self.tuned_bad <= self.bad, f"{self.tuned_bad} of {self.bad} bad units are impossible")


@attrs.frozen
class Guardrail:
    """The evidence about one kind of bad event over the stages of a rollout.

    Attributes:
        stages: Counts of each stage, in order.
        concentration: Weight of the prior around each share.
    """

    stages: tuple[StageCounts, ...] = ()
    concentration: float = DEFAULT_CONCENTRATION

    def with_stage(self, share: float) -> Self:
        """A guardrail that counts what follows at another share."""
        return attrs.evolve(self, stages=(*self.stages, StageCounts(share)))

    def with_bad(self, *, tuned: int = 0, base: int = 0) -> Self:
        """A guardrail with that many more bad units of each arm in the current stage."""
        require(bool(self.stages), "no stage has begun: call with_stage(share) first")
        *earlier, current = self.stages
        now = StageCounts(current.share, current.tuned_bad + tuned, current.bad + tuned + base)
        return attrs.evolve(self, stages=(*earlier, now))

    @property
    def log_e(self) -> float:
        """Log evidence of all stages together: the sum of theirs."""
        return math.fsum(
            label_log_e(stage.tuned_bad, stage.bad, stage.share, concentration=self.concentration)
            for stage in self.stages
        )

    @property
    def excess(self) -> float:
        """Bad units of the tuned model above what its share of all bad units explains."""
        return math.fsum(stage.tuned_bad - stage.bad * stage.share for stage in self.stages)

    def deteriorated(self, alpha: float) -> bool:
        """Whether to roll back: the tuned model has too many bad units, with evidence at level `alpha`.

        With several guardrails give each an equal part of the total level.
        """
        require_open_share("alpha", alpha)
        return self.excess > 0 and self.log_e >= -math.log(alpha)
