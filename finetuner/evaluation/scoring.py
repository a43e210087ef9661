"""From answers to an `Evaluation`: pure."""

from collections.abc import Mapping, Sequence

import attrs

from finetuner._core import codec
from finetuner.data.examples import Example, ToolCall
from finetuner.evaluation.metrics.classification import ConfusionMatrix
from finetuner.evaluation.metrics.grading import Case, Grade, Metric
from finetuner.evaluation.metrics.labels import closed_set
from finetuner.evaluation.metrics.registry import MetricLike, Task, choose, infer
from finetuner.evaluation.metrics.tool_calls import described
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.results import ScoredRow
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.providers.ports import Completion


@attrs.frozen
class Scale:
    """How answers are judged: the task, what is expected of each row, and the metrics, the deciding one first.

    Attributes:
        task: What is asked of the model.
        expected: One text for each row.
        metrics: At least one.
    """

    task: Task
    expected: tuple[str, ...]
    metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, examples: Sequence[Example], task: Task | None, metrics: Sequence[MetricLike] | None) -> "Scale":
        """The scale for examples; the task is told from the labels where none is given.

        Raises:
            UnknownNameError: A metric that nobody knows.
            UsageError: Metrics that don't fit.
        """
        given = [example.label for example in examples]
        labels = tuple(sorted(set(given))) if task == "classification" else closed_set(given) if task is None else None
        if labels is not None:
            return cls("classification", tuple(given), tuple(choose(metrics, labels, "classification")))
        expected = tuple(map(_wanted, examples))
        kind = task or infer(expected, calls=all(_calls(example) for example in examples))
        return cls(kind, expected, tuple(choose(metrics, None, kind)))

    @property
    def primary(self) -> Metric:
        """The metric that decides whether an answer is right."""
        return self.metrics[0]


def refused(completion: Completion) -> bool:
    """Whether the model refused, or its provider's filter cut the answer off."""
    return completion.refusal is not None or completion.finish_reason == "content_filter"


def said(text: str, calls: Sequence[ToolCall]) -> str:
    """An answer as one text: as it is, or as JSON where tools are called, so that equal calls are equal texts."""
    if not calls:
        return text
    return codec.canonical({"text": text, "tool_calls": described(tuple(calls))}).decode()


def _wanted(example: Example) -> str:
    return said(example.completion, _calls(example))


def _calls(example: Example) -> tuple[ToolCall, ...]:
    return example.answer.tool_calls if example.answer is not None else ()


def grades(scale: Scale, example: Example, expected: str, completion: Completion) -> dict[str, Grade]:
    """Every metric's grade of one answer by name. A refusal is graded as an empty answer."""
    case = Case(expected, "" if refused(completion) else said(completion.text, completion.tool_calls), example)
    return {metric.name: metric.grade(case) for metric in scale.metrics}


def scored_row(
    row: ScoredRow, graded: Mapping[str, Grade], primary: str, answer: Completion, price: Pricing
) -> ScoredRow:
    """A row with its answer and grades filled in."""
    return attrs.evolve(
        row,
        answer=said(answer.text, answer.tool_calls),
        parsed=graded[primary].parsed,
        correct=graded[primary].value == 1,
        scores={name: grade.value for name, grade in graded.items()},
        refused=refused(answer),
        latency=answer.latency,
        cost=price.cost(answer.usage) if price.known else None,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        confidence=answer.confidence,
    )


def summarize(scale: Scale, graded: Sequence[Mapping[str, Grade]]) -> dict[str, Estimate]:
    """Every metric's values with their intervals; empty where nothing was graded."""
    if not graded:
        return {}
    values: dict[str, Estimate] = {}
    for metric in scale.metrics:
        values |= metric.summarize([grade[metric.name] for grade in graded])
    return values


def confusion(scale: Scale, graded: Sequence[Mapping[str, Grade]]) -> ConfusionMatrix | None:
    """The confusion matrix of a classifier; None for other tasks, or where nothing was graded."""
    name = next((metric.name for metric in scale.metrics if metric.name in {"accuracy", "classification"}), None)
    if name is None or not graded:
        return None
    return ConfusionMatrix.of((grade[name].expected, grade[name].parsed) for grade in graded)
