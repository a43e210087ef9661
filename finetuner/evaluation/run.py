"""Evaluating a model: concurrent, journalled answer by answer, resumable, honest about its denominators."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

from finetuner.evaluation.court import Court, CourtLimits
from finetuner.evaluation.execution import run_tasks, run_threads
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.results import Evaluation
from finetuner.evaluation.session import EvaluateOptions, Place, Session, Settings
from finetuner.providers.model import Model
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal


def evaluate(model: Model | str, data: LabeledData | str | Path, **options: Unpack[EvaluateOptions]) -> Evaluation:
    """How a model does on a data set. Ask the same again and it goes on where it stopped, paying for nothing twice.

    Args:
        model: `provider:model`, or a `Model`.
        data: Examples with their expected answers, or the path of their file.
        **options: See `finetuner.evaluation.session.Settings`: `metrics`, `judge`, `task`, `journal` or `workspace`,
            `concurrency`, `max_usd`, `max_total_tokens`, `max_seconds`, `options`, `on_progress`,
            `allow_training_rows`, `cache`, `clock`.

    Returns:
        Every row, every count, every metric with its interval. Rows whose call failed are there with their error.

    Raises:
        LeakError: The model was trained on rows of the data.
        BudgetExceededError: Money, tokens or time didn't reach; answers so far are kept.
        AuthenticationError: No call can work. Likewise `NotFoundError`.
        UsageError: There are no rows, metrics don't fit, or `max_usd` can't be kept.
        JournalError: Answers can't be kept.
    """
    settings = Settings(**options)
    with opened(settings.journal, settings.workspace) as records:
        session = Session.prepare(model, data, records, settings)
        session.refuse_training_rows()
        result = session.finish(session.ask())
        if settings.judge is None:
            return result
        with _court(session, result).keeping() as court:
            believed = court.after_controls(run_threads(court.controls()).outcomes)
            verdicts = run_threads(believed.answers()).outcomes
        return believed.close(verdicts)


async def evaluate_async(
    model: Model | str, data: LabeledData | str | Path, **options: Unpack[EvaluateOptions]
) -> Evaluation:
    """Like `evaluate`, without blocking the event loop."""
    settings = Settings(**options)
    with opened(settings.journal, settings.workspace) as records:
        session = Session.prepare(model, data, records, settings)
        session.refuse_training_rows()
        result = session.finish(await session.ask_async())
        if settings.judge is None:
            return result
        with _court(session, result).keeping() as court:
            believed = court.after_controls((await run_tasks(court.controls())).outcomes)
            verdicts = (await run_tasks(believed.answers())).outcomes
        return believed.close(verdicts)


def _court(session: Session, result: Evaluation) -> Court:
    settings = session.settings
    assert settings.judge is not None
    limits = CourtLimits(limits=session.limits_after(result), policy=settings.policy, clock=settings.clock)
    court = Court.open(settings.judge, result, session.examples, session.records, limits)
    if settings.on_judge_cost is not None:
        settings.on_judge_cost(court.worst_cost().usd if court.pricing.known else None)
    return court


@contextmanager
def opened(journal: Journal | None, workspace: Place) -> Generator[EvaluationRecords]:
    """The records of a given journal, or of one that is closed at the end."""
    if journal is not None:
        yield EvaluationRecords(journal)
        return
    with Journal.open(workspace) as own:
        yield EvaluationRecords(own)
