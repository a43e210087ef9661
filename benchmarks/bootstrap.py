"""10,000 bootstrap resamples of 10,000 items: `bootstrap_mean` beside `scipy.stats.bootstrap`, in one run.

Run: python benchmarks/bootstrap.py
"""

import time

import numpy as np
import scipy.stats

from finetuner.evaluation.statistics.resampling import bootstrap_mean

N = RESAMPLES = 10_000


def seconds(call, repeats):
    call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def main():
    generator = np.random.default_rng(0)
    kinds = {
        "right or wrong": generator.integers(0, 2, N).astype(float),
        "ratings 1 to 5": generator.integers(1, 6, N).astype(float),
        "continuous": generator.random(N),
    }
    print("scores           finetuner ms   scipy ms   ratio")
    for name, values in kinds.items():
        given = values.tolist()
        mine = seconds(lambda given=given: bootstrap_mean(given), 3)
        theirs = seconds(
            lambda values=values: scipy.stats.bootstrap(
                (values,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=100, vectorized=True
            ),
            1,
        )
        print(f"{name:15} {1000 * mine:13.1f} {1000 * theirs:10.0f} {theirs / mine:7.0f}")


if __name__ == "__main__":
    main()
