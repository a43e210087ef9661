"""Phase 2, training: price a job, create it once, watch it, choose its best checkpoint.

Run with `python examples/training.py [PROVIDER MODEL]` where train.jsonl and val.jsonl are; prints the job's id last.
Run it again, or kill it and run it again: there is one job all the same.
"""

import sys

import finetuner as ft

provider, model = sys.argv[1:3] if len(sys.argv) > 2 else ("local", "ngram-base")  # noqa: PLR2004  # two words
train, val = ft.Dataset.load("train.jsonl"), ft.Dataset.load("val.jsonl")
print(ft.estimate(train, provider=provider, model=model, epochs=4))

job = ft.Job.create(train, validation=val, provider=provider, model=model, epochs=4, seed=0, max_usd=25.0).wait()
print(job.verdict())
best = job.best_checkpoint()
if best is not None:
    print(f"best: step {best.checkpoint.step}, {best.reason}")
print(job.id)
