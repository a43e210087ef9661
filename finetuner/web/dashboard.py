"""The dashboard: jobs, evaluations and rollouts of a workspace, read from its journal."""

import asyncio
import time
from collections.abc import Callable
from html import escape
from typing import cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from finetuner._core.page import Page, Section, Table, render
from finetuner._core.types import Json
from finetuner.deployment.decision import Decision
from finetuner.deployment.experiment import ArmReport
from finetuner.deployment.rollout import Rollout
from finetuner.errors import FinetunerError
from finetuner.providers.reference import ModelReference
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.jobs import JobRecords
from finetuner.records.journal import Journal
from finetuner.records.rollouts import RolloutRecords
from finetuner.training.job import Job

_MOST = 50


def routes(journal: Journal) -> list[Route]:
    """The dashboard's routes: an overview, and a page for each job and rollout."""
    return [
        Route("/", _shown(lambda _request: overview(journal))),
        Route("/jobs/{id:path}", _shown(lambda request: job_page(journal, request.path_params["id"]))),
        Route("/rollouts/{name}", _shown(lambda request: rollout_page(journal, request.path_params["name"]))),
    ]


def overview(journal: Journal) -> Page:
    """Everything at a glance, the newest first."""
    return Page(
        "finetuner",
        [
            Section(title="Rollouts", body_html=_rollouts(journal)),
            Section(title="Jobs", body_html=_jobs(journal)),
            Section(title="Evaluations", table=_evaluations(journal)),
        ],
    )


def job_page(journal: Journal, id: str) -> Page:
    """A job: its facts, its losses, its checkpoints and the best one.

    Raises:
        FinetunerError: Nobody knows the job, or its provider can't be reached.
    """
    job = Job.get(id, workspace=journal.workspace)
    curve = job.curve()
    best = job.best_checkpoint()
    rows = [
        (
            str(checkpoint.step),
            *(
                f"{checkpoint.metrics[name]:.4f}" if name in checkpoint.metrics else ""
                for name in ("train_loss", "valid_loss")
            ),
            best.reason if best is not None and best.checkpoint.step == checkpoint.step else "",
        )
        for checkpoint in job.checkpoints()
    ]
    return Page(
        f"Job {id}",
        [
            Section(title="State", text="\n".join(_job_facts(job))),
            Section(title="Losses", picture=curve.svg()) if curve.points else Section(title="Losses", text="none yet"),
            Section(title="Checkpoints", table=Table(("step", "training loss", "validation loss", "best"), rows)),
        ],
    )


def rollout_page(journal: Journal, name: str) -> Page:
    """A rollout: its state, live figures by arm, what would be decided now, and its audit.

    Raises:
        FinetunerError: There is no such rollout.
    """
    rollout = Rollout.get(name, store=journal)
    decision = rollout.look()
    state = rollout.state
    facts = [
        f"Status: {state.status}",
        f"Share of the tuned model: {state.share:.0%}, shadow rate {state.shadow_rate:.0%}",
        f"Base: {state.base}",
        f"Tuned: {state.tuned}",
    ]
    audit = [(str(entry.sequence), _moment(entry.created_at), entry.kind, _body(entry.body)) for entry in rollout.audit]
    return Page(
        f"Rollout {name}",
        [
            Section(title="State", text="\n".join(facts)),
            Section(title="Live", table=_arms(decision), text=_difference(decision)),
            Section(title="Decision now", text="\n".join((decision.action, *decision.reasons))),
            Section(title="Audit", table=Table(("number", "when", "what", "details"), audit[::-1][:_MOST])),
        ],
    )


def _shown(page: Callable[[Request], Page]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            return HTMLResponse(render(await asyncio.to_thread(page, request)))
        except FinetunerError as error:
            return HTMLResponse(render(Page("Not found", [Section(title="Why", text=str(error))])), 404)

    return endpoint


def _rollouts(journal: Journal) -> str:
    rows: list[tuple[str, ...]] = []
    for name in RolloutRecords(journal).names():
        state = Rollout.get(name, store=journal).state
        rows.append((_link("rollouts", name), escape(state.status), f"{state.share:.0%}", escape(state.tuned)))
    return _linked(("rollout", "status", "share", "tuned model"), rows)


def _jobs(journal: Journal) -> str:
    rows: list[tuple[str, ...]] = []
    for record in JobRecords(journal).recent(_MOST):
        seen = record.snapshot
        rows.append(
            (
                _link("jobs", record.job_id) if record.job_id else "",
                escape(f"{record.provider}:{record.request.model}"),
                escape(seen.status if seen is not None else record.state),
                escape((seen.tuned_model if seen is not None else None) or ""),
                _moment(record.created_at),
            )
        )
    return _linked(("job", "base", "status", "tuned model", "created"), rows)


def _evaluations(journal: Journal) -> Table:
    records = sorted(EvaluationRecords(journal).list(), key=lambda record: record.created_at, reverse=True)
    rows = [
        (
            record.kind,
            record.model,
            record.dataset[:12],
            "finished" if record.finished_at is not None else "unfinished: run it again to go on",
            _moment(record.created_at),
        )
        for record in records[:_MOST]
    ]
    return Table(("kind", "model", "data", "state", "started"), rows)


def _job_facts(job: Job) -> list[str]:
    facts = [f"Status: {job.status}", f"Base: {job.base}"]
    if job.snapshot.tuned_model is not None:
        facts.append(f"Tuned model: {ModelReference(job.provider, job.snapshot.tuned_model)}")
    if job.snapshot.failure is not None:
        facts.append(f"Failure: {job.snapshot.failure}")
    return [*facts, f"Verdict: {job.verdict()}"]


def _arms(decision: Decision) -> Table:
    def row(name: str, arm: ArmReport) -> tuple[str, ...]:
        return (
            name,
            f"{arm.units:,}",
            f"{arm.requests:,}",
            f"{arm.error_rate:.1%}",
            *(f"{value:.3f}" if value is not None else "" for value in (arm.p50, arm.p95, arm.p99)),
            f"{arm.cost_usd:.4f}",
            "" if arm.quality is None else f"{arm.quality:.3f}",
        )

    head = ("arm", "units", "requests", "errors", "p50 (s)", "p95 (s)", "p99 (s)", "cost (USD)", "quality")
    return Table(head, [row("base", decision.report.base), row("tuned", decision.report.tuned)])


def _difference(decision: Decision) -> str:
    quality = decision.report.quality_difference
    return f"Quality difference, valid at every look: {quality}" if quality is not None else "No scored requests yet"


def _linked(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table whose cells are finished HTML."""
    if not rows:
        return "<p>None yet.</p>"
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _link(kind: str, name: str) -> str:
    return f'<a href="/{kind}/{quote(name)}">{escape(name)}</a>'


def _body(body: Json) -> str:
    if not isinstance(body, dict):
        return str(body)
    return ", ".join(f"{key}: {value}" for key, value in cast("dict[str, Json]", body).items())


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
