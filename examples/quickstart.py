"""From a folder of production logs to a tuned model and a verdict, offline, on the embedded provider.

Run with `scripts/quickstart`, or `python examples/quickstart.py [FOLDER]`; everything is written into FOLDER.
"""

import sys
from pathlib import Path

import finetuner as ft
from finetuner.data.dataset import extract
from finetuner.data.examples import system, user
from finetuner.demo.logs import SYSTEM, fresh_requests, write_logs
from finetuner.evaluation.gate import regression
from finetuner.evaluation.report import comparison_page, render
from finetuner.evaluation.text import comparison_text, regression_text

EPOCHS = 8
REQUESTS = 300


def main(folder: Path) -> int:
    """Run the workflow; 0 when the tuned model is better with an interval that excludes zero."""
    workspace = folder / "workspace"

    step("Extract: requests and answers from two weeks of logs")
    extraction = extract(write_logs(folder / "logs"))
    print(", ".join(f"{name}: {count:,}" for name, count in extraction.counts.items()))
    raw = extraction.dataset

    step("Analyze")
    print(raw.analyze())

    step("Review")
    review = raw.review()
    print(review)

    step("Drop what the review rejects, redact, deduplicate, split")
    parts = raw.drop(review).redact().dedupe(near=0.9).split(train=80, val=10, test=10)
    print(parts.proof)

    step("Train")
    job = ft.Job.create(
        parts.train,
        validation=parts.val,
        provider="local",
        model="ngram-base",
        epochs=EPOCHS,
        seed=0,
        workspace=workspace,
    )
    print(f"job {job.id}")
    job = job.wait()
    for checkpoint in job.checkpoints():
        print(f"  epoch {checkpoint.epoch}: validation loss {checkpoint.metrics['valid_loss']:.4f}")
    print(f"verdict: {job.verdict()}")
    best = job.best_checkpoint()
    assert best is not None  # a job that succeeded has checkpoints
    print(f"best: step {best.checkpoint.step}, {best.reason}")
    print(f"fine_tuned_model: {job.model}")

    step("Compare base and tuned on the held-out part")
    comparison = ft.compare(job.base, job.model, parts.test, workspace=workspace)
    print(comparison_text(comparison))

    step("Regression gate")
    print(regression_text(regression(comparison.base, comparison.tuned, margin=0.05)))

    step("Roll out: shadow 20 %, then half of the users, on fresh requests with feedback")
    live(job, folder.name, workspace)

    page = folder / "report.html"
    page.write_text(render(comparison_page(comparison)), "utf-8")
    print(f"\nReport with pictures: {page}")
    return 0 if comparison.difference.low > 0 else 1


def live(job: ft.Job, name: str, workspace: Path) -> None:
    """Serve requests that nobody trained on, half of the users by the tuned model, and print the decision."""
    rollout = ft.Rollout.create(f"{name}-{job.id}", base=str(job.base), tuned=str(job.model), store=workspace)
    rollout.shadow(0.2)
    rollout.ramp(0.5)
    router = ft.Router(rollout, base=job.base, tuned=job.model)
    for customer, text, label in fresh_requests(REQUESTS):
        answer = router.complete([system(SYSTEM), user(text)], unit=customer)
        router.feedback(answer.request_id, quality=float(answer.text == label))
    router.close()
    report = rollout.report()
    for arm, seen in (("base", report.base), ("tuned", report.tuned)):
        served = f"{seen.units} users, {seen.requests} requests, {seen.error_rate:.1%} errors"
        print(f"{arm:>5}: {served}, p95 {seen.p95:.3f} s")
    print(f"quality difference, valid at every look: {report.quality_difference}")
    decision = rollout.decide()
    print(f"decision: {decision.action}: {'; '.join(decision.reasons)}")
    print(f"rolled back on request: share {rollout.rollback('end of the demonstration').share:.0%}")


def step(title: str) -> None:
    """Print a heading."""
    print(f"\n== {title}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart-output")))
