"""Phase 3, evaluation: base against tuned on the same held-out rows, and a gate with three answers.

Run with `python examples/evaluation.py JOB` where test.jsonl is; exit status 0 only for a model to go on with.
"""

import sys
from pathlib import Path

import finetuner as ft
from finetuner.evaluation.gate import regression
from finetuner.evaluation.report import comparison_page, render
from finetuner.evaluation.text import comparison_text, regression_text

job = ft.Job.get(sys.argv[1])
both = ft.compare(job.base, job.model, ft.Dataset.load("test.jsonl"))
print(comparison_text(both))

gate = regression(both.base, both.tuned, margin=0.05)
print(regression_text(gate))

Path("comparison.html").write_text(render(comparison_page(both)), "utf-8")
sys.exit(0 if both.difference.low > 0 and gate.outcome == "pass" else 1)
