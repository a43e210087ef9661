"""What an evaluation gives: every row, every count, every value with its interval."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import attrs
import numpy as np

from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.metrics.classification import ClassScores, ConfusionMatrix
from finetuner.evaluation.metrics.registry import Task
from finetuner.evaluation.statistics.estimate import Estimate

_NO_SCORES: Mapping[str, float] = MappingProxyType({})
_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class ScoredRow:
    """One row of the data with what the model made of it.

    Attributes:
        index: 0-based position in the data.
        line: 1-based line in its file, where there is one.
        row_hash: First 16 hexadecimal digits of the prompt's hash.
        prompt_text: What the user wrote.
        expected: The label of a classifier, else the completion.
        answer: What the model wrote; None where the call failed.
        parsed: What the deciding metric read from the answer; None where nothing could be read.
        correct: Whether the deciding metric gives 1; None where the call failed.
        scores: Value of every metric by name; empty where the call failed.
        refused: Whether the model refused, or its provider's filter cut it off; a refusal counts as wrong.
        error: Why the call failed, after all retries.
        latency: Seconds.
        cost: USD; None where the price is unknown.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        confidence: Probability that the model gave its answer, where its provider knows it.
        tags: What rows can be divided by: class, writing system, metadata.
    """

    index: int
    line: int | None
    row_hash: str
    prompt_text: str
    expected: str
    answer: str | None = None
    parsed: str | None = None
    correct: bool | None = None
    scores: Mapping[str, float] = _NO_SCORES
    refused: bool = False
    error: str | None = None
    latency: float | None = None
    cost: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    confidence: float | None = None
    tags: Mapping[str, str] = _NO_TAGS


@attrs.frozen(kw_only=True)
class Counts:
    """Where every row went: `attempted = answered + errored`, and every answered row is scored.

    Attributes:
        attempted: Rows of the data.
        answered: Rows with an answer.
        scored: Rows behind the metrics. Unreadable answers and refusals are among them, as wrong.
        errored: Rows without an answer after all retries; they are in no metric.
        unparseable: Answers from which the deciding metric could read nothing.
        refused: Answers that are refusals.
    """

    attempted: int
    answered: int
    scored: int
    errored: int
    unparseable: int
    refused: int

    @classmethod
    def of(cls, rows: Sequence[ScoredRow]) -> "Counts":
        """Count rows."""
        answered = [row for row in rows if row.answer is not None]
        return cls(
            attempted=len(rows),
            answered=len(answered),
            scored=sum(row.correct is not None for row in answered),
            errored=len(rows) - len(answered),
            unparseable=sum(row.parsed is None and not row.refused for row in answered),
            refused=sum(row.refused for row in answered),
        )


@attrs.frozen(kw_only=True)
class Latency:
    """Seconds that answers took.

    Attributes:
        mean: Average.
        p50: Median.
        p95: 95 of 100 answers were at least this fast.
    """

    mean: float
    p50: float
    p95: float

    @classmethod
    def of(cls, rows: Sequence[ScoredRow]) -> "Latency | None":
        """Summarize rows; None where no row has an answer."""
        seconds = [row.latency for row in rows if row.latency is not None]
        if not seconds:
            return None
        p50, p95 = (float(value) for value in np.quantile(seconds, (0.5, 0.95)))
        return cls(mean=float(np.mean(seconds)), p50=p50, p95=p95)


@attrs.frozen(kw_only=True)
class Evaluation:
    """How a model did on a data set.

    Attributes:
        id: Decided by model, data and options: the same evaluation has the same id.
        model: `provider:model`.
        dataset: The data set's fingerprint.
        source: Where the data came from.
        task: `classification`, `generation`, `json` or `tools`.
        primary: Name of the metric that decides whether an answer is right.
        metrics: Values with their intervals by name; empty where no row has an answer.
        counts: Where every row went.
        rows: Every row of the data, in order.
        confusion: Of a classifier.
        classes: Of a classifier, in the order of the labels.
        latency: Seconds that answers took.
        cost: USD of all answers; None where the price is unknown.
        judged: What the judge says, where one was asked.
    """

    id: str
    model: str
    dataset: str
    source: str
    task: Task
    primary: str
    metrics: Mapping[str, Estimate]
    counts: Counts
    rows: tuple[ScoredRow, ...] = attrs.field(repr=False)
    confusion: ConfusionMatrix | None = attrs.field(default=None, repr=False)
    classes: tuple[ClassScores, ...] = attrs.field(default=(), repr=False)
    latency: Latency | None = None
    cost: float | None = None
    judged: JudgeReport | None = None

    def __str__(self) -> str:
        """Metrics with intervals, counts, latency and cost, a line each, as `fine-tuner-cc evaluate` prints."""
        from finetuner.evaluation.text import evaluation_text

        return evaluation_text(self)

    @property
    def value(self) -> Estimate | None:
        """The deciding metric; None where no row has an answer."""
        return self.metrics.get(self.primary)

    def plot(self) -> Any:
        """A figure of matplotlib (extra `plot`): the confusion matrix of a classifier, else the metrics.

        Raises:
            MissingExtraError: matplotlib isn't installed.
        """
        from finetuner.evaluation.plots import evaluation_figure

        return evaluation_figure(self)

    def summary(self) -> "Evaluation":
        """The same without rows: small, and free of prompts and answers."""
        judged = None if self.judged is None else attrs.evolve(self.judged, verdicts={})
        return attrs.evolve(self, rows=(), judged=judged)
