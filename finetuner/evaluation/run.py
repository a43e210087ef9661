"""Evaluating a model: concurrent, journalled answer by answer, resumable, honest about its denominators."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import attrs

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.concurrency import ConcurrencyPolicy
from finetuner._core.hashing import json_sha256
from finetuner._core.workspace import Workspace
from finetuner.data.examples import Example
from finetuner.errors import UsageError
from finetuner.evaluation.court import Court, CourtLimits
from finetuner.evaluation.execution import Budget, Outcome, Progress, Work, run_tasks, run_threads
from finetuner.evaluation.judge import Judge
from finetuner.evaluation.leaks import refuse_training_rows
from finetuner.evaluation.metrics.classification import per_class
from finetuner.evaluation.metrics.registry import MetricLike, Task
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.results import Counts, Evaluation, Latency, ScoredRow
from finetuner.evaluation.scoring import Scale, confusion, grades, scored_row, summarize
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionOptions
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.jobs import JobRecords
from finetuner.records.journal import Journal

Place = str | Path | Workspace | None
"""A workspace, its folder or database URL, or None for the default one."""

OnProgress = Callable[[Progress], None]
"""Told after every answer that is kept."""

_OPTIONS = CompletionOptions()


class EvaluateOptions(TypedDict, total=False):
    """The keyword arguments of `evaluate`, for what evaluates several models alike."""

    metrics: Sequence[MetricLike] | None
    judge: Judge | None
    task: Task | None
    journal: Journal | None
    workspace: Place
    concurrency: int
    max_usd: float | None
    options: CompletionOptions
    on_progress: OnProgress | None
    allow_training_rows: bool
    clock: Clock


def evaluate(
    model: Model | str,
    data: LabeledData,
    *,
    metrics: Sequence[MetricLike] | None = None,
    judge: Judge | None = None,
    task: Task | None = None,
    journal: Journal | None = None,
    workspace: Place = None,
    concurrency: int = 16,
    max_usd: float | None = None,
    options: CompletionOptions = _OPTIONS,
    on_progress: OnProgress | None = None,
    allow_training_rows: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Evaluation:
    """How a model does on a data set. Ask the same again and it goes on where it stopped, paying for nothing twice.

    Args:
        model: `provider:model`, or a `Model`.
        data: Examples with their expected answers.
        metrics: Names, metrics, or functions `f(expected, answer, example) -> float`; the first one decides whether an
            answer is right. By default accuracy, precision, recall, F1 for labels; exact match and token F1 for text.
        judge: Scores every answer by a rubric, after checking that it catches answers known to be bad.
        task: `classification` or `generation`; told from the labels where not given.
        journal: Where answers are kept.
        workspace: Where the journal is, if it isn't given.
        concurrency: Most calls in flight; fewer while the provider throttles.
        max_usd: USD that all answers (and judge's replies) together may cost, by the catalog's prices.
        options: Temperature, limits, schema.
        on_progress: Told after every answer that is kept.
        allow_training_rows: Score rows that the model was trained on.
        clock: Time.

    Returns:
        Every row, every count, every metric with its interval. Rows whose call failed are there with their error.

    Raises:
        LeakError: The model was trained on rows of the data.
        BudgetExceededError: The money didn't reach; answers so far are kept.
        AuthenticationError: No call can work. Likewise `NotFoundError`.
        UsageError: There are no rows, metrics don't fit, or `max_usd` can't be kept.
        JournalError: Answers can't be kept.
    """
    with opened(journal, workspace) as records:
        session = Session.prepare(
            model, data, records, Settings(metrics=metrics, task=task, options=options, max_usd=max_usd)
        )
        session.refuse_training_rows(allowed=allow_training_rows)
        result = session.finish(run_threads(session.work(concurrency, on_progress, clock)).outcomes)
        if judge is None:
            return result
        court = Court.open(judge, result, session.examples, records, session.limits(result, concurrency, clock))
        court = court.after_controls(run_threads(court.controls()).outcomes)
        return court.close(run_threads(court.answers()).outcomes)


async def evaluate_async(
    model: Model | str,
    data: LabeledData,
    *,
    metrics: Sequence[MetricLike] | None = None,
    judge: Judge | None = None,
    task: Task | None = None,
    journal: Journal | None = None,
    workspace: Place = None,
    concurrency: int = 16,
    max_usd: float | None = None,
    options: CompletionOptions = _OPTIONS,
    on_progress: OnProgress | None = None,
    allow_training_rows: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Evaluation:
    """Like `evaluate`, without blocking the event loop; `on_progress` is called from a thread."""
    with opened(journal, workspace) as records:
        session = Session.prepare(
            model, data, records, Settings(metrics=metrics, task=task, options=options, max_usd=max_usd)
        )
        session.refuse_training_rows(allowed=allow_training_rows)
        result = session.finish((await run_tasks(session.work(concurrency, on_progress, clock))).outcomes)
        if judge is None:
            return result
        court = Court.open(judge, result, session.examples, records, session.limits(result, concurrency, clock))
        court = court.after_controls((await run_tasks(court.controls())).outcomes)
        return court.close((await run_tasks(court.answers())).outcomes)


@attrs.frozen(kw_only=True)
class Settings:
    """What is asked for. `metrics` and `task` decide how answers are judged, `options` what they are."""

    metrics: Sequence[MetricLike] | None = None
    task: Task | None = None
    options: CompletionOptions = _OPTIONS
    max_usd: float | None = None


@attrs.frozen(kw_only=True)
class Session:
    """One evaluation under way: everything but the calls.

    Attributes:
        id: Decided by model, data and options.
        model: Connected.
        data: Examples with their expected answers.
        examples: The same, read.
        settings: What is asked for.
        scale: How answers are judged.
        pricing: What answers cost.
        records: Where answers are kept.
        kept: Answers of earlier runs by row number.
    """

    id: str
    model: Model
    data: LabeledData
    examples: tuple[Example, ...]
    settings: Settings
    scale: Scale
    pricing: Pricing
    records: EvaluationRecords
    kept: dict[int, Completion]

    @classmethod
    def prepare(
        cls, model: Model | str, data: LabeledData, records: EvaluationRecords, settings: Settings
    ) -> "Session":
        """Read the data, connect the model, and find what earlier runs left."""
        connected = Model.of(model).connected()
        examples = tuple(data)
        if not examples:
            raise UsageError(f"{data.source} has no rows to evaluate")
        pricing = priced(connected, records.journal, settings.max_usd)
        own_id = evaluation_id(connected, data, settings.options)
        return cls(
            id=own_id,
            model=connected,
            data=data,
            examples=examples,
            settings=settings,
            scale=Scale.of(examples, settings.task, settings.metrics),
            pricing=pricing,
            records=records,
            kept=records.answers(own_id, Completion),
        )

    def refuse_training_rows(self, *, allowed: bool) -> None:
        """Raise `LeakError` where the model was trained on rows of the data, unless that is allowed."""
        if not allowed:
            trained = JobRecords(self.records.journal).training_hashes(self.model.reference)
            refuse_training_rows(str(self.model), self.data, trained)

    def work(self, concurrency: int, on_progress: OnProgress | None, clock: Clock) -> Work[Completion]:
        """The calls that are left to make."""
        if concurrency < 1:
            raise UsageError(f"concurrency is {concurrency}; give at least 1")
        self.records.begin(self.id, model=str(self.model), dataset=self.data.fingerprint, kind="evaluation")
        examples, options = self.examples, self.settings.options
        return Work(
            rows=[row for row in range(len(examples)) if row not in self.kept],
            ask=lambda row: _sound(self.model.complete(examples[row].prompt, self._options(row))),
            ask_async=self._ask_async,
            keep=lambda answers: self.records.keep(self.id, answers),
            budget=Budget(
                limit=self.settings.max_usd,
                spent=sum(self.pricing.cost(answer.usage) for answer in self.kept.values()),
                price=lambda answer: self.pricing.cost(answer.usage),
                worst_price=lambda row: self.pricing.worst(examples[row], options),
            ),
            policy=ConcurrencyPolicy(maximum=concurrency),
            clock=clock,
            advanced=self._reporter(on_progress),
        )

    async def _ask_async(self, row: int) -> Completion:
        return _sound(await self.model.complete_async(self.examples[row].prompt, self._options(row)))

    def _options(self, row: int) -> CompletionOptions:
        """The options, with the tools that the row's example brings where none are given."""
        options, tools = self.settings.options, self.examples[row].tools
        return attrs.evolve(options, tools=tools) if tools and not options.tools else options

    def finish(self, outcomes: dict[int, Outcome[Completion]]) -> Evaluation:
        """The evaluation of all answers, kept in the journal without its rows."""
        answers = self.kept | {row: outcome.value for row, outcome in outcomes.items() if outcome.value is not None}
        graded = {
            row: grades(self.scale, self.examples[row], self.scale.expected[row], answer)
            for row, answer in sorted(answers.items())
        }
        rows: list[ScoredRow] = []
        for blank in self._blank_rows():
            if blank.index in answers:
                answer = answers[blank.index]
                rows.append(scored_row(blank, graded[blank.index], self.scale.primary.name, answer, self.pricing))
            else:
                rows.append(attrs.evolve(blank, error=str(outcomes[blank.index].error)))
        matrix = confusion(self.scale, tuple(graded.values()))
        result = Evaluation(
            id=self.id,
            model=str(self.model),
            dataset=self.data.fingerprint,
            source=self.data.source,
            task=self.scale.task,
            primary=self.scale.primary.name,
            metrics=summarize(self.scale, tuple(graded.values())),
            counts=Counts.of(rows),
            rows=tuple(rows),
            confusion=matrix,
            classes=per_class(matrix) if matrix else (),
            latency=Latency.of(rows),
            cost=sum(self.pricing.cost(answer.usage) for answer in answers.values()) if self.pricing.known else None,
        )
        self.records.finish(self.id, result.summary())
        return result

    def limits(self, result: Evaluation, concurrency: int, clock: Clock) -> CourtLimits:
        """What is left for a judge."""
        limit = self.settings.max_usd
        left = None if limit is None else max(0.0, limit - (result.cost or 0.0))
        return CourtLimits(max_usd=left, policy=ConcurrencyPolicy(maximum=concurrency), clock=clock)

    def _blank_rows(self) -> Iterator[ScoredRow]:
        for index, row_hash in enumerate(self.data.prompt_hashes()):
            yield ScoredRow(
                index=index,
                line=self.data.line(index),
                row_hash=row_hash,
                prompt_text=self.examples[index].user_text,
                expected=self.scale.expected[index],
            )

    def _reporter(self, on_progress: OnProgress | None) -> Callable[[int, float, float], None]:
        def report(settled: int, spent: float, seconds: float) -> None:
            if on_progress is None:
                return
            done, total = len(self.kept) + settled, len(self.examples)
            rate = settled / seconds if seconds > 0 else 0.0
            eta = (total - done) / rate if rate else None
            cost = spent if self.pricing.known else None
            on_progress(Progress(done=done, total=total, rate=rate, eta=eta, cost=cost))

        return report


def evaluation_id(model: Model, data: LabeledData, options: CompletionOptions) -> str:
    """64 hexadecimal digits: the same model, data and options have the same, whatever the metrics."""
    return json_sha256(
        {
            "version": 1,
            "model": str(model),
            "dataset": data.fingerprint,
            "prompts": list(data.prompt_hashes()),
            "options": codec.unstructure(attrs.evolve(options, timeout=None, max_retries=None)),
        }
    )


def priced(model: Model, journal: Journal, max_usd: float | None) -> Pricing:
    """The prices of a connected model; those of its base where the journal knows it and the catalog has only that.

    Raises:
        UsageError: A budget is given, and there is no price to keep it by.
    """
    job = JobRecords(journal).by_model(model.reference)
    pricing = Pricing.of(model, None if job is None else job.request.model)
    pricing.require(model, max_usd)
    return pricing


def _sound(completion: Completion) -> Completion:
    """The answer without halves of surrogate pairs, which no journal can hold."""
    return attrs.evolve(completion, text=completion.text.encode("utf-8", "replace").decode())


@contextmanager
def opened(journal: Journal | None, workspace: Place) -> Generator[EvaluationRecords]:
    """The records of a given journal, or of one that is closed at the end."""
    if journal is not None:
        yield EvaluationRecords(journal)
        return
    with Journal.open(workspace) as own:
        yield EvaluationRecords(own)
