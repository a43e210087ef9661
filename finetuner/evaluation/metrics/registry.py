"""Metrics by name, and which ones are used where none is named."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from finetuner.errors import UnknownNameError, UsageError
from finetuner.evaluation.metrics.accuracy import Accuracy
from finetuner.evaluation.metrics.bleu import Bleu, Chrf
from finetuner.evaluation.metrics.choice import Choice
from finetuner.evaluation.metrics.classification import Classification
from finetuner.evaluation.metrics.exact_match import ExactMatch
from finetuner.evaluation.metrics.grading import FunctionMetric, Metric, MetricFunction
from finetuner.evaluation.metrics.harness import HarnessFlexible, HarnessStrict
from finetuner.evaluation.metrics.json_fields import JsonFields, JsonMatch
from finetuner.evaluation.metrics.json_validity import JsonValidity, is_json
from finetuner.evaluation.metrics.labels import LabelReader
from finetuner.evaluation.metrics.numeric import NumericFlexible, NumericStrict
from finetuner.evaluation.metrics.references import ReferenceExact, ReferenceF1
from finetuner.evaluation.metrics.rouge import Rouge
from finetuner.evaluation.metrics.token_f1 import TokenF1
from finetuner.evaluation.metrics.tool_calls import ToolCalls

Task = Literal["classification", "generation", "json", "tools"]
"""What is asked of the model: one label of a closed set, any text, JSON, or calls of tools."""

MetricLike = str | Metric | MetricFunction
"""A metric's name, a metric, or a function `f(expected, answer, example) -> float`."""

_ANY_TEXT: Mapping[str, Callable[[], Metric]] = MappingProxyType(
    {
        "exact_match": ExactMatch,
        "token_f1": TokenF1,
        "json_validity": JsonValidity,
        "json_match": JsonMatch,
        "json_fields": JsonFields,
        "tool_calls": ToolCalls,
        "tool_names": lambda: ToolCalls(arguments=False),
        "rouge_1": lambda: Rouge("rouge1"),
        "rouge_2": lambda: Rouge("rouge2"),
        "rouge_l": Rouge,
        "bleu": Bleu,
        "choice": Choice,
        "gsm8k_strict": HarnessStrict,
        "gsm8k_flexible": HarnessFlexible,
        "reference_exact": ReferenceExact,
        "reference_f1": ReferenceF1,
        "chrf": Chrf,
        "numeric_strict": NumericStrict,
        "numeric_flexible": NumericFlexible,
    }
)
_LABELS: Mapping[str, Callable[[LabelReader], Metric]] = MappingProxyType(
    {"accuracy": Accuracy, "classification": Classification}
)


def names() -> tuple[str, ...]:
    """Names of all metrics, sorted."""
    return tuple(sorted((*_ANY_TEXT, *_LABELS)))


_DEFAULTS: Mapping[Task, tuple[str, ...]] = MappingProxyType(
    {
        "classification": ("accuracy", "classification", "exact_match"),
        "generation": ("exact_match", "token_f1"),
        "json": ("json_match", "json_fields", "json_validity"),
        "tools": ("tool_calls", "tool_names"),
    }
)


def infer(expected: Sequence[str], *, calls: bool) -> Task:
    """What is asked of the model, told from the expected texts that are no labels.

    Args:
        expected: All expected texts.
        calls: Whether each expected answer calls tools.
    """
    if calls:
        return "tools"
    values = all(text.lstrip().startswith(("{", "[")) and is_json(text) for text in expected)
    return "json" if values else "generation"


def choose(metrics: Sequence[MetricLike] | None, labels: Sequence[str] | None, task: Task) -> list[Metric]:
    """The metrics to use; the first one decides whether an answer is right.

    Args:
        metrics: As given by the caller; None chooses: accuracy, classification and exact match for labels; exact match
            and token F1 for text; the same value, its fields and its validity for JSON; calls and their names for
            tools.
        labels: The closed set of labels, None where the task is another.
        task: What is asked of the model.

    Raises:
        UnknownNameError: A name that no metric has.
        UsageError: No metric, two of one name, or one that needs labels where there are none.
    """
    reader = None if labels is None else LabelReader(tuple(labels))
    chosen = [_metric(metric, reader) for metric in (_DEFAULTS[task] if metrics is None else metrics)]
    if not chosen or len({metric.name for metric in chosen}) < len(chosen):
        raise UsageError(f"metrics {[metric.name for metric in chosen]}: give at least one, each once")
    return chosen


def _metric(metric: MetricLike, reader: LabelReader | None) -> Metric:
    if isinstance(metric, str):
        return _named(metric, reader)
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return FunctionMetric(getattr(metric, "__name__", type(metric).__name__), metric)
    raise UsageError(f"{metric!r} is no metric: give a name, an object with grade and summarize, or a function")


def _named(name: str, reader: LabelReader | None) -> Metric:
    if name in _ANY_TEXT:
        return _ANY_TEXT[name]()
    if name not in _LABELS:
        raise UnknownNameError(f"no metric {name!r}; known: {', '.join(names())}")
    if reader is None:
        raise UsageError(f'metric {name!r} needs a closed set of labels; pass task="classification" to force it')
    return _LABELS[name](reader)
