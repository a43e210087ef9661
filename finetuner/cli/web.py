"""`review-app`, `dashboard` and `serve`: pages and servers on this machine."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner._core.extras import require
from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Format, Place

if TYPE_CHECKING:
    from finetuner.web.gateway import Service

Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")]


def review_app(
    file: Annotated[str, typer.Argument(help="Examples to review, such as sample_review.jsonl.")],
    opinions: Annotated[
        Path | None, typer.Option("--output", help="Where opinions go; <stem>_opinions.jsonl by default.")
    ] = None,
    reviewer: Annotated[str | None, typer.Option(help="Your name; the account's by default.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The model whose answers these are: approving all approves it.")
    ] = None,
    port: Port = 8321,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Open a page on which a person approves or rejects examples one by one; opinions are kept at once."""
    require("starlette", extra="web", feature="the review page")
    from finetuner.data.dataset import Dataset
    from finetuner.records.findings import Findings
    from finetuner.records.journal import Journal
    from finetuner.web import review, server
    from finetuner.web.opinions import OpinionLog, Summary

    source = Path(file)
    log = OpinionLog(opinions or source.with_name(f"{source.stem}_opinions.jsonl"))
    data = Dataset.load(file, format=format)
    desk = review.ReviewDesk(data=data, reviewer=reviewer or getpass.getuser(), log=log)
    findings = Findings(Journal.open(workspace))

    def note(summary: Summary) -> None:
        if not summary.complete:
            return
        evidence = {
            "reviewed": summary.reviewed,
            "approved": summary.approved,
            "reviewers": ", ".join(summary.reviewers),
            "agreement": summary.agreement,
        }
        findings.add("human-review", data.fingerprint, passed=True, evidence=evidence)
        if model is not None:
            findings.add("approval", model, passed=summary.rejected == 0, evidence=evidence)

    token = server.new_token()
    output.result(server.address(port, token), {"address": server.address(port, token)}, as_json=as_json)
    output.advice(f"{len(data):,} examples; opinions go to {log.path}; end with Ctrl-C")
    server.serve(server.application(review.routes(desk, note), token=token), port)
    output.advice(str(desk.summary()))


def dashboard(port: Port = 8322, workspace: Place = None, as_json: AsJson = False) -> None:
    """Open a page with the workspace's jobs, evaluations and rollouts."""
    require("starlette", extra="web", feature="the dashboard")
    from finetuner.records.journal import Journal
    from finetuner.web import dashboard as pages
    from finetuner.web import server

    token = server.new_token()
    output.result(server.address(port, token), {"address": server.address(port, token)}, as_json=as_json)
    output.advice("end with Ctrl-C")
    server.serve(server.application(pages.routes(Journal.open(workspace)), token=token), port)


def serve(
    name: Annotated[str, typer.Argument(help="A rollout's name, or a model.")],
    port: Port = 8323,
    token: Annotated[
        str | None, typer.Option(envvar="FINETUNER_TOKEN", help="What clients must show; a random one by default.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="For a model's name that doesn't say it.")] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Serve a rollout or a model to any OpenAI client; `user` in the request is the unit of the rollout."""
    require("starlette", extra="web", feature="the server")
    from finetuner.errors import FinetunerError
    from finetuner.web import gateway, server

    shown = token or server.new_token()
    address = f"http://{server.HOST}:{port}/v1"
    service = _service(name, provider, workspace)
    value = {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": shown}
    output.result("\n".join(f"export {key}={text}" for key, text in value.items()), value, as_json=as_json)
    output.advice(f"serving {service.name}; feedback: POST {address}/feedback; end with Ctrl-C")
    app = server.application(gateway.routes(service), token=shown, errors={FinetunerError: gateway.refused})
    try:
        server.serve(app, port)
    finally:
        service.close()


def _service(name: str, provider: str | None, workspace: str | None) -> "Service":
    from finetuner.deployment.rollout import Rollout
    from finetuner.deployment.router import Router
    from finetuner.records.journal import Journal
    from finetuner.records.rollouts import RolloutRecords
    from finetuner.web.gateway import ModelService, RolloutService

    if name in RolloutRecords(Journal.open(workspace)).names():
        return RolloutService(name, Router(Rollout.get(name, store=workspace)))
    return ModelService(names.model(name, workspace, provider))
