"""`demo`: the whole workflow in one command."""

from pathlib import Path
from typing import Annotated

import typer

from finetuner.cli import output
from finetuner.cli.options import AsJson, Format


def demo(
    folder: Annotated[Path, typer.Option("--output", help="Folder for everything that is made.")] = Path("demo-output"),
    data: Annotated[
        str | None, typer.Option(help="Labeled requests of your own, instead of the demonstration's.")
    ] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Go from logs to a tuned model, a verdict and a rollout decision, offline; exit status 1 if tuned isn't better."""
    from finetuner.data.dataset import Dataset
    from finetuner.demo.workflow import run

    own = None if data is None else Dataset.load(data, format=format)
    outcome = run(folder, own, say=output.advice if as_json else _say)
    if as_json:
        output.result("", {**output.plain(outcome), "better": outcome.better}, as_json=True)
    if not outcome.better:
        raise typer.Exit(1)


def _say(text: str) -> None:
    output.result(text, text, as_json=False)
