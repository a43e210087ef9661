"""The chain behind a tuned model as the journal holds it: data, job, checkpoint, evaluations, rollouts, decisions."""

import re
from collections.abc import Callable, Iterator, Mapping

from finetuner._core.types import Json, JsonObject
from finetuner.deployment.links import (
    CheckpointLink,
    DataLink,
    DecisionLink,
    EvaluationLink,
    JobLink,
    Lineage,
    LossLink,
    Measure,
    RolloutLink,
)
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.wording import figures
from finetuner.errors import ProviderError, UnknownNameError
from finetuner.providers.ports import JobSnapshot
from finetuner.records.evaluations import EvaluationRecord, EvaluationRecords
from finetuner.records.jobs import DatasetRecords, JobRecord
from finetuner.records.journal import Journal
from finetuner.records.rollouts import DecisionRecord, RolloutRecords
from finetuner.training.job import Job

_KINDS = frozenset({"evaluation", "comparison", "benchmark"})
_CHECKPOINT_MARK = re.compile(r":ckpt-.*\Z")


def trace(job: Job) -> Lineage:
    """The chain of a job, from its journal and its provider.

    Raises:
        JournalError: The journal can't be read, or somebody edited a rollout's audit.
    """
    losses, checkpoint = _training(job)
    fingerprints = (job.training_fingerprint, job.validation_fingerprint)
    return _lineage(job.journal, job.provider, job.snapshot, fingerprints, (losses, checkpoint))


def trace_record(journal: Journal, record: JobRecord) -> Lineage | None:
    """The chain of a job from the journal alone, without losses; None where the provider never answered."""
    if record.snapshot is None:
        return None
    fingerprints = (record.training_fingerprint, record.validation_fingerprint)
    return _lineage(journal, record.provider, record.snapshot, fingerprints, (None, None))


def trained_model(model: str) -> str:
    """The tuned model that a checkpoint's name belongs to; other names as they are."""
    return _CHECKPOINT_MARK.sub("", model)


def _lineage(
    journal: Journal,
    provider: str,
    snapshot: JobSnapshot,
    fingerprints: tuple[str | None, str | None],
    training: tuple[LossLink | None, CheckpointLink | None],
) -> Lineage:
    tuned = f"{provider}:{snapshot.tuned_model}" if snapshot.tuned_model else None
    losses, checkpoint = training
    return Lineage(
        data=tuple(_data(journal, *fingerprints)),
        job=JobLink(
            id=snapshot.id,
            provider=provider,
            base=f"{provider}:{snapshot.model}",
            tuned=tuned,
            method=snapshot.method,
            hyperparameters=dict(snapshot.hyperparameters),
            seed=snapshot.seed,
            status=snapshot.status,
            created_at=snapshot.created_at,
            finished_at=snapshot.finished_at,
            trained_tokens=snapshot.trained_tokens,
            losses=losses,
        ),
        checkpoint=checkpoint,
        evaluations=tuple(_evaluations(journal, tuned)) if tuned else (),
        rollouts=tuple(_rollouts(journal, tuned)) if tuned else (),
    )


def _training(job: Job) -> tuple[LossLink | None, CheckpointLink | None]:
    """What the losses say; nothing where the provider can't be asked any more: the record outlives it."""
    try:
        best, verdict, curve = job.best_checkpoint(), job.verdict(), job.curve()
    except ProviderError:
        return None, None
    train = [point.train_loss for point in curve.points if point.train_loss is not None]
    losses = LossLink(
        shape=verdict.shape,
        reason=verdict.reason,
        train_first=train[0] if train else None,
        train_last=train[-1] if train else None,
        valid_last=curve.latest("valid_loss"),
    )
    if best is None:
        return losses, None
    model = str(job.checkpoint_model(best.checkpoint).reference)
    return losses, CheckpointLink(model=model, step=best.checkpoint.step, reason=best.reason)


def _data(journal: Journal, training: str | None, validation: str | None) -> Iterator[DataLink]:
    yield _data_link(journal, "train", training)
    if validation is not None:
        yield _data_link(journal, "validation", validation)


def _data_link(journal: Journal, role: str, fingerprint: str | None) -> DataLink:
    found = None if fingerprint is None else DatasetRecords(journal).get(fingerprint)
    return DataLink(
        role=role,
        fingerprint=fingerprint,
        examples=found.examples if found else None,
        source=found.source if found else None,
    )


def _evaluations(journal: Journal, tuned: str) -> Iterator[EvaluationLink]:
    for record in EvaluationRecords(journal).list():
        if record.result is not None and trained_model(record.model) == tuned:
            link = _evaluation(record)
            if link is not None:
                yield link


def _evaluation(record: EvaluationRecord) -> EvaluationLink | None:
    if record.kind not in _KINDS:
        return None
    result: JsonObject = record.result
    body: JsonObject = result if record.kind == "evaluation" else result["tuned"]
    return EvaluationLink(
        id=record.id,
        kind=record.kind,
        model=record.model,
        dataset=record.dataset,
        source=str(result.get("benchmark") or body.get("source", "")),
        task=str(body.get("task", "")),
        measures=tuple(_measures(record.kind, result)),
        outcome=result.get("verdict") if record.kind == "comparison" else result.get("outcome"),
        finished_at=record.finished_at or record.created_at,
    )


def _measures(kind: str, result: Json) -> Iterator[Measure]:
    if kind == "comparison":
        yield _measure(f"{result['primary']} difference", result["difference"])
    elif kind == "benchmark" and result["parts"]:
        for part in result["parts"]:
            yield _measure(f"{part['name']} difference", part["difference"])
    else:
        body = result["tuned"] if kind == "benchmark" else result
        for name, value in body["metrics"].items():
            yield _measure(name, value)
        judged = body.get("judged")
        if judged and judged.get("pass_rate"):
            yield _measure("judge_pass_rate", judged["pass_rate"])


def _measure(name: str, value: JsonObject) -> Measure:
    return Measure(name=name, value=value["value"], low=value["low"], high=value["high"], n=value["n"])


def _rollouts(journal: Journal, tuned: str) -> Iterator[RolloutLink]:
    for name in RolloutRecords(journal).names():
        try:
            rollout = Rollout.get(name, store=journal)
            state = rollout.state
        except UnknownNameError:  # it went away between the two looks
            continue
        if trained_model(state.tuned) == tuned:
            yield RolloutLink(
                name=name,
                base=state.base,
                tuned=state.tuned,
                status=state.status,
                share=state.share,
                approver=state.approver,
                decisions=tuple(map(_decision, rollout.audit)),
            )


def _decision(record: DecisionRecord) -> DecisionLink:
    return DecisionLink(
        sequence=record.sequence,
        kind=record.kind,
        summary=_summary(record.kind, record.body),
        hash=record.hash,
        created_at=record.created_at,
    )


def _summary(kind: str, body: Json) -> str:
    teller = _SUMMARIES.get(kind)
    return kind if teller is None else teller(body)


def _drift_summary(body: Json) -> str:
    named = ", ".join(body["features"])
    return f"{body['state'].replace('_', ' ')}{f': {named}' if named else ''}"


def _evaluated(body: Json) -> str:
    look = body["look"]
    shown = look["difference"]
    told = figures(f"{look['metric']} difference", shown["value"], shown["low"], shown["high"], shown["n"])
    return f"fresh rows {look['dataset'][:12]}: {told}: {look['verdict']}"


_SUMMARIES: Mapping[str, Callable[[Json], str]] = {
    "create": lambda body: f"{body['tuned']} may replace {body['base']}",
    "shadow": lambda body: f"shadow {body['shadow_rate']:.0%} of base's requests",
    "ramp": lambda body: f"{body['share']:.0%} of units, approved by {body['approver']}",
    "advance": lambda body: f"{body['share']:.0%} of units, every gate passed",
    "promote": lambda body: f"all units, approved by {body['approver']}",
    "decide": lambda body: f"{body['action']}: {'; '.join(body['reasons'])}",
    "rollback": lambda body: f"all units on base: {body['reason']}",
    "sample": lambda body: f"{body['requests']} of {body['served']} answers of {body['week']} for people",
    "drift": _drift_summary,
    "evaluate": _evaluated,
    "recommend": lambda body: f"train again: {body['answer']}",
}
