"""The workflow's checkpoints, evaluated from the journal: what is proven, what isn't, and what would prove it."""

from collections.abc import Iterable
from pathlib import Path

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.workspace import Workspace
from finetuner.deployment import checkpoints, observations, upkeep
from finetuner.deployment.checkpoints import Facts, Phase
from finetuner.deployment.lineage import trace, trace_record
from finetuner.deployment.links import Lineage, RolloutLink
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.errors import ProviderError, UnknownNameError, UsageError
from finetuner.providers.ports import SUCCEEDED
from finetuner.records.findings import Finding, Findings
from finetuner.records.jobs import JobRecord, JobRecords
from finetuner.records.journal import Journal
from finetuner.training.job import Job

TICKED_BY_PEOPLE = ("human-review", "approval", "rollback-plan", "notification")
"""Kinds of evidence that only people can give."""

_RECENT_JOBS = 100


@attrs.frozen
class Checklist:
    """The four checkpoints: *Data ready*, *Training complete*, *Evaluation complete*, *Deployment complete*.

    Attributes:
        phases: In the order of the workflow.
        care: *Weekly care* and *Monthly care*, once the tuned model serves; what is due again and again completes
            nothing, and is asked for by its name.
    """

    phases: tuple[Phase, ...]
    care: tuple[Phase, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every box of every checkpoint is passed."""
        return all(phase.complete for phase in self.phases)

    def phase(self, name: str) -> Phase:
        """A checkpoint or list of care by its name or the name's first word, such as `data` or `weekly`.

        Raises:
            UnknownNameError: The message lists the names.
        """
        wanted = name.casefold().replace("-", " ")
        every = (*self.phases, *self.care)
        for phase in every:
            known = phase.name.casefold()
            if wanted in {known, known.partition(" ")[0]}:
                return phase
        raise UnknownNameError(f"no checkpoint {name!r}; known: {', '.join(phase.name for phase in every)}")

    def __str__(self) -> str:
        """Every checkpoint and list of care with its boxes."""
        return "\n".join(map(str, (*self.phases, *self.care)))


def checklist(
    workspace: str | Path | Workspace | Journal | None = None,
    *,
    job: Job | str | None = None,
    rollout: Rollout | str | None = None,
) -> Checklist:
    """The workflow's four checkpoints, each box with its evidence, its figures and the command that gives them.

    Args:
        workspace: Folder, database URL or open journal; by default the job's.
        job: Which; by default the newest that succeeded, else the newest.
        rollout: Which; by default the newest of the job's model.

    Raises:
        UnknownNameError: There is no such job or rollout.
        JournalError: The journal can't be read, or somebody edited a rollout's audit.
    """
    journal = _journal(workspace, job, rollout)
    lineage = _lineage(journal, job)
    chosen = _rollout(lineage, rollout)
    live = None if chosen is None else Rollout.get(chosen.name, store=journal, clock=_clock(rollout))
    events = () if live is None else _events(live)
    facts = _facts(journal, lineage, chosen, events, _clock(rollout).now())
    return Checklist(
        (
            checkpoints.data_ready(facts),
            checkpoints.training_complete(facts),
            checkpoints.evaluation_complete(facts),
            checkpoints.deployment_complete(facts),
        ),
        () if live is None else _care(live, events, facts),
    )


def tick(
    kind: str,
    note: str,
    *,
    person: str,
    passed: bool = True,
    workspace: str | Path | Workspace | Journal | None = None,
    job: Job | str | None = None,
    rollout: Rollout | str | None = None,
) -> Finding:
    """Write down what a person did or saw: the evidence of the boxes that no program can tick.

    Args:
        kind: `human-review`, `approval`, `rollback-plan` or `notification`.
        note: What was looked at, or where it can be read.
        person: Who answers for it.
        passed: False for a no.
        workspace: As for `checklist`.
        job: Likewise.
        rollout: Likewise.

    Raises:
        UsageError: Another kind, or there is nothing yet that it could be about.
    """
    if kind not in TICKED_BY_PEOPLE:
        raise UsageError(f"{kind!r} isn't for people to tick; these are: {', '.join(TICKED_BY_PEOPLE)}")
    if not note.strip() or not person.strip():
        raise UsageError("say what was done and who answers for it: both are the evidence")
    journal = _journal(workspace, job, rollout)
    lineage = _lineage(journal, job)
    chosen = _rollout(lineage, rollout)
    facts = _facts(journal, lineage, chosen, (), _clock(rollout).now())
    known = {"human-review": facts.data or (), "approval": facts.models}.get(kind, facts.rollouts)
    subject = known[-1] if known else None
    if subject is None:
        what = {"human-review": "data set", "approval": "tuned model"}.get(kind, "rollout")
        raise UsageError(f"there is no {what} in this journal yet that {kind} could be about")
    return Findings(journal).add(kind, subject, passed=passed, evidence={"note": note, "person": person})


def _journal(
    workspace: str | Path | Workspace | Journal | None, job: Job | str | None, rollout: Rollout | str | None
) -> Journal:
    if isinstance(workspace, Journal):
        return workspace
    if workspace is None and isinstance(job, Job):
        return job.journal
    if workspace is None and isinstance(rollout, Rollout):
        return rollout.journal
    return Journal.open(workspace)


def _clock(rollout: Rollout | str | None) -> Clock:
    return rollout.clock if isinstance(rollout, Rollout) else SYSTEM_CLOCK


def _facts(
    journal: Journal, lineage: Lineage | None, rollout: RolloutLink | None, events: Iterable[Observation], now: float
) -> Facts:
    findings = Findings(journal)
    return Facts(
        lineage=lineage,
        find=findings.latest,
        splits=findings.all("split"),
        rollout=rollout,
        shadowed=_shadowed(events),
        now=now,
    )


def _care(rollout: Rollout, events: tuple[Observation, ...], facts: Facts) -> tuple[Phase, ...]:
    """What is due each week and month; nothing before users get answers of the tuned model."""
    state, audit = rollout.state, rollout.audit
    if not state.share:
        return ()
    approval = max(
        (found for model in facts.models if (found := facts.find("approval", model)) is not None),
        key=lambda found: found.created_at,
        default=None,
    )
    return upkeep.weekly(state, audit, events, approval, facts.now), upkeep.monthly(state, audit, facts.now)


def _lineage(journal: Journal, job: Job | str | None) -> Lineage | None:
    if isinstance(job, Job):
        return trace(job)
    records = JobRecords(journal)
    record = _newest(records) if job is None else records.by_job_id(job)
    if record is None or record.job_id is None:
        if job is not None:
            raise UnknownNameError(f"the journal knows no job {job!r}")
        return None
    try:
        return trace(Job.get(record.job_id, workspace=journal.workspace))
    except ProviderError:  # the boxes that need its losses say that they are unknown
        return trace_record(journal, record)


def _newest(records: JobRecords) -> JobRecord | None:
    known = [record for record in records.recent(_RECENT_JOBS) if record.snapshot is not None]
    done = (record for record in known if record.snapshot is not None and record.snapshot.status == SUCCEEDED)
    return next(done, known[0] if known else None)


def _rollout(lineage: Lineage | None, rollout: Rollout | str | None) -> RolloutLink | None:
    links = () if lineage is None else lineage.rollouts
    if rollout is None:
        return max(links, key=lambda link: link.decisions[-1].created_at if link.decisions else 0.0, default=None)
    name = rollout if isinstance(rollout, str) else rollout.name
    found = next((link for link in links if link.name == name), None)
    if found is None:
        known = ", ".join(link.name for link in links) or "none"
        raise UnknownNameError(f"rollout {name} doesn't bring this job's model; those that do: {known}")
    return found


def _events(rollout: Rollout) -> tuple[Observation, ...]:
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return observations.folded(rollout.journal, rollout.name)


def _shadowed(events: Iterable[Observation]) -> tuple[int, int]:
    errors = [event.error for event in events if event.kind == "shadow" and event.lost is None]
    return len(errors), sum(error is not None for error in errors)
