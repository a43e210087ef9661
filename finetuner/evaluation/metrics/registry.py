"""Metrics by name, and which ones are used where none is named."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from finetuner.errors import UnknownNameError, UsageError
from finetuner.evaluation.metrics.accuracy import Accuracy
from finetuner.evaluation.metrics.classification import Classification
from finetuner.evaluation.metrics.exact_match import ExactMatch
from finetuner.evaluation.metrics.grading import FunctionMetric, Metric, MetricFunction
from finetuner.evaluation.metrics.json_validity import JsonValidity, is_json
from finetuner.evaluation.metrics.labels import LabelReader
from finetuner.evaluation.metrics.numeric import NumericFlexible, NumericStrict
from finetuner.evaluation.metrics.token_f1 import TokenF1

Task = Literal["classification", "generation"]
"""What is asked of the model: one label of a closed set, or any text."""

MetricLike = str | Metric | MetricFunction
"""A metric's name, a metric, or a function `f(expected, answer, example) -> float`."""

_ANY_TEXT: Mapping[str, Callable[[], Metric]] = MappingProxyType(
    {
        "exact_match": ExactMatch,
        "token_f1": TokenF1,
        "json_validity": JsonValidity,
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


def choose(metrics: Sequence[MetricLike] | None, labels: Sequence[str] | None, expected: Sequence[str]) -> list[Metric]:
    """The metrics to use; the first one decides whether an answer is right.

    Args:
        metrics: As given by the caller; None chooses: accuracy, classification and exact match for labels; exact match
            and token F1 for text, JSON validity first after exact match where every expected text is JSON.
        labels: The closed set of labels, None where the task is to write text.
        expected: All expected texts.

    Raises:
        UnknownNameError: A name that no metric has.
        UsageError: No metric, two of one name, or one that needs labels where there are none.
    """
    if metrics is None:
        metrics = _defaults(labels, expected)
    reader = None if labels is None else LabelReader(tuple(labels))
    chosen = [_metric(metric, reader) for metric in metrics]
    if not chosen or len({metric.name for metric in chosen}) < len(chosen):
        raise UsageError(f"metrics {[metric.name for metric in chosen]}: give at least one, each once")
    return chosen


def _defaults(labels: Sequence[str] | None, expected: Sequence[str]) -> tuple[str, ...]:
    if labels is not None:
        return "accuracy", "classification", "exact_match"
    if all(text.lstrip().startswith(("{", "[")) and is_json(text) for text in expected):
        return "exact_match", "json_validity", "token_f1"
    return "exact_match", "token_f1"


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
