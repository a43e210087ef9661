"""Commands of the third phase: evaluation."""

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Format, Place

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation.evidence import ModelEvidence
    from finetuner.evaluation.report import Page
    from finetuner.evaluation.results import Evaluation
    from finetuner.evaluation.session import EvaluateOptions

_FLAGGED = "flagged_for_review.jsonl"

Named = Annotated[str, typer.Argument(help="provider:model, a name that says its provider, or a job's id.")]
Test = Annotated[str, typer.Argument(help="Examples with their expected answers.")]
Most = Annotated[float | None, typer.Option("--max-usd", min=0.0, help="Stop before spending more, in USD.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Most calls in flight.")]
PagePath = Annotated[Path | None, typer.Option("--report", help="Also write an HTML page here.")]
Tokens = Annotated[int | None, typer.Option("--max-total-tokens", min=1, help="Stop before using more tokens.")]
Seconds = Annotated[float | None, typer.Option("--max-seconds", min=0.0, help="Ask nothing more after so long.")]
Batch = Annotated[bool, typer.Option("--batch", help="Through the provider's batch interface: cheaper, in a day.")]
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
    threshold: Annotated[
        float | None, typer.Option(help="What the first metric must reach; else exit status 1.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="For a model's name that doesn't say it.")] = None,
    flagged: Annotated[Path, typer.Option(help="Where examples for people are written.")] = Path(_FLAGGED),
    report: PagePath = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    max_total_tokens: Tokens = None,
    max_seconds: Seconds = None,
    batch: Batch = False,
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
    options = _Calls(concurrency, max_usd, max_total_tokens, max_seconds, batch, allow_training_rows)
    with _asking("Evaluating", options, workspace) as asked:
        asked["metrics"] = metrics or None
        asked["judge"] = names.judge(rubric, rubric_name, judge_model, workspace) if llm_judge else None
        asked["on_judge_cost"] = _say_cost
        result = run.evaluate(names.model(model, workspace, provider), data, **asked)
    with _evidence(result.model, workspace) as evidence:
        finding = evidence.evaluation(result, threshold)
        if result.judged is not None:
            evidence.judged(result.judged)
    _write_flagged(result, data, flagged)
    _write_page(report, evaluation_page(result))
    output.result(text.evaluation_text(result), result.summary(), as_json=as_json)
    _require_answers(result)
    if threshold is not None and not finding.passed:
        raise typer.Exit(1)


def compare(
    base: Named,
    tuned: Named,
    file: Test,
    *,
    report: PagePath = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    max_total_tokens: Tokens = None,
    max_seconds: Seconds = None,
    batch: Batch = False,
    allow_training_rows: Trained = False,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same examples: the paired difference, its interval, p, and a verdict."""
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation import comparison, text
    from finetuner.evaluation.report import comparison_page

    options = _Calls(concurrency, max_usd, max_total_tokens, max_seconds, batch, allow_training_rows)
    with _asking("Comparing", options, workspace) as asked:
        result = comparison.compare(
            names.model(base, workspace), names.model(tuned, workspace), Dataset.load(file, format=format), **asked
        )
    with _evidence(result.tuned.model, workspace) as evidence:
        evidence.comparison(result)
    _write_page(report, comparison_page(result))
    output.result(text.comparison_text(result), result.summary(), as_json=as_json)


def benchmark(
    model: Named,
    *,
    name: Annotated[str, typer.Option("--benchmark", help="gsm8k, mmlu, …, or a file of examples.")],
    baseline: Annotated[str | None, typer.Option(help="The base model; without it there is no gate.")] = None,
    margin: Annotated[float, typer.Option(help="Tolerated loss, as a share.")] = 0.05,
    data: Annotated[str | None, typer.Option(help="The benchmark's file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many rows from the start.")] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Get the data from the hub where they are missing.")
    ] = False,
    sandbox: Annotated[str | None, typer.Option(help="Command that runs a program in safety, for humaneval.")] = None,
    concurrency: Concurrency = 16,
    max_usd: Most = None,
    max_total_tokens: Tokens = None,
    max_seconds: Seconds = None,
    batch: Batch = False,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a tuned model lost more than a margin on a benchmark; exit status 1 unless it passes."""
    from finetuner.evaluation import gate, text
    from finetuner.evaluation.benchmarks.humaneval import CommandSandbox

    options = _Calls(concurrency, max_usd, max_total_tokens, max_seconds, batch)
    with _asking("Evaluating", options, workspace) as asked:
        result = gate.benchmark(
            names.model(model, workspace),
            name,
            None if baseline is None else names.model(baseline, workspace),
            margin=margin,
            data=data,
            limit=limit,
            download=download,
            sandbox=None if sandbox is None else CommandSandbox(tuple(shlex.split(sandbox))),
            **asked,
        )
    if result.outcome is not None:
        with _evidence(result.tuned.model, workspace) as evidence:
            evidence.regression(result)
    output.result(text.regression_text(result), result.summary(), as_json=as_json)
    _require_answers(result.tuned)
    if result.outcome not in {None, "pass"}:
        raise typer.Exit(1)


class _Calls(NamedTuple):
    """How models are asked."""

    concurrency: int
    max_usd: float | None
    max_total_tokens: int | None
    max_seconds: float | None
    batch: bool
    allow_training_rows: bool = False


@contextmanager
def _asking(title: str, calls: _Calls, workspace: str | None) -> "Generator[EvaluateOptions]":
    """The options of whatever evaluates, while its progress is shown."""
    with output.progress(title) as shown:
        yield {
            "concurrency": calls.concurrency,
            "max_usd": calls.max_usd,
            "max_total_tokens": calls.max_total_tokens,
            "max_seconds": calls.max_seconds,
            "batch": calls.batch,
            "allow_training_rows": calls.allow_training_rows,
            "on_progress": shown,
            "workspace": workspace,
        }


def _say_cost(usd: float | None) -> None:
    from finetuner._core import money

    output.advice("Judging: the price is unknown" if usd is None else f"Judging costs up to {money.usd(usd)}")


@contextmanager
def _evidence(model: str, workspace: str | None) -> "Generator[ModelEvidence]":
    """Where findings about a model are written."""
    from finetuner.evaluation.evidence import ModelEvidence
    from finetuner.records.findings import Findings
    from finetuner.records.journal import Journal

    with Journal.open(workspace) as journal:
        yield ModelEvidence(Findings(journal), model)


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
