"""The gates keep their promises on whole rollouts that are looked at all the time: short always, long when slow."""

import math

import pytest

from finetuner.deployment.gates import Gates
from finetuner.deployment.rehearsal import Rehearsal, World, rehearse
from finetuner.errors import UsageError

RUNS = [pytest.param(2, id="short"), pytest.param(200, id="long", marks=pytest.mark.slow)]
QUICK = 25.0


def most(level: float, runs: int) -> float:
    """The level plus three standard errors of a simulated share."""
    return level + 3 * math.sqrt(level * (1 - level) / runs)


def share_of(outcome: str, found: list[Rehearsal]) -> float:
    return sum(each.outcome == outcome for each in found) / len(found)


def played(runs: int, world: World, gates: Gates, requests: int) -> list[Rehearsal]:
    return [
        rehearse(world, gates=gates, share=0.5, seed=seed, most_requests=requests, look_every=500)
        for seed in range(runs)
    ]


@pytest.mark.parametrize("runs", RUNS)
def test_a_model_that_changes_nothing_is_rarely_taken_away(runs: int) -> None:
    """Level 1 % over all guardrails and all looks."""
    found = played(runs, World(units=800, per_second=QUICK), Gates(quality="feedback"), 3000)
    assert share_of("ROLLBACK", found) <= most(0.01, runs)
    assert share_of("INCONCLUSIVE", found) <= most(0.001, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_a_model_worse_by_the_margin_is_rarely_promoted(runs: int) -> None:
    """Level 5 % over all looks; a margin of 20 points, so that a rehearsal gets near to a decision."""
    wide = {"quality_margin": 0.2, "error_margin": 0.2, "slow_margin": 0.2}
    gates = Gates(quality="feedback", min_seconds=0.0, deterioration_alpha=1e-9, **wide)
    worse = World(units=800, per_second=QUICK, quality_change=-0.2)
    assert share_of("PROMOTE", played(runs, worse, gates, 3000)) <= most(0.05, runs)
    equal = World(units=800, per_second=QUICK)
    assert share_of("PROMOTE", played(1, equal, gates, 3000)) == 1, "the same gates let an equal model through"


def test_an_outage_is_found_within_a_handful_of_tuned_units() -> None:
    outage = World(units=20_000, per_second=QUICK, error_change=0.99)
    found = rehearse(outage, gates=Gates(quality="none"), share=0.05, look_every=20, most_requests=1000)
    assert found.outcome == "ROLLBACK"
    assert found.tuned_units <= 20
    assert found.last.reasons[0].startswith("errors: ")


def test_slow_answers_and_worse_pairs_are_found_too() -> None:
    slow = World(units=1000, per_second=QUICK, slower=3.0)
    found = rehearse(slow, gates=Gates(quality="none"), share=0.5, most_requests=3000)
    assert found.last.reasons[0].startswith("slow answers: ")
    worse = World(units=1000, per_second=QUICK, quality_change=-0.3, scored=0.0, judged=1.0)
    found = rehearse(worse, gates=Gates(quality="pairs"), share=0.01, most_requests=3000)
    assert found.last.reasons[0].startswith("quality on shadow pairs: worse")


def test_an_equal_model_walks_through_the_stages() -> None:
    gates = Gates(quality="none", stages=(0.2, 0.5), min_seconds=0.0, error_margin=0.05, slow_margin=0.1)
    found = rehearse(World(units=2000, errors=0.001), gates=gates, most_requests=8000, look_every=500)
    assert (found.outcome, found.shares) == ("PROMOTE", (0.2, 0.5, 1.0))


def test_the_same_seed_is_the_same_rehearsal_and_no_traffic_decides_nothing() -> None:
    again = [rehearse(World(), seed=7, most_requests=250) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0].outcome == "UNDECIDED"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_impossible_start_is_refused(share: float) -> None:
    with pytest.raises(UsageError):
        rehearse(World(), share=share)
    with pytest.raises(UsageError):
        World(units=0)
