"""The whole workflow in one go, on the embedded provider: from raw requests to a rollout decision and a model card."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

import finetuner as ft
from finetuner._core.page import Page, Section, render
from finetuner.data.dataset import Dataset, extract
from finetuner.data.examples import Message, system, user
from finetuner.data.splitting import Split
from finetuner.demo.logs import SYSTEM, fresh_requests, write_logs
from finetuner.deployment.decision import Decision
from finetuner.deployment.gates import Gates
from finetuner.deployment.text import report_text
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.evidence import ModelEvidence
from finetuner.evaluation.gate import RegressionResult, regression
from finetuner.evaluation.report import comparison_page
from finetuner.evaluation.text import comparison_text, regression_text
from finetuner.records.evidence import DataEvidence
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal

Say = Callable[[str], None]

_MODEL = "ngram-base"
_EPOCHS = 8
_NEAR = 0.9
_MARGIN = 0.05
_SHADOW_RATE = 0.2
_SHARE = 0.5
_REQUESTS = 400
_SAMPLE = 20
_SLOW_SECONDS = 5.0
_THRESHOLD = 0.8


@attrs.frozen(kw_only=True)
class Traffic:
    """One live request and the answer that would be right.

    Attributes:
        unit: Who asks.
        messages: The request.
        label: The right answer.
    """

    unit: str
    messages: tuple[Message, ...]
    label: str


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        job: Id of the job.
        model: `provider:model` of the tuned model.
        difference: Accuracy of tuned minus base on held-out rows, with its interval.
        decision: What the live figures say: `promote`, `hold`, `rollback` or `inconclusive`.
        report: The page with the pictures.
        card: The model card.
    """

    job: str
    model: str
    difference: ft.Estimate
    decision: str
    report: Path
    card: Path

    @property
    def better(self) -> bool:
        """Whether the tuned model is better with an interval that excludes zero."""
        return self.difference.low > 0


def run(folder: Path, data: Dataset | None = None, *, test: Dataset | None = None, say: Say) -> Outcome:
    """Run the workflow; everything is written into a folder.

    Args:
        folder: Where to.
        data: Labeled requests; by default those of the demonstration's own logs.
        test: Requests to measure on; by default a tenth of the data, kept apart.
        say: Is told what a user should see, line by line.

    Raises:
        FinetunerError: The data can't be used, or training failed.
    """
    workspace = folder / "workspace"
    live = own_traffic() if data is None else None
    raw = extracted(folder, say) if data is None else data
    findings = Findings(Journal.open(workspace))
    clean = cleaned(raw, folder / "clean.jsonl", say)
    parts = parted(clean, test, findings, say)
    job = trained(parts, workspace, say)
    comparison = compared(job, parts.test, workspace, say)
    gate = gated(comparison, findings, say)
    served = live if live is not None else replayed(parts.test)
    rollout, decision = rolled_out(job, served, workspace, say)
    watched(rollout, parts.train, say)
    card, page = folder / "card.md", folder / "report.html"
    documented(job, rollout, card, say)
    page.write_text(render(pictured(job, comparison, gate, decision)), "utf-8")
    say(f"\nReport with pictures: {page}\nModel card: {card}")
    return Outcome(
        job=job.id,
        model=str(job.model),
        difference=comparison.difference,
        decision=decision.action,
        report=page,
        card=card,
    )


def extracted(folder: Path, say: Say) -> Dataset:
    """The requests and answers of two weeks of logs."""
    say("== Extract: requests and answers from two weeks of logs")
    extraction = extract(write_logs(folder / "logs"))
    say(", ".join(f"{name}: {count:,}" for name, count in extraction.counts.items()))
    return extraction.dataset


def cleaned(raw: Dataset, path: Path, say: Say) -> Dataset:
    """The data analyzed, reviewed, and written without what the review rejects, redacted and deduplicated."""
    say("\n== Analyze")
    say(str(raw.analyze()))
    say("\n== Review")
    review = raw.review()
    say(str(review))
    say("\n== Clean: drop what the review rejects, redact, merge label spellings, deduplicate")
    raw.drop(review).redact().harmonize().dedupe(near=_NEAR).write(path, format="finetuner")
    clean = Dataset.load(path)
    say(f"{path} ({len(clean):,} of {len(raw):,} examples)")
    return clean


def parted(clean: Dataset, test: Dataset | None, findings: Findings, say: Say) -> Split[Dataset]:
    """The data in three parts that share nothing, with the evidence that it is ready."""
    say("\n== Split")
    if test is None:
        parts = clean.split(train=80, val=10, test=10)
    else:
        measured = {example.prompt_hash for example in test}
        clean = clean.filter(lambda example: example.prompt_hash not in measured)
        parts = clean.split(train=90, val=10, test=0)
    say(str(parts.proof))
    evidence = DataEvidence(findings, clean.fingerprint)
    evidence.validation(clean.check(provider="local"))
    evidence.analysis(clean.analyze())
    evidence.review(clean.review())
    evidence.split(parts.proof, train=parts.train.fingerprint, val=parts.val.fingerprint, test=parts.test.fingerprint)
    return parts if test is None else attrs.evolve(parts, test=test)


def trained(parts: Split[Dataset], workspace: Path, say: Say) -> ft.Job:
    """A job that has trained on the training part."""
    say("\n== Train")
    job = ft.Job.create(
        parts.train,
        validation=parts.val,
        provider="local",
        model=_MODEL,
        epochs=_EPOCHS,
        seed=0,
        workspace=workspace,
    )
    say(f"job {job.id}")
    job = job.wait()
    for checkpoint in job.checkpoints():
        say(f"  epoch {checkpoint.epoch}: validation loss {checkpoint.metrics['valid_loss']:.4f}")
    say(f"verdict: {job.verdict()}")
    best = job.best_checkpoint()
    if best is not None:
        say(f"best: step {best.checkpoint.step}, {best.reason}")
    say(f"fine_tuned_model: {job.model}")
    return job


def compared(job: ft.Job, test: Dataset, workspace: Path, say: Say) -> Comparison:
    """Base and tuned on the same held-out rows."""
    say("\n== Evaluate and compare base and tuned on the held-out part")
    comparison = ft.compare(job.base, job.model, test, workspace=workspace)
    say(comparison_text(comparison))
    return comparison


def gated(comparison: Comparison, findings: Findings, say: Say) -> RegressionResult:
    """Whether the tuned model is worse, by more than the margin, on the same rows."""
    say("\n== Regression gate")
    gate = regression(comparison.base, comparison.tuned, margin=_MARGIN)
    say(regression_text(gate))
    evidence = ModelEvidence(findings, comparison.tuned.model)
    evidence.evaluation(comparison.tuned, _THRESHOLD)
    evidence.regression(gate)
    return gate


def rolled_out(job: ft.Job, traffic: Sequence[Traffic], workspace: Path, say: Say) -> tuple[ft.Rollout, Decision]:
    """A rollout in shadow, then with half of the users, and what its figures say."""
    say(f"\n== Shadow: tuned answers {_SHADOW_RATE:.0%} of the requests unseen")
    rollout = ft.Rollout.create(
        f"demo-{job.id}"[:64],
        base=str(job.base),
        tuned=str(job.model),
        store=workspace,
        gates=Gates(slow_seconds=_SLOW_SECONDS),
    )
    rollout.shadow(_SHADOW_RATE)
    half = len(traffic) // 2
    serve(rollout, job, traffic[:half])
    say(report_text(rollout.report()))
    say(f"\n== A/B: {_SHARE:.0%} of the users get tuned, with feedback")
    rollout.ramp(_SHARE)
    serve(rollout, job, traffic[half:])
    decision = rollout.decide()
    say(report_text(decision.report))
    say("\n== Decide")
    say(str(decision))
    return rollout, decision


def serve(rollout: ft.Rollout, job: ft.Job, traffic: Sequence[Traffic]) -> None:
    """Answer every request as the rollout says, and give feedback."""
    router = ft.Router(rollout, base=job.base, tuned=job.model)
    for request in traffic:
        answer = router.complete(request.messages, unit=request.unit)
        router.feedback(answer.request_id, quality=float(answer.text == request.label))
    router.close()


def watched(rollout: ft.Rollout, reference: Dataset, say: Say) -> None:
    """What a team looks at every week: a sample of answers, drift, and how long the models live."""
    say("\n== Monitor")
    monitor = ft.monitor(rollout)
    sample = monitor.weekly_sample(_SAMPLE)
    say(f"weekly sample: {len(sample.requests)} requests for people to look at")
    say(str(monitor.drift(reference=reference)))
    for retirement in monitor.retirements():
        say(str(retirement))


def documented(job: ft.Job, rollout: ft.Rollout, path: Path, say: Say) -> None:
    """The model card, and how far the workflow's checkpoints are."""
    say("\n== Model card and checkpoints")
    ft.card(job).write(path)
    say(str(ft.checklist(job=job, rollout=rollout)))


def pictured(job: ft.Job, comparison: Comparison, gate: RegressionResult, decision: Decision) -> Page:
    """The page with all pictures: losses, differences, confusion, the gate, and the live figures."""
    compared_page = comparison_page(comparison)
    return Page(
        compared_page.title,
        [
            Section(title="Training", text=str(job.verdict()), picture=job.curve().svg()),
            *compared_page.sections,
            Section(title="Regression gate", text=regression_text(gate)),
            Section(title="Rollout", text=f"{report_text(decision.report)}\n\n{decision}"),
        ],
    )


def own_traffic() -> tuple[Traffic, ...]:
    """Requests of the demonstration that are in none of its logs."""
    return tuple(
        Traffic(unit=unit, messages=(system(SYSTEM), user(text)), label=label)
        for unit, text, label in fresh_requests(_REQUESTS)
    )


def replayed(test: Dataset) -> tuple[Traffic, ...]:
    """Held-out rows as if they were live, each from a user of its own where the data names none."""
    return tuple(
        Traffic(
            unit=str(example.metadata.get("user", f"user-{row}")), messages=example.prompt, label=example.completion
        )
        for row, example in enumerate(test)
    )
