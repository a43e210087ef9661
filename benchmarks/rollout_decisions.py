"""How often the gates err, and how soon they find a fault: rehearsals of many rollouts, looked at every 250 requests.

Run: `python benchmarks/rollout_decisions.py [RUNS]`. Seeds are fixed: the same version gives the same table.
"""

import sys
import time
from statistics import median

from finetuner.deployment.gates import Gates
from finetuner.deployment.rehearsal import Rehearsal, World, rehearse

QUICK = 25.0  # requests per second: time isn't what is asked about here


def played(runs: int, world: World, gates: Gates, share: float, most: int, look_every: int = 250) -> list[Rehearsal]:
    return [
        rehearse(world, gates=gates, share=share, seed=seed, most_requests=most, look_every=look_every)
        for seed in range(runs)
    ]


def rate(found: list[Rehearsal], outcome: str) -> str:
    return f"{sum(each.outcome == outcome for each in found)}/{len(found)}"


def line(title: str, found: list[Rehearsal]) -> None:
    back = [each for each in found if each.outcome == "ROLLBACK"]
    soon = f"{median(e.requests for e in back):,.0f} / {median(e.tuned_units for e in back):,.0f}" if back else "-"
    print(f"| {title} | {rate(found, 'PROMOTE')} | {rate(found, 'ROLLBACK')} | {soon} |", flush=True)


def main(runs: int) -> None:
    started = time.perf_counter()
    usual, errors_alone = Gates(quality="feedback", min_seconds=0.0), Gates(quality="none", min_seconds=0.0)
    print("| world | promoted | rolled back | median until rollback: requests / tuned units |\n|---|---|---|---|")
    line("no difference, 50 %", played(runs, World(per_second=QUICK), usual, 0.5, 12_000))
    worse = World(per_second=QUICK, quality_change=-0.02)
    line("quality worse by the margin (2 points), 50 %", played(runs, worse, usual, 0.5, 12_000))
    failing = World(per_second=QUICK, errors=0.02, error_change=0.01)
    line("errors more frequent by the margin (1 point), 50 %", played(runs, failing, errors_alone, 0.5, 12_000))
    outage = World(per_second=QUICK, units=20_000, error_change=0.99)
    for share in (0.01, 0.05):
        line(f"outage of tuned, {share:.0%}", played(runs, outage, errors_alone, share, 20_000, 10))
    for share, most in ((0.05, 30_000), (0.5, 10_000)):
        five = World(per_second=QUICK, units=20_000, error_change=0.04)
        line(f"errors 1 % to 5 %, {share:.0%}", played(runs, five, errors_alone, share, most, 100))
    drop = World(per_second=QUICK, units=20_000, quality_change=-0.1)
    line("quality worse by 10 points, 50 %", played(runs, drop, usual, 0.5, 20_000))
    small = World(per_second=QUICK, units=20_000, quality_change=-0.02)
    line("quality worse by 2 points, 50 %", played(max(1, runs // 4), small, usual, 0.5, 100_000, 2500))
    paired = World(per_second=QUICK, units=20_000, quality_change=-0.02, scored=0.0, judged=1.0)
    pairs = Gates(quality="pairs", min_seconds=0.0)
    line(
        "quality worse by 2 points, on shadow pairs of 99 %",
        played(max(1, runs // 4), paired, pairs, 0.01, 60_000, 2500),
    )
    print(f"\n{runs} runs each (a quarter of it for 2 points), {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
