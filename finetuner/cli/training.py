"""Commands of the second phase: price, upload, start and move a training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import catalog, jobs, names, output
from finetuner.cli.options import AsJson, Place
from finetuner.errors import UsageError

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.providers.ports import Finding
    from finetuner.training.estimate import CostEstimate
    from finetuner.training.search import Trial

Method = Annotated[str, typer.Option(help="supervised, dpo, preference or reinforcement.")]
Most = Annotated[float | None, typer.Option("--max-usd", min=0.0, help="Don't start what costs more, in USD.")]
Validation = Annotated[str | None, typer.Option("--validation", "--validation-file", help="Likewise, for validation.")]


def estimate(
    file: Annotated[str, typer.Argument(help="Training examples.")],
    *,
    model: Annotated[str | None, typer.Option(help="The base model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Where; openai by default, all with --compare.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often each example is trained on.")] = 3,
    requests: Annotated[int, typer.Option(min=0, help="Requests a month, for the price of answers.")] = 1_000_000,
    cached_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of input found in the provider's cache.")
    ] = 0.0,
    compare: Annotated[bool, typer.Option("--compare", help="All models that can be tuned, side by side.")] = False,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a training and a month of answers would cost, before they do, and how sure each figure is."""
    from finetuner.data.dataset import Dataset
    from finetuner.providers.registry import connect
    from finetuner.training.estimate import estimate as priced

    data = Dataset.load(file)
    if compare:
        _compare(data, provider, epochs, requests, workspace, as_json=as_json)
        return
    if model is None:
        raise UsageError("give --model NAME, or --compare to see all models that can be tuned")
    connection = connect(provider or "openai", workspace=workspace)
    cost = priced(data, provider=connection, model=model.removeprefix(f"{connection.name}:"), epochs=epochs)
    month = cost.inference(requests, cached_share=cached_share)
    text = "\n".join([str(cost), str(month), "How sure:", *(f"  {each}" for each in cost.sureness)])
    output.result(text, _cost_value(cost, requests, cached_share), as_json=as_json)


def upload(
    file: Annotated[str, typer.Argument(help="Training or validation examples.")],
    provider: Annotated[str, typer.Option(help="Where to.")],
    to: Annotated[
        str | None, typer.Option("--to", help="gs://bucket/prefix for vertex; FINETUNER_GCS_BUCKET by default.")
    ] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Send a file and print its id; a file that is already there isn't sent again."""
    from finetuner.providers.registry import connect
    from finetuner.records.journal import Journal
    from finetuner.training import creation

    if to is not None and not to.startswith("gs://"):
        raise UsageError(f"--to takes gs://bucket/prefix, not {to!r}")
    options = {} if to is None else {"bucket": to}
    connection = connect(provider, workspace=workspace, **options)
    with Journal.open(workspace) as journal:
        sent = creation.upload(file, connection, journal, again=to is not None)
    output.result(sent.id, sent, as_json=as_json)


def create(
    training: Annotated[str, typer.Argument(help="Id of an uploaded file, a gs:// address, or a local path.")],
    *,
    provider: Annotated[str, typer.Option(help="Where.")],
    model: Annotated[str, typer.Option(help="The base model, or a tuned one to go on from.")],
    validation: Validation = None,
    method: Method = "supervised",
    epochs: Annotated[int | None, typer.Option(min=1, help="The provider's choice by default.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step.")] = None,
    learning_rate_multiplier: Annotated[float | None, typer.Option(help="Above 0.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For a training that can be repeated.")] = None,
    suffix: Annotated[str | None, typer.Option(help="Part of the tuned model's name.")] = None,
    max_usd: Most = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Start a training job and print its id; the same command again gives the same job."""
    from finetuner.training.job import Job

    job = Job.create(
        training,
        validation=validation,
        provider=provider,
        model=model,
        method=method,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate_multiplier=learning_rate_multiplier,
        seed=seed,
        suffix=suffix,
        max_usd=max_usd,
        workspace=workspace,
    )
    _warn(job.findings)
    if job.existing:
        output.advice("the same data and settings have this job already: nothing is paid again")
    output.advice(f"{job.status}; follow it with: fine-tuner-cc wait {job.id}")
    output.result(job.id, {**output.plain(job.snapshot), "existing": job.existing}, as_json=as_json)


def retarget(
    job_id: jobs.Named,
    to: Annotated[str, typer.Option("--to", help="The new provider.")],
    model: Annotated[str, typer.Option(help="The new base model.")],
    *,
    data: Annotated[str | None, typer.Option(help="The training data, where the workspace has no copy.")] = None,
    validation: Validation = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="As in the old job by default.")] = None,
    test: Annotated[
        str | None, typer.Option(help="Held-out examples: wait, and compare the old tuned model with the new one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change and cost.")] = False,
    max_usd: Most = None,
    provider: jobs.At = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Train the same data and settings on another provider or base, print the new job's id, and compare the models."""
    job = jobs.find(job_id, provider, workspace)
    if dry_run:
        move = job.plan_retarget(to, model=model, training=data, validation=validation, epochs=epochs)
        output.result(str(move), move, as_json=as_json)
        return
    moved = job.retarget(to, model=model, training=data, validation=validation, epochs=epochs, max_usd=max_usd)
    output.advice(str(moved.moved))
    if test is None:
        output.result(moved.id, {"job": moved.snapshot, "move": moved.moved}, as_json=as_json)
        return
    output.advice(f"{moved.id}: waiting for its model")
    moved = moved.wait()
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation import comparison, text

    with output.progress("Comparing") as shown:
        found = comparison.compare(job.model, moved.model, Dataset.load(test), on_progress=shown, workspace=workspace)
    output.advice(f"Base is {names.shown(job.model.reference)}, tuned is {names.shown(moved.model.reference)}")
    value = {"job": moved.snapshot, "move": moved.moved, "comparison": found.summary()}
    output.result(f"{moved.id}\n{text.comparison_text(found)}", value, as_json=as_json)


def search(
    file: Annotated[str, typer.Argument(help="Training examples.")],
    *,
    validation: Annotated[str, typer.Option("--validation", "--validation-file", help="What decides.")],
    provider: Annotated[str, typer.Option(help="Where.")],
    model: Annotated[str, typer.Option(help="The base model.")],
    vary: Annotated[
        list[str] | None, typer.Option("--try", help="A setting and its values, such as epochs=2,4,8; repeatable.")
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option("--shares", help="Parts of the data instead, such as 0.25,0.5,1: would more data help?"),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 2,
    max_usd: Most = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Train with several settings, or on parts of the data, within one budget, and compare on validation."""
    from finetuner.data.dataset import Dataset
    from finetuner.training import search as searching

    if (vary is None) == (shares is None):
        raise UsageError("give --try NAME=VALUE,VALUE to vary settings, or --shares 0.25,0.5,1 to vary the data")
    data, held_out = Dataset.load(file), Dataset.load(validation)
    if shares is not None:
        found: searching.Search | searching.LearningCurve = searching.learning_curve(
            data,
            validation=held_out,
            provider=provider,
            model=model,
            shares=[_number(part) for part in shares.split(",")],
            parallel=parallel,
            max_usd=max_usd,
            workspace=workspace,
        )
    else:
        found = searching.search(
            data,
            validation=held_out,
            provider=provider,
            model=model,
            grid=dict(map(_setting, vary or ())),
            parallel=parallel,
            max_usd=max_usd,
            workspace=workspace,
        )
    values = [{**output.plain(trial.settings), "job": trial.job.id, **_scores(trial)} for trial in found.trials]
    output.result(str(found), {"trials": values, "usd": found.usd}, as_json=as_json)


def _scores(trial: "Trial") -> dict[str, object]:
    return {"loss": trial.loss, "accuracy": trial.accuracy, "problem": trial.problem}


def _setting(text: str) -> tuple[str, list[int | float]]:
    name, separator, values = text.partition("=")
    if not separator or not name or not values:
        raise UsageError(f"--try takes NAME=VALUE,VALUE, not {text!r}")
    return name, [_number(value) for value in values.split(",")]


def _number(text: str) -> int | float:
    try:
        return int(text) if text.strip().lstrip("-").isdecimal() else float(text)
    except ValueError as error:
        raise UsageError(f"{text!r} isn't a number") from error


def _warn(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        output.advice(f"{finding.severity}: {finding.message}{f'; {finding.fix}' if finding.fix else ''}")


def _compare(
    data: "Dataset", provider: str | None, epochs: int, requests: int, workspace: str | None, *, as_json: bool
) -> None:
    from finetuner._core.money import usd
    from finetuner.training.estimate import compare_costs

    method = "dpo" if len(data) and data[0].preferred is not None else "supervised"
    costs = compare_costs(data, catalog.reachable(provider, workspace), epochs=epochs, method=method)
    head = ("Model", "Training", f"{requests:,} requests a month", "As of")
    rows = [
        (
            cost.model,
            "unknown" if cost.usd is None else usd(cost.usd),
            "unknown" if (month := cost.inference(requests).monthly_usd) is None else usd(month),
            str(cost.as_of or ""),
        )
        for cost in costs
    ]
    output.result(_table((head, *rows)), [_cost_value(cost, requests, 0.0) for cost in costs], as_json=as_json)


def _cost_value(cost: "CostEstimate", requests: int, cached_share: float) -> dict[str, object]:
    month = cost.inference(requests, cached_share=cached_share)
    inference = {**output.plain(month), "monthly_usd": month.monthly_usd, "lowest_usd": month.lowest_usd}
    totals = {"training_tokens": cost.training_tokens, "usd": cost.usd, "price": cost.price}
    return {**output.plain(cost), **totals, "inference": inference, "sureness": cost.sureness}


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
