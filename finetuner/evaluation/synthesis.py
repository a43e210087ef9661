"""Synthetic data: a teacher is asked, every paid answer is kept before it counts, and the good ones become examples."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypedDict, Unpack

import attrs
import numpy as np

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK
from finetuner._core.concurrency import ConcurrencyPolicy
from finetuner._core.hashing import json_sha256
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, Message
from finetuner.data.synthesis import Request, sift, to_answer, to_write
from finetuner.errors import UsageError
from finetuner.evaluation.budget import NOTHING, Budget, Limits, Spent
from finetuner.evaluation.execution import Outcome, Progress, Work, run_tasks, run_threads
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.session import priced
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionOptions
from finetuner.records.answer_log import AnswerLog
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal
from finetuner.records.leases import Leases

KIND: Final = "synthesis"
_OPTIONS: Final = CompletionOptions(temperature=0.7)
_UNFINISHED: Final = {"length": "truncated", "content_filter": "filtered"}

Prompt = str | Sequence[Message]
OnProgress = Callable[[Progress], None]


@attrs.frozen(kw_only=True)
class Settings:
    """How to synthesize.

    Attributes:
        system: The system prompt of the examples.
        labels: How many requests to write for each label; None answers prompts.
        about: For labels: who writes, and about what.
        seeds: Good examples: shown to the teacher, and never repeated.
        copies: How many answers for each prompt.
        review: Whether answers that a review calls errors are left out.
        concurrency: Most calls in flight.
        max_usd: The most to spend, answers of earlier runs left out.
        options: How the teacher answers.
        seed: Decides which seeds are shown.
        on_progress: Is told how far it is.
    """

    system: str | None = None
    labels: Mapping[str, int] | None = None
    about: str | None = None
    seeds: Dataset | None = None
    copies: int = 1
    review: bool = True
    concurrency: int = 16
    max_usd: float | None = None
    options: CompletionOptions = _OPTIONS
    seed: int = 0
    on_progress: OnProgress | None = None


class Wishes(TypedDict, total=False):
    """The fields of `Settings`, as keyword arguments."""

    system: str | None
    labels: Mapping[str, int] | None
    about: str | None
    seeds: Dataset | None
    copies: int
    review: bool
    concurrency: int
    max_usd: float | None
    options: CompletionOptions
    seed: int
    on_progress: OnProgress | None


@attrs.frozen(kw_only=True)
class Synthesis:
    """What came of it.

    Attributes:
        dataset: The good examples, `{"synthetic": true}` in their metadata, in the order of the prompts.
        asked: Answers that were asked for, and paid, in this run.
        reused: Answers that earlier runs had paid.
        failed: Calls that gave no answer; run again to try them again.
        dropped: Answers that made no example, by reason: `truncated`, `filtered`, `refused`, `duplicate`,
            `like_a_seed`, or a code of the review.
        cost: USD spent in this run; None where the price is unknown.
    """

    dataset: Dataset
    asked: int
    reused: int
    failed: int
    dropped: Mapping[str, int]
    cost: float | None


def synthesize(
    prompts: Iterable[Prompt] = (),
    teacher: str | Model = "",
    *,
    workspace: str | Path | Workspace | None = None,
    **settings: Unpack[Wishes],
) -> Dataset:
    """Examples that a teacher writes: its answers to prompts, or requests that it writes for labels.

    Every answer is on disk before anything else happens: a process that is killed loses none that arrived, and the next
    run asks only for what is missing, also where prompts were added or moved. Two runs at once wait for each other.

    Args:
        prompts: What the teacher answers: texts or messages; leave out with `labels`.
        teacher: `provider:model`.
        workspace: Where answers are kept: a folder or database URL.
        **settings: Fields of `Settings`: `system`, `labels`, `about`, `seeds`, `copies`, `review`, `concurrency`,
            `max_usd`, `options`, `seed`, `on_progress`.

    Raises:
        UsageError: Neither prompts nor labels, or `max_usd` for a model without a price.
        BudgetExceededError: `max_usd` doesn't reach; all answers so far are kept.
        ProviderError: No call can work.
    """
    return synthesis(prompts, teacher, Settings(**settings), workspace=workspace).dataset


async def synthesize_async(
    prompts: Iterable[Prompt] = (),
    teacher: str | Model = "",
    *,
    workspace: str | Path | Workspace | None = None,
    **settings: Unpack[Wishes],
) -> Dataset:
    """Like `synthesize`, without blocking the event loop."""
    with Journal.open(workspace) as journal:
        run = _Run.prepare(prompts, teacher, Settings(**settings), journal)
        async with _held(Leases(journal), f"{KIND}:{run.id}"):
            run = run.informed()
            with run.begun() as log:
                schedule = await run_tasks(run.work(log))
        return run.result(schedule.outcomes).dataset


@asynccontextmanager
async def _held(leases: Leases, name: str) -> AsyncGenerator[None]:
    """Hold a lease while tasks of this event loop go on: from a thread of its own, as a lease belongs to a thread."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with leases.hold(name):
                taken.set()
                done.wait()
        finally:
            taken.set()

    with ThreadPoolExecutor(1, thread_name_prefix="finetuner-synthesis") as pool:
        holding = pool.submit(hold)
        try:
            await asyncio.to_thread(taken.wait)
            if holding.done():
                holding.result()
            yield
        finally:
            done.set()


def synthesis(
    prompts: Iterable[Prompt],
    teacher: str | Model,
    settings: Settings,
    *,
    workspace: str | Path | Workspace | None = None,
) -> Synthesis:
    """Like `synthesize`, and tells also what was asked, reused, dropped and paid."""
    with Journal.open(workspace) as journal:
        run = _Run.prepare(prompts, teacher, settings, journal)
        with Leases(journal).hold(f"{KIND}:{run.id}"):
            run = run.informed()
            with run.begun() as log:
                schedule = run_threads(run.work(log))
        return run.result(schedule.outcomes)


@attrs.frozen(kw_only=True)
class Estimate:
    """What a synthesis may cost.

    Attributes:
        answers: How many answers it needs.
        known: How many of them are paid already.
        usd: The most that the others may cost; None where the price is unknown.
    """

    answers: int
    known: int
    usd: float | None


def estimated(
    prompts: Iterable[Prompt],
    teacher: str | Model,
    settings: Settings,
    *,
    workspace: str | Path | Workspace | None = None,
) -> Estimate:
    """What a synthesis may cost at most, before anything is asked."""
    with Journal.open(workspace) as journal:
        run = _Run.prepare(prompts, teacher, settings, journal).informed()
        worst = sum((run.worst(row) for row in run.missing), NOTHING)
    return Estimate(answers=len(run.requests), known=len(run.known), usd=worst.usd if run.pricing.known else None)


@attrs.frozen(kw_only=True)
class _Run:
    """One synthesis under way: everything but the calls."""

    id: str
    model: Model
    settings: Settings
    requests: tuple[Request, ...]
    pricing: Pricing
    records: EvaluationRecords
    known: Mapping[int, Completion]

    @classmethod
    def prepare(cls, prompts: Iterable[Prompt], teacher: str | Model, settings: Settings, journal: Journal) -> "_Run":
        seeds = tuple(settings.seeds or ())
        if settings.labels:
            requests = to_write(settings.labels, about=settings.about, seeds=seeds, seed=settings.seed)
        else:
            requests = to_answer(prompts, first=settings.system, seeds=seeds, copies=settings.copies)
        if not requests:
            raise UsageError("there is nothing to ask: give prompts, or labels={'refund': 20}")
        model = Model.of(teacher).connected()
        asked = codec.unstructure(attrs.evolve(settings.options, timeout=None, max_retries=None))
        return cls(
            id=json_sha256({KIND: 1, "model": str(model.reference), "options": asked}),
            model=model,
            settings=settings,
            requests=requests,
            pricing=priced(model, journal, settings.max_usd),
            records=EvaluationRecords(journal),
            known={},
        )

    def informed(self) -> "_Run":
        """The run that knows what earlier ones have paid, those that were killed too."""
        self.records.fold(self.id)
        found = self.records.cached([self._key(request) for request in self.requests], Completion)
        known = {row: found[key] for row, key in enumerate(map(self._key, self.requests)) if key in found}
        return attrs.evolve(self, known=known)

    def begun(self) -> AbstractContextManager[AnswerLog]:
        """Where answers are kept as they come in."""
        self.records.begin(self.id, model=str(self.model.reference), dataset="", kind=KIND)
        return self.records.keeping(self.id)

    @property
    def missing(self) -> list[int]:
        return [row for row in range(len(self.requests)) if row not in self.known]

    def _key(self, request: Request) -> str:
        return json_sha256([self.id, request.key])

    def worst(self, row: int) -> Spent:
        return self.pricing.worst(Example(messages=self.requests[row].messages), self.settings.options)

    def work(self, log: AnswerLog) -> Work[Completion]:
        model, options = self.model, self.settings.options
        start = self.records.next_row(self.id)  # answers of other prompts keep their places

        async def ask_async(row: int) -> Completion:
            return _sound(await model.complete_async(self.requests[row].messages, options))

        return Work(
            rows=self.missing,
            ask=lambda row: _sound(model.complete(self.requests[row].messages, options)),
            ask_async=ask_async,
            keep=lambda row, answer: log.append(start + row, answer, self._key(self.requests[row])),
            budget=Budget(
                limits=Limits(usd=self.settings.max_usd),
                spent=NOTHING,
                price=self.pricing.spent,
                worst_price=self.worst,
            ),
            policy=ConcurrencyPolicy(maximum=self.settings.concurrency),
            clock=SYSTEM_CLOCK,
            advanced=self._advanced,
        )

    def _advanced(self, settled: int, spent: Spent, seconds: float) -> None:
        if self.settings.on_progress is not None:
            rate = settled / seconds if seconds > 0 else 0.0
            left = len(self.missing) - settled
            self.settings.on_progress(
                Progress(
                    done=len(self.known) + settled,
                    total=len(self.requests),
                    rate=rate,
                    eta=left / rate if rate else None,
                    cost=spent.usd if self.pricing.known else None,
                )
            )

    def result(self, outcomes: Mapping[int, Outcome[Completion]]) -> Synthesis:
        new = {row: outcome.value for row, outcome in outcomes.items() if outcome.value is not None}
        errors = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
        answers = {**self.known, **new}
        if not answers and errors:
            raise errors[0]
        dropped: Counter[str] = Counter()
        made: list[tuple[int, Example]] = []
        for row in sorted(answers):
            reason = _useless(answers[row])
            if reason is not None:
                dropped[reason] += 1
            else:
                made.append((row, self.requests[row].example(answers[row].text, self.settings.system)))
        data = Dataset.from_examples(
            [example for _, example in made], str(self.model.reference), lines=[row + 1 for row, _ in made]
        )
        seeds = self.settings.seeds if self.settings.seeds is not None else Dataset.from_examples([])
        flags = data.review().flags if self.settings.review and len(data) else ()
        flagged = {flag.row: flag.code for flag in flags if flag.severity == "error"}
        sifted = sift(data, seeds, flagged)
        kept = data.derived(
            KIND,
            {"teacher": str(self.model.reference), "requests": len(self.requests), "seed": self.settings.seed},
            np.array(sifted.rows, dtype=np.int64),
        )
        return Synthesis(
            dataset=kept,
            asked=len(new),
            reused=len(self.known),
            failed=len(errors),
            dropped=dict(dropped + Counter(sifted.dropped)),
            cost=sum(self.pricing.cost(answer.usage) for answer in new.values()) if self.pricing.known else None,
        )


def _useless(answer: Completion) -> str | None:
    """Why an answer can't become an example; None where it can."""
    if answer.refusal is not None:
        return "refused"
    return _UNFINISHED.get(answer.finish_reason) or (None if answer.text.strip() else "empty_response")


def _sound(completion: Completion) -> Completion:
    """The answer without halves of surrogate pairs, which no journal can hold."""
    sound = completion.text.encode("utf-8", "replace").decode()
    return completion if sound == completion.text else attrs.evolve(completion, text=sound)
