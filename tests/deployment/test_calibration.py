"""False alarms under continuous looking stay below their level: a short seeded run always, a long one when slow."""

import math
import random

import pytest

from finetuner.deployment import guardrails, sample_ratio, sequential
from finetuner.evaluation.statistics.means import Effect
from finetuner.evaluation.statistics.proportions import wilson

RUNS = [pytest.param(100, id="short"), pytest.param(1000, id="long", marks=pytest.mark.slow)]


def most(level, runs):
    """The level plus three standard errors of a simulated share."""
    return level + 3 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("runs", RUNS)
def test_formula_a_misses_no_difference_where_a_fixed_interval_misses_often(runs):
    """Pairs in {-1, 0, 1} without a difference, looked at every 50 pairs up to 2,500."""
    rng = random.Random(20)
    alarms = fixed = 0
    for _ in range(runs):
        total = squares = 0
        crossed = crossed_fixed = False
        for n in range(1, 2501):
            step = rng.choice((-1, 0, 0, 0, 1))
            total += step
            squares += step * step
            if n >= 100 and n % 50 == 0:
                se = math.sqrt((squares - total * total / n) / (n - 1) / n)
                crossed |= sequential.confidence_sequence(Effect(total / n, se, n)).excludes(0)
                crossed_fixed |= abs(total / n) > 1.96 * se
        alarms += crossed
        fixed += crossed_fixed
    assert alarms / runs <= most(0.05, runs)
    assert fixed / runs > 0.15


@pytest.mark.parametrize("runs", RUNS)
def test_formula_b_rarely_rolls_back_a_model_that_changes_nothing(runs):
    """Looked at after every bad unit, at level 1 %."""
    rng = random.Random(21)
    alarms = 0
    for run in range(runs):
        share, tuned = (0.05, 0.2, 0.5)[run % 3], 0
        for bad in range(1, 301):
            tuned += rng.random() < share
            if tuned > bad * share and guardrails.label_log_e(tuned, bad, share) >= math.log(100):
                alarms += 1
                break
    assert alarms / runs <= most(0.01, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_formula_c_misses_the_share_at_most_as_often_as_promised(runs):
    """Looked at after every unit."""
    rng = random.Random(22)
    misses = 0
    for _ in range(runs):
        successes = 0
        for n in range(1, 801):
            successes += rng.random() < 0.1
            if sequential.share_log_e(successes, n, 0.1, planned_n=500) >= math.log(20):
                misses += 1
                break
    assert misses / runs <= most(0.05, runs)


@pytest.mark.parametrize("runs", RUNS)
def test_formula_e_keeps_quiet_when_arms_are_as_designed_and_finds_lost_events(runs):
    """Looked at every 50 units up to 5,000, at level 0.1 %; one in three tuned units lost is found."""
    rng = random.Random(23)

    def alarm(share):
        tuned = 0
        for n in range(1, 5001):
            tuned += rng.random() < share
            if n % 50 == 0 and sample_ratio.mismatched([sample_ratio.ArmCounts(0.5, tuned, n - tuned)]):
                return True
        return False

    assert sum(alarm(0.5) for _ in range(runs)) / runs <= most(0.001, runs)
    assert sum(alarm(0.4) for _ in range(20)) >= 18


@pytest.mark.slow
def test_wilson_covers_about_what_it_promises_over_many_shares():
    """Average over uniform shares and 20,000 samples of 100."""
    rng = random.Random(24)
    runs, covered = 20_000, 0
    for _ in range(runs):
        p = rng.uniform(0.02, 0.98)
        covered += not wilson(sum(rng.random() < p for _ in range(100)), 100).excludes(p)
    assert covered / runs == pytest.approx(0.95, abs=0.01)
