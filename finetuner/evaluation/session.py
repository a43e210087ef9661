"""One evaluation under way: what is asked for, what is there already, and what is made of the answers."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import attrs

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.concurrency import ConcurrencyPolicy
from finetuner._core.hashing import json_sha256, sha256
from finetuner._core.types import Json, JsonObject
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example
from finetuner.errors import UsageError
from finetuner.evaluation.batching import BatchWork, run_batches, run_batches_async
from finetuner.evaluation.budget import NOTHING, Budget, Limits, Spent
from finetuner.evaluation.execution import Outcome, Progress, Work, run_here, run_tasks, run_threads
from finetuner.evaluation.judge import Judge
from finetuner.evaluation.leaks import refuse_training_rows
from finetuner.evaluation.metrics.classification import per_class
from finetuner.evaluation.metrics.registry import MetricLike, Task
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.results import Counts, Evaluation, Latency, ScoredRow
from finetuner.evaluation.scoring import Scale, confusion, grades, scored_row, summarize
from finetuner.evaluation.slices import tags
from finetuner.providers.model import Answerer, Model
from finetuner.providers.ports import BatchRequest, Completion, CompletionOptions
from finetuner.records.answer_log import AnswerLog
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.jobs import JobRecords
from finetuner.records.journal import Journal

Place = str | Path | Workspace | None
"""A workspace, its folder or database URL, or None for the default one."""

OnProgress = Callable[[Progress], None]
"""Told after every answer that is kept."""

OnCost = Callable[[float | None], None]
"""Told a cost in USD before it arises; None where prices are unknown."""

_OPTIONS = CompletionOptions()
_SLOWEST_START = 8


class EvaluateOptions(TypedDict, total=False):
    """The keyword arguments of `evaluate` and of all that evaluates. What they mean: `Settings`."""

    metrics: Sequence[MetricLike] | None
    judge: Judge | None
    task: Task | None
    journal: Journal | None
    workspace: Place
    concurrency: int
    max_usd: float | None
    max_total_tokens: int | None
    max_seconds: float | None
    options: CompletionOptions
    on_progress: OnProgress | None
    allow_training_rows: bool
    cache: bool
    batch: bool
    on_judge_cost: OnCost | None
    clock: Clock


@attrs.frozen(kw_only=True)
class Settings:
    """How to evaluate.

    Attributes:
        metrics: Names, metrics, or functions `f(expected, answer, example) -> float`; the first one decides whether an
            answer is right. By default accuracy, precision, recall, F1 for labels; exact match and token F1 for text.
        judge: Scores every answer by a rubric, after checking that it catches answers known to be bad.
        task: `classification`, `generation`, `json` or `tools`; told from the data where not given.
        journal: Where answers are kept.
        workspace: Where the journal is, if it isn't given.
        concurrency: Most calls in flight; fewer while the provider throttles or becomes slow.
        max_usd: USD that all answers (and a judge's replies) together may cost, by the catalog's prices.
        max_total_tokens: Tokens that they may take, prompts and answers together.
        max_seconds: Seconds after which nothing more is asked.
        options: Temperature, limits, schema, time-out of a call.
        on_progress: Told after every answer that is kept.
        allow_training_rows: Score rows that the model was trained on.
        cache: Whether an answer that another evaluation has to the same request serves again. Only repeatable requests
            (temperature 0, or a seed) are cached.
        batch: Ask through the provider's batch interface: cheaper, and within a day.
        on_judge_cost: Told before a judge is asked what it may cost at most, in USD; None where prices are unknown.
        clock: Time.
    """

    metrics: Sequence[MetricLike] | None = None
    judge: Judge | None = None
    task: Task | None = None
    journal: Journal | None = None
    workspace: Place = None
    concurrency: int = 16
    max_usd: float | None = None
    max_total_tokens: int | None = None
    max_seconds: float | None = None
    options: CompletionOptions = _OPTIONS
    on_progress: OnProgress | None = None
    allow_training_rows: bool = False
    cache: bool = True
    batch: bool = False
    on_judge_cost: OnCost | None = None
    clock: Clock = SYSTEM_CLOCK

    def __attrs_post_init__(self) -> None:
        if self.concurrency < 1:
            raise UsageError(f"concurrency is {self.concurrency}; give at least 1")

    @property
    def limits(self) -> Limits:
        """What everything together may use."""
        return Limits(usd=self.max_usd, tokens=self.max_total_tokens, seconds=self.max_seconds)

    @property
    def policy(self) -> ConcurrencyPolicy:
        """How many calls at once: an eighth of the most at the start, doubled while all is well."""
        return ConcurrencyPolicy(maximum=self.concurrency, initial=max(_SLOWEST_START, self.concurrency // 8))

    @property
    def repeatable(self) -> bool:
        """Whether asking again would give the same answer, as far as a provider can promise."""
        return self.options.temperature == 0 or self.options.seed is not None


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
        reused: Answers of other evaluations to the same requests.
        started: When it began, in the clock's monotonic seconds.
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
    reused: dict[int, Completion]
    started: float

    @classmethod
    def prepare(
        cls, model: Model | str, data: LabeledData | str | Path, records: EvaluationRecords, settings: Settings
    ) -> "Session":
        """Read the data, connect the model, and find what earlier runs left."""
        connected = Model.of(model).connected()
        data = Dataset.load(data) if isinstance(data, str | Path) else data
        examples = tuple(data)
        if not examples:
            raise UsageError(f"{data.source} has no rows to evaluate")
        pricing = priced(connected, records.journal, settings.max_usd)
        pricing = pricing.batched() if settings.batch else pricing
        own_id = evaluation_id(connected, data, settings.options, batch=settings.batch)
        kept = records.answers(own_id, Completion)
        session = cls(
            id=own_id,
            model=connected,
            data=data,
            examples=examples,
            settings=settings,
            scale=Scale.of(examples, settings.task, settings.metrics),
            pricing=pricing,
            records=records,
            kept=kept,
            reused={},
            started=settings.clock.monotonic(),
        )
        return session._with_reused()

    def refuse_training_rows(self) -> None:
        """Raise `LeakError` where the model was trained on rows of the data, unless that is allowed."""
        if not self.settings.allow_training_rows:
            trained = JobRecords(self.records.journal).training_hashes(self.model.reference)
            refuse_training_rows(str(self.model), self.data, trained)

    def ask(self) -> dict[int, Outcome[Completion]]:
        """Make the calls that are left, each answer kept as it comes."""
        if self.settings.batch:
            with self._begun() as log:
                return run_batches(self._batches(log))
        if self.model.provider.bulk is not None:
            return run_here(self.ask_async)
        with self._begun() as log:
            return run_threads(self._work(log, self.model)).outcomes

    async def ask_async(self) -> dict[int, Outcome[Completion]]:
        """Like `ask`, without blocking the event loop."""
        with self._begun() as log:
            if self.settings.batch:
                return await run_batches_async(self._batches(log))
            async with self.model.bulk(self.settings.concurrency) as answerer:
                return (await run_tasks(self._work(log, answerer))).outcomes

    @contextmanager
    def _begun(self) -> Generator[AnswerLog]:
        self.records.begin(self.id, model=str(self.model), dataset=self.data.fingerprint, kind="evaluation")
        with self.records.keeping(self.id) as log:
            yield log

    def _work(self, log: AnswerLog, answerer: Answerer) -> Work[Completion]:
        examples, settings = self.examples, self.settings

        async def ask_async(row: int) -> Completion:
            return _sound(await answerer.complete_async(examples[row].prompt, self._options(row)))

        return Work(
            rows=[row for row in range(len(examples)) if row not in self.kept and row not in self.reused],
            ask=lambda row: _sound(self.model.complete(examples[row].prompt, self._options(row))),
            ask_async=ask_async,
            keep=lambda row, answer: log.append(row, answer, self._key(row)),
            budget=Budget(
                limits=settings.limits,
                spent=sum(map(self.pricing.spent, self.kept.values()), NOTHING),
                price=self.pricing.spent,
                worst_price=lambda row: self.pricing.worst(examples[row], settings.options),
            ),
            policy=settings.policy,
            clock=settings.clock,
            advanced=self._reporter(),
        )

    def _batches(self, log: AnswerLog) -> BatchWork:
        batches = self.model.provider.batches
        if batches is None:
            raise UsageError(f"{self.model.reference.provider} has no batch interface; leave batch out")

        def request(row: int) -> BatchRequest:
            return BatchRequest(id=str(row), messages=self.examples[row].prompt, options=self._options(row))

        return BatchWork(
            evaluation=self.id,
            model=self.model.reference.model,
            batches=batches,
            total=len(self.examples),
            request=request,
            work=self._work(log, self.model),
        )

    def _with_reused(self) -> "Session":
        """The session that knows what other evaluations have asked already."""
        if not (self.settings.cache and self.settings.repeatable):
            return self
        keys = {row: self._key(row) for row in range(len(self.examples)) if row not in self.kept}
        found = self.records.cached(tuple({key for key in keys.values() if key is not None}), Completion)
        reused = {row: found[key] for row, key in keys.items() if key is not None and key in found}
        return attrs.evolve(self, reused=reused)

    @cached_property
    def _key_prefix(self) -> str:
        return json_sha256({"version": 1, "model": str(self.model), "options": _asked(self.settings.options)})

    def _key(self, row: int) -> str | None:
        """What another evaluation's request must have in common for its answer to serve; None for none."""
        if not self.settings.repeatable:
            return None
        return sha256(f"{self._key_prefix}{self.examples[row].prompt_hash}".encode())

    def _options(self, row: int) -> CompletionOptions:
        """The options, with the tools that the row's example brings where none are given."""
        options, tools = self.settings.options, self.examples[row].tools
        return attrs.evolve(options, tools=tools) if tools and not options.tools else options

    def finish(self, outcomes: dict[int, Outcome[Completion]]) -> Evaluation:
        """The evaluation of all answers, kept in the journal without its rows."""
        answers = (
            self.reused
            | self.kept
            | {row: outcome.value for row, outcome in outcomes.items() if outcome.value is not None}
        )
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

    def limits_after(self, result: Evaluation) -> Limits:
        """What is left for a judge."""
        used = Spent(result.cost or 0.0, sum(row.prompt_tokens + row.completion_tokens for row in result.rows))
        return self.settings.limits.after(used, self.settings.clock.monotonic() - self.started)

    def _blank_rows(self) -> Iterator[ScoredRow]:
        for index, row_hash in enumerate(self.data.prompt_hashes()):
            yield ScoredRow(
                index=index,
                line=self.data.line(index),
                row_hash=row_hash,
                prompt_text=self.examples[index].user_text,
                expected=self.scale.expected[index],
                tags=self._tags(index),
            )

    def _tags(self, row: int) -> dict[str, str]:
        example = self.examples[row]
        label = self.scale.expected[row] if self.scale.task == "classification" else None
        return tags(example.metadata, example.user_text, label)

    def _reporter(self) -> Callable[[int, Spent, float], None]:
        known, total = len(self.kept) + len(self.reused), len(self.examples)

        def report(settled: int, spent: Spent, seconds: float) -> None:
            if self.settings.on_progress is None:
                return
            done = known + settled
            rate = settled / seconds if seconds > 0 else 0.0
            eta = (total - done) / rate if rate else None
            cost = spent.usd if self.pricing.known else None
            self.settings.on_progress(Progress(done=done, total=total, rate=rate, eta=eta, cost=cost))

        return report


def evaluation_id(model: Model, data: LabeledData, options: CompletionOptions, *, batch: bool = False) -> str:
    """64 hexadecimal digits: the same model, data and options have the same, whatever the metrics."""
    way: JsonObject = {"batch": True} if batch else {}
    return json_sha256(
        way
        | {
            "version": 1,
            "model": str(model),
            "dataset": data.fingerprint,
            "prompts": list(data.prompt_hashes()),
            "options": _asked(options),
        }
    )


def _asked(options: CompletionOptions) -> Json:
    """What of the options decides the answer."""
    return codec.unstructure(attrs.evolve(options, timeout=None, max_retries=None))


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
    sound = completion.text.encode("utf-8", "replace").decode()
    return completion if sound == completion.text else attrs.evolve(completion, text=sound)
