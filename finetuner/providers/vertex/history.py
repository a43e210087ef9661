"""What happened in a tuning job, told from the job itself: Vertex AI keeps no list of events."""

from collections.abc import Iterator

import attrs

from finetuner._core.types import JsonObject
from finetuner.providers.lenient import as_moment, as_text, as_whole
from finetuner.providers.ports import FAILED, Finding, JobEvent
from finetuner.providers.vertex import losses, mapping
from finetuner.providers.vertex.losses import Losses


def findings(raw: JsonObject) -> tuple[Finding, ...]:
    """What Vertex AI noted about the training data: rows that it left out, each known one with its number and reason.

    They are warnings: the job goes on without these rows.
    """
    total, sample = mapping.dropped(raw)
    found = [
        Finding(
            severity="warning",
            code="row_dropped",
            message=f"Vertex AI left out training row {row if row is not None else '?'}: {reason or 'no reason given'}",
            fix="shorten or correct the row, and train again if it matters",
        )
        for row, reason in sample
    ]
    unnamed = total - len(found)
    if unnamed > 0:
        found.append(
            Finding(
                severity="warning",
                code="rows_dropped",
                message=f"Vertex AI left out {unnamed:,} {'more ' if found else ''}training rows without naming them",
                fix="check the data: fine-tuner-cc validate FILE --provider vertex",
            )
        )
    return tuple(found)


def events(raw: JsonObject, found: Losses | None = None) -> tuple[JobEvent, ...]:
    """Events, oldest first; their ids stay the same from one look to the next.

    Args:
        raw: The job.
        found: What was measured in it.
    """
    told = list(_events(raw))
    begin, end = told[0].created_at, told[-1].created_at
    # Measured by another clock, and yet between the job's first and last event.
    steps = losses.events(mapping.identity(raw), found or Losses(), mapping.job(raw).total_steps)
    told[1:1] = [attrs.evolve(each, created_at=min(max(each.created_at, begin), end)) for each in steps]
    return tuple(sorted(told, key=lambda event: event.created_at))


def _events(raw: JsonObject) -> Iterator[JobEvent]:
    name, word = mapping.identity(raw), mapping.state(raw)
    created = as_moment(raw.get("createTime")) or 0.0
    started = as_moment(raw.get("startTime"))
    updated = max(as_moment(raw.get("updateTime")) or created, created)
    ended = as_moment(raw.get("endTime"))
    stats, job = mapping.statistics(raw), mapping.job(raw)
    yield JobEvent(id=f"{name}#created", created_at=created, message=f"Job created on {job.model}")
    if started is not None:
        yield JobEvent(id=f"{name}#started", created_at=max(started, created), message="Training started")
    last = max(ended or updated, started or created, created)
    experiment = as_text(raw.get("experiment"))
    if experiment is not None:
        message = f"Losses are kept in the experiment {experiment}"
        yield JobEvent(id=f"{name}#experiment", created_at=started or created, message=message)
    if stats:
        rows, tokens = as_whole(stats.get("tuningDatasetExampleCount")), as_whole(stats.get("totalBillableTokenCount"))
        message = (
            f"Training data: {rows or 0:,} examples, {tokens or 0:,} billable tokens, {job.total_steps or 0:,} steps"
        )
        yield JobEvent(id=f"{name}#data", created_at=last, message=message)
    for number, finding in enumerate(findings(raw), 1):
        yield JobEvent(id=f"{name}#data-{number}", created_at=last, message=finding.message, level="warn")
    for each in mapping.checkpoints(raw):
        metrics = {"step": float(each.step)}
        if each.epoch is not None:
            metrics["epoch"] = float(each.epoch)
        message = f"Checkpoint {each.id} after step {each.step}: {each.model}"
        yield JobEvent(id=f"{name}#checkpoint-{each.id}", created_at=last, message=message, metrics=metrics)
    problem = mapping.problem(raw)
    if problem is not None:
        level = "error" if job.status == FAILED else "warn"
        yield JobEvent(id=f"{name}#error", created_at=last, message=problem.message, level=level)
    message = f"Job is {job.status} ({word})"
    yield JobEvent(id=f"{name}#{word}", created_at=last, message=message)
