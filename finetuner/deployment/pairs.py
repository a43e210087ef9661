"""Pairs of answers to shadowed requests, for a judge or a metric to score: quality is decided before users see tuned.

A router keeps the texts with `RouterOptions(texts="pairs")`. What a scorer says is recorded as an event, so that it
joins the rollout's report like everything else.
"""

from collections.abc import Callable, Iterable

import attrs

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.errors import UsageError

_BATCH = 100


@attrs.frozen(kw_only=True)
class Pair:
    """Two answers to one request.

    Attributes:
        request_id: Of both.
        prompt: What was asked, as the router kept it.
        base: What the user got.
        tuned: What nobody saw.
    """

    request_id: str
    prompt: str
    base: str
    tuned: str


Scorer = Callable[[Pair], tuple[float, float]]
"""How good both answers are, base's and tuned's, each 0 to 1: a metric, or a judge that is asked about each."""


def pairs(events: Iterable[Observation]) -> tuple[Pair, ...]:
    """Pairs whose texts were kept and that have no verdict yet, in the order of their shadows.

    Args:
        events: Of one rollout, in any order.
    """
    seen: dict[str, dict[str, Observation]] = {}
    for event in events:
        seen.setdefault(event.request_id, {})[event.kind] = event
    return tuple(
        pair
        for kinds in seen.values()
        if "verdict" not in kinds and (pair := _pair(kinds.get("exposure"), kinds.get("shadow"))) is not None
    )


def verdict(pair: Pair, base: float, tuned: float, *, at: float) -> Observation:
    """What a scorer says about a pair, as an event.

    Args:
        pair: The answers.
        base: Quality of base's, 0 to 1.
        tuned: Quality of tuned's, 0 to 1.
        at: Seconds since the epoch.

    Raises:
        UsageError: A quality is outside 0 to 1.
    """
    if not (0 <= base <= 1 and 0 <= tuned <= 1):
        raise UsageError(f"the scorer gave {base} and {tuned}: give 0 (useless) to 1")
    return Observation(kind="verdict", request_id=pair.request_id, at=at, quality=base, tuned_quality=tuned)


def score(rollout: Rollout, scorer: Scorer, *, most: int | None = None) -> int:
    """Score pairs that have no verdict yet, and tell how many; `rollout.report()` then counts them.

    What was scored is kept every hundred pairs: a scorer that fails, or a process that is killed, loses no more.

    Args:
        rollout: Whose pairs.
        scorer: Says how good both answers are.
        most: Pairs, for a judge that costs money; None for all.

    Raises:
        UsageError: The scorer gave something outside 0 to 1.
    """
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    waiting = pairs(observations.folded(rollout.journal, rollout.name))[:most]
    for start in range(0, len(waiting), _BATCH):
        said = [verdict(pair, *scorer(pair), at=rollout.clock.now()) for pair in waiting[start : start + _BATCH]]
        observations.record(rollout.events_folder, *said)
    return len(waiting)


def _pair(exposure: Observation | None, shadow: Observation | None) -> Pair | None:
    if exposure is None or shadow is None or exposure.answer is None or shadow.answer is None:
        return None
    return Pair(request_id=shadow.request_id, prompt=shadow.prompt or "", base=exposure.answer, tuned=shadow.answer)
