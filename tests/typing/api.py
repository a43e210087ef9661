"""Type-checked, never run: what the public names give."""

from typing import assert_type

import finetuner as ft
from finetuner.data.splitting import Split
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.results import Evaluation
from finetuner.training.verdict import BestCheckpoint

data = ft.Dataset.load("raw.jsonl")
assert_type(data.validate(provider="openai").dedupe(), ft.Dataset)
parts = data.split(80, 10, 10)
assert_type(parts, Split[ft.Dataset])
job = ft.Job.create(parts.train, validation=parts.val, provider="local", model="ngram-base", epochs=3).wait()
assert_type(job, ft.Job)
assert_type(job.best_checkpoint(), BestCheckpoint | None)
assert_type(ft.evaluate(job.model, parts.test), Evaluation)
assert_type(ft.compare(job.base, job.model, parts.test), Comparison)
assert_type(ft.wait_all([job]), tuple[ft.Job, ...])
assert_type(job.retarget("vertex", model="gemini-3.5-flash"), ft.Job)
assert_type(ft.estimate(parts.train, provider="openai", model="gpt-4.1-mini-2025-04-14", epochs=3).usd, float | None)
assert_type(ft.synthesize(["a prompt"], "openai:gpt-4.1-mini-2025-04-14", max_usd=1.0), ft.Dataset)
assert_type(ft.Dataset.mix({data: 3.0, parts.train: 1.0}), ft.Dataset)
assert_type(data.harmonize().instruct(), ft.Dataset)
