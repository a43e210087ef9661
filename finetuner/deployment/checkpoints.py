"""The workflow's four checkpoints as pure functions of what the journal holds: each box with its evidence."""

from collections.abc import Callable
from typing import Final

import attrs

from finetuner.deployment import wording
from finetuner.deployment.links import DecisionLink, EvaluationLink, Lineage, Measure, RolloutLink
from finetuner.providers.ports import SUCCEEDED
from finetuner.records.findings import Finding

Find = Callable[[str, str | None], Finding | None]
"""The newest finding of a kind about a subject (or, for None, about any)."""

JUDGE_PASS_RATE: Final = 0.9
SOUND: Final = frozenset({"good", "underfitting"})
"""Shapes of a loss curve that aren't harmful."""

_ABOUT_DATA = frozenset({"validation", "analysis", "review", "human-review", "split"})
_SHADOW_FAILURES = 0.01


@attrs.frozen(kw_only=True)
class Box:
    """One thing to be sure of.

    Attributes:
        name: In words.
        passed: None where there is no evidence yet.
        evidence: The numbers behind it; what is missing, where there are none.
        command: What gives the evidence.
    """

    name: str
    passed: bool | None
    evidence: str
    command: str

    def __str__(self) -> str:
        """`[x] name: evidence`; with the command where it isn't passed."""
        mark = {True: "x", False: "!", None: " "}[self.passed]
        return f"[{mark}] {self.name}: {self.evidence}{'' if self.passed else f'; run: {self.command}'}"


@attrs.frozen
class Phase:
    """A checkpoint of the workflow.

    Attributes:
        name: Such as `Data ready`.
        boxes: All of them.
    """

    name: str
    boxes: tuple[Box, ...]

    @property
    def complete(self) -> bool:
        """Whether every box is passed."""
        return all(box.passed for box in self.boxes)

    def __str__(self) -> str:
        """The name and every box."""
        done = sum(box.passed is True for box in self.boxes)
        return "\n".join([f"{self.name}: {done} of {len(self.boxes)}", *(f"  {box}" for box in self.boxes)])


@attrs.frozen(kw_only=True)
class Facts:
    """What is known.

    Attributes:
        lineage: Of the job; None before there is one.
        find: Looks findings up.
        splits: All findings on splits, the newest first: they tie what was trained on to what was checked.
        rollout: The tuned model's; None before there is one.
        shadowed: Answers of the tuned model that nobody saw, and how many of them failed.
        now: Seconds since the epoch.
    """

    lineage: Lineage | None
    find: Find
    splits: tuple[Finding, ...]
    rollout: RolloutLink | None
    shadowed: tuple[int, int]
    now: float

    @property
    def model(self) -> str | None:
        """`provider:model` of the tuned model."""
        return None if self.lineage is None else self.lineage.job.tuned

    @property
    def models(self) -> tuple[str, ...]:
        """Subjects of evidence about the tuned model."""
        return () if self.model is None else (self.model,)

    @property
    def rollouts(self) -> tuple[str, ...]:
        """Subjects of evidence about its rollout."""
        return () if self.rollout is None else (self.rollout.name,)

    @property
    def data(self) -> tuple[str, ...] | None:
        """Fingerprints of what was trained on, and of what that was split from; None for any before there is a job."""
        if self.lineage is None:
            return None
        trained = self.lineage.data[0].fingerprint
        if trained is None:
            return None
        return (trained, *(split.subject for split in self.splits if trained in split.evidence.values()))


def data_ready(facts: Facts) -> Phase:
    """Format, distribution, quality, a person's look, and the split."""
    boxes = (
        ("format validated", "validation", "fine-tuner-cc validate FILE --provider PROVIDER"),
        ("distribution acceptable", "analysis", "fine-tuner-cc analyze FILE"),
        ("quality checks passed", "review", "fine-tuner-cc review FILE"),
        ("human sample reviewed", "human-review", "fine-tuner-cc checklist --tick human-review --note TEXT"),
        ("split into train, validation and test", "split", "fine-tuner-cc split FILE"),
    )
    return Phase("Data ready", tuple(_found(name, facts, kind, facts.data, command) for name, kind, command in boxes))


def training_complete(facts: Facts) -> Phase:
    """The job, its losses, and whether it overfits."""
    job = None if facts.lineage is None else facts.lineage.job
    create = "fine-tuner-cc create FILE --provider PROVIDER --model MODEL"
    if job is None:
        names = ("job succeeded", "training loss decreased", "validation loss acceptable", "no overfitting")
        return Phase("Training complete", tuple(missing(name, "no job yet", create) for name in names))
    show, losses = f"fine-tuner-cc checkpoints {job.id}", job.losses
    done = Box(
        name="job succeeded",
        passed=job.status == SUCCEEDED,
        evidence=f"{job.id}: {job.status}",
        command=f"fine-tuner-cc status {job.id}",
    )
    if losses is None:
        unknown = ("training loss decreased", "validation loss acceptable", "no overfitting")
        return Phase("Training complete", (done, *(missing(name, "losses unknown", show) for name in unknown)))
    first, last = losses.train_first, losses.train_last
    falling = None if first is None or last is None else last < first
    told = (
        "training losses unknown" if first is None or last is None else f"{first:.4f} at first, {last:.4f} at the end"
    )
    valid = losses.valid_last
    return Phase(
        "Training complete",
        (
            done,
            Box(name="training loss decreased", passed=falling, evidence=told, command=show),
            Box(
                name="validation loss acceptable",
                passed=None if valid is None else losses.shape in SOUND,
                evidence="no validation data" if valid is None else f"{valid:.4f} at the end; {losses.reason}",
                command=show,
            ),
            Box(
                name="no overfitting",
                passed=None if losses.shape == "too few steps" else losses.shape != "overfitting",
                evidence=f"{losses.shape}: {losses.reason}",
                command=show,
            ),
        ),
    )


def evaluation_complete(facts: Facts) -> Phase:
    """No regression, metrics, judge, people, and better than the base."""
    model = facts.model or "MODEL"
    return Phase(
        "Evaluation complete",
        (
            _measured(
                "regression below the margin", facts, ("regression", "benchmark", "pass"), _benchmark(facts, model)
            ),
            _found(
                "metrics meet their thresholds",
                facts,
                "evaluation",
                facts.models,
                f"fine-tuner-cc evaluate {model} TEST",
            ),
            _judged(facts, model),
            _found(
                "outputs approved by people",
                facts,
                "approval",
                facts.models,
                "fine-tuner-cc checklist --tick approval --note TEXT",
            ),
            _measured(
                "better than the base model",
                facts,
                ("comparison", "comparison", "better"),
                f"fine-tuner-cc compare BASE {model} TEST",
            ),
        ),
    )


def deployment_complete(facts: Facts) -> Phase:
    """Shadow, live comparison, monitoring, the way back, and the team."""
    rollout = facts.rollout
    name = rollout.name if rollout is not None else "NAME"
    return Phase(
        "Deployment complete",
        (
            _shadow(facts, name),
            _decided(rollout, name),
            _watched(rollout, name),
            _found(
                "rollback plan documented",
                facts,
                "rollback-plan",
                facts.rollouts,
                "fine-tuner-cc card JOB --output CARD.md",
            ),
            _found(
                "team notified",
                facts,
                "notification",
                facts.rollouts,
                "fine-tuner-cc checklist --tick notification --note TEXT",
            ),
        ),
    )


def newest(rollout: RolloutLink, kind: str) -> DecisionLink | None:
    """The newest entry of a kind in a rollout's audit."""
    return next((entry for entry in reversed(rollout.decisions) if entry.kind == kind), None)


def missing(name: str, evidence: str, command: str) -> Box:
    """A box without evidence: neither passed nor failed."""
    return Box(name=name, passed=None, evidence=evidence, command=command)


def _found(name: str, facts: Facts, kind: str, subjects: tuple[str, ...] | None, command: str) -> Box:
    """A box that the newest finding about one of the subjects (or, for None, about anything) answers."""
    sought = (None,) if subjects is None else subjects
    about = [found for subject in sought if (found := facts.find(kind, subject)) is not None]
    if about:
        found = max(about, key=lambda each: each.created_at)
        return Box(name=name, passed=found.passed, evidence=wording.evidence(found.evidence), command=command)
    other = facts.find(kind, None)
    return missing(name, "no evidence yet" if other is None else _elsewhere(other, facts.now), command)


def _elsewhere(found: Finding, now: float) -> str:
    """That a finding is about something else: `analysis of other data (8897796f9e9e, yesterday)`."""
    about = "other data" if found.kind in _ABOUT_DATA else "another model or rollout"
    when = wording.ago(now - found.created_at)
    return f"{found.kind.replace('-', ' ')} of {about} ({wording.shortened(found.subject)}, {when})"


def _measured(name: str, facts: Facts, sought: tuple[str, str, str], command: str) -> Box:
    """A box that a finding answers, or the newest evaluation of a kind with the outcome that passes."""
    finding, kind, good = sought
    link = None if facts.lineage is None else facts.lineage.newest(kind)
    if link is None:
        return _found(name, facts, finding, facts.models, command)
    return Box(name=name, passed=link.outcome == good, evidence=_outcome(link), command=command)


def _outcome(link: EvaluationLink) -> str:
    numbers = "; ".join(map(_measure, link.measures[:2]))
    return f"{link.outcome or 'no baseline'}: {numbers} on {link.source or link.dataset[:12]}"


def _measure(found: Measure) -> str:
    return wording.figures(found.name, found.value, found.low, found.high, found.n)


def _benchmark(facts: Facts, model: str) -> str:
    base = "BASE" if facts.lineage is None else facts.lineage.job.base
    return f"fine-tuner-cc benchmark {model} --benchmark gsm8k --baseline {base}"


def _judged(facts: Facts, model: str) -> Box:
    name = f"judge passes more than {JUDGE_PASS_RATE:.0%}"
    command = f"fine-tuner-cc evaluate {model} TEST --llm-judge --rubric RUBRIC --judge-model JUDGE"
    links = () if facts.lineage is None else facts.lineage.evaluations
    rate = next((found for link in links if (found := link.measure("judge_pass_rate")) is not None), None)
    if rate is None:
        return _found(name, facts, "judge", facts.models, command)
    told = f"{_measure(attrs.evolve(rate, name='pass rate'))}: the lower end counts"
    return Box(name=name, passed=rate.low > JUDGE_PASS_RATE, evidence=told, command=command)


def _shadow(facts: Facts, name: str) -> Box:
    answers, failed = facts.shadowed
    command = f"fine-tuner-cc rollout shadow {name} --rate 0.2"
    if facts.rollout is None or not answers:
        return missing("shadow successful", "nothing was answered in the shadow", command)
    return Box(
        name="shadow successful",
        passed=failed <= answers * _SHADOW_FAILURES,
        evidence=f"{answers:,} answers in the shadow, {failed:,} failed",
        command=f"fine-tuner-cc rollout report {name}",
    )


def _decided(rollout: RolloutLink | None, name: str) -> Box:
    last = None if rollout is None else newest(rollout, "decide")
    command = f"fine-tuner-cc rollout decide {name}"
    if last is None:
        return missing("live comparison positive", "no decision yet", command)
    passed = last.summary.startswith("PROMOTE")
    told = wording.first_of(last.summary.split("; "))
    return Box(name="live comparison positive", passed=passed, evidence=told, command=command)


def _watched(rollout: RolloutLink | None, name: str) -> Box:
    last = None if rollout is None else (newest(rollout, "drift") or newest(rollout, "sample"))
    command = f"fine-tuner-cc monitor drift {name}"
    if last is None:
        return missing("monitoring in place", "neither drift nor a weekly sample was looked at", command)
    return Box(name="monitoring in place", passed=True, evidence=f"{last.kind}: {last.summary}", command=command)
