"""Commands of the third phase: evaluation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Format, Place

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation.report import Page
    from finetuner.evaluation.results import Evaluation

_FLAGGED = "flagged_for_review.jsonl"

Named = Annotated[str, typer.Argument(help="provider:model, a name that says its provider, or a job's id.")]
Test = Annotated[str, typer.Argument(help="Examples with their expected answers.")]
Most = Annotated[float | None, typer.Option("--max-usd", min=0.0, help="Stop before spending more, in USD.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Most calls in flight.")]
PagePath = Annotated[Path | None, typer.Option("--report", help="Also write an HTML page here.")]
Trained = Annotated[bool, typer.Option("--allow-training-rows", help="Score rows that the model was trained on.")]


def evaluate(
    model: Named,
    file: Test,
    *,
    llm_judge: Annotated[bool, typer.Option("--llm-judge", help="Score answers by a rubric too.")] = False,
    rubric: Annotated[str | None, typer.Option(help="The rubric's Markdown file.")] = None,
    rubric_name: Annotated[str | None, typer.Option(help="Which rubric, where the file has several.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="The model that judges.")] = None,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Instead of the usual ones.")] = None,
    provider: Annotated[str | None, typer.Option(help="For a model's name that doesn't say it.")] = None,
    flagged: Annotated[Path, typer.Option(help="Where examples for people are written.")] = Path(_FLAGGED),
    report: PagePath = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    allow_training_rows: Trained = False,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on examples, each metric with its interval."""
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation import run, text
    from finetuner.evaluation.report import evaluation_page

    data = Dataset.load(file, format=format)
    with output.progress("Evaluating") as shown:
        result = run.evaluate(
            names.model(model, workspace, provider),
            data,
            metrics=metrics or None,
            judge=names.judge(rubric, rubric_name, judge_model, workspace) if llm_judge else None,
            concurrency=concurrency,
            max_usd=max_usd,
            on_progress=shown,
            allow_training_rows=allow_training_rows,
            workspace=workspace,
        )
    _write_flagged(result, data, flagged)
    _write_page(report, evaluation_page(result))
    output.result(text.evaluation_text(result), result.summary(), as_json=as_json)
    _require_answers(result)


def compare(
    base: Named,
    tuned: Named,
    file: Test,
    *,
    report: PagePath = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    allow_training_rows: Trained = False,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same examples: the paired difference, its interval, p, and a verdict."""
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation import comparison, text
    from finetuner.evaluation.report import comparison_page

    with output.progress("Comparing") as shown:
        result = comparison.compare(
            names.model(base, workspace),
            names.model(tuned, workspace),
            Dataset.load(file, format=format),
            concurrency=concurrency,
            max_usd=max_usd,
            on_progress=shown,
            allow_training_rows=allow_training_rows,
            workspace=workspace,
        )
    _write_page(report, comparison_page(result))
    output.result(text.comparison_text(result), result.summary(), as_json=as_json)


def benchmark(
    model: Named,
    *,
    name: Annotated[str, typer.Option("--benchmark", help="gsm8k, or a file of examples.")],
    baseline: Annotated[str | None, typer.Option(help="The base model; without it there is no gate.")] = None,
    margin: Annotated[float, typer.Option(help="Tolerated loss, as a share.")] = 0.05,
    data: Annotated[str | None, typer.Option(help="The benchmark's file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many rows from the start.")] = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a tuned model lost more than a margin on a benchmark; exit status 1 unless it passes."""
    from finetuner.evaluation import gate, text

    with output.progress("Evaluating") as shown:
        result = gate.benchmark(
            names.model(model, workspace),
            name,
            None if baseline is None else names.model(baseline, workspace),
            margin=margin,
            data=data,
            limit=limit,
            concurrency=concurrency,
            max_usd=max_usd,
            on_progress=shown,
            workspace=workspace,
        )
    output.result(text.regression_text(result), result.summary(), as_json=as_json)
    _require_answers(result.tuned)
    if result.outcome not in {None, "pass"}:
        raise typer.Exit(1)


def _require_answers(evaluation: "Evaluation") -> None:
    if not evaluation.counts.answered:
        raise typer.Exit(1)


def _write_flagged(evaluation: "Evaluation", data: "Dataset", path: Path) -> None:
    if evaluation.judged is None or not evaluation.judged.flagged:
        return
    import numpy as np

    rows = np.array(evaluation.judged.flagged, dtype=np.int64)
    output.advice(f"Saved to: {data.select(rows).write(path, format='finetuner')}")


def _write_page(path: Path | None, page: "Page") -> None:
    if path is None:
        return
    from finetuner._core.codec import write_atomically
    from finetuner.evaluation.report import render

    write_atomically(path, render(page).encode())
    output.advice(f"wrote {path}")
