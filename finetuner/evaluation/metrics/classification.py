"""Precision, recall and F1 of a classifier: weighted, macro, micro and per class, each with its interval.

An answer that gives no label counts against the recall of its class and against no class's precision. A ratio whose
denominator is 0 counts as 0 in an average.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from finetuner.evaluation.metrics.grading import Case, Grade
from finetuner.evaluation.metrics.labels import LabelReader
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.proportions import wilson

Numbers = npt.NDArray[np.float64]

_RESAMPLES = 10_000
_CHUNK = 1_000
_LEVELS = (0.025, 0.975)


@attrs.frozen(kw_only=True)
class ConfusionMatrix:
    """How often each class was answered with each label.

    Attributes:
        labels: The classes, sorted.
        counts: Rows expected classes, columns given labels, both in the order of `labels`.
        unparseable: Answers of each expected class that gave no label.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    unparseable: tuple[int, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str | None]]) -> "ConfusionMatrix":
        """Count pairs `(expected label, given label or None)`."""
        counted = Counter(pairs)
        labels = tuple(sorted({label for pair in counted for label in pair if label is not None}))
        return cls(
            labels=labels,
            counts=tuple(tuple(counted[row, column] for column in labels) for row in labels),
            unparseable=tuple(counted[row, None] for row in labels),
        )

    @property
    def n(self) -> int:
        """Answers in all."""
        return sum(map(sum, self.counts)) + sum(self.unparseable)


@attrs.frozen(kw_only=True)
class ClassScores:
    """How one class did.

    Attributes:
        label: The class.
        support: Rows of this class.
        predicted: Answers that gave this label.
        precision: Share of those answers that are right (Wilson); None where there are none.
        recall: Share of the class's rows that were found (Wilson); None where there are no rows.
        f1: Their harmonic mean (bootstrap).
    """

    label: str
    support: int
    predicted: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate


@attrs.frozen
class Classification:
    """Weighted `precision`, `recall`, `f1`, and the same as `macro_…` and `micro_…`.

    Attributes:
        reader: Reads labels of a closed set.
        name: Name of the grade (1 for the right label) in results.
    """

    reader: LabelReader
    name: str = "classification"

    def grade(self, case: Case) -> Grade:
        """1 where the label read from the answer is the expected one, else 0."""
        parsed = self.reader.read(case.answer)
        return Grade(expected=case.expected, value=float(parsed == case.expected), parsed=parsed)

    def summarize(self, grades: Sequence[Grade]) -> Mapping[str, Estimate]:
        """Averages with their intervals."""
        return averages(ConfusionMatrix.of((grade.expected, grade.parsed) for grade in grades))


def averages(matrix: ConfusionMatrix) -> dict[str, Estimate]:
    """Weighted, macro and micro precision, recall and F1.

    Weighted averages weigh each class by its rows, macro averages weigh the classes that have rows or answers alike,
    micro averages pool all decisions. Intervals are a percentile bootstrap over rows (10,000 resamples, seed 0); where
    all answers are right, or none is, nothing varies, and Wilson's interval of the accuracy stands in.
    """
    values = {name: float(value[0]) for name, value in _averages(_Table.of(matrix)).items()}
    right = sum(matrix.counts[i][i] for i in range(len(matrix.labels)))
    if right in {0, matrix.n}:
        return dict.fromkeys(values, _alike(right, matrix.n))
    drawn = [_averages(table) for table in _resampled(matrix)]
    return {
        name: _estimate(value, np.concatenate([draw[name] for draw in drawn]), matrix.n)
        for name, value in values.items()
    }


def per_class(matrix: ConfusionMatrix) -> tuple[ClassScores, ...]:
    """Scores of each class, in the order of the labels. The intervals of F1 are made as in `averages`."""
    f1 = _f1(_Table.of(matrix))[0]
    drawn = np.concatenate([_f1(table) for table in _resampled(matrix)])
    return tuple(_class_scores(matrix, i, float(f1[i]), drawn[:, i]) for i in range(len(matrix.labels)))


def _class_scores(matrix: ConfusionMatrix, i: int, f1: float, drawn: Numbers) -> ClassScores:
    support = sum(matrix.counts[i]) + matrix.unparseable[i]
    predicted = sum(row[i] for row in matrix.counts)
    hits = matrix.counts[i][i]
    settled = hits == 0 or hits == support == predicted
    return ClassScores(
        label=matrix.labels[i],
        support=support,
        predicted=predicted,
        precision=wilson(hits, predicted) if predicted else None,
        recall=wilson(hits, support) if support else None,
        f1=_alike(hits, support or predicted) if settled else _estimate(f1, drawn, matrix.n),
    )


@attrs.frozen(eq=False)
class _Table:
    """Per class, shape `(n_samples, n_classes)`: right answers, answers, rows."""

    hits: Numbers
    predicted: Numbers
    support: Numbers

    @classmethod
    def of(cls, matrix: ConfusionMatrix) -> "_Table":
        counts = np.array([(*row, lost) for row, lost in zip(matrix.counts, matrix.unparseable, strict=True)], float)
        square = counts[:, :-1]
        return cls(np.diag(square)[None, :], square.sum(axis=0)[None, :], counts.sum(axis=1)[None, :])


def _resampled(matrix: ConfusionMatrix) -> list[_Table]:
    """Bootstrap tables. Rows are drawn as multinomial counts of the cells of the matrix: the same distribution."""
    size = len(matrix.labels)
    cells = [
        (row, column, count)
        for row in range(size)
        for column, count in enumerate((*matrix.counts[row], matrix.unparseable[row]))
        if count
    ]
    rows, columns, counts = (np.array(part) for part in zip(*cells, strict=True))
    classes = np.arange(size)
    of_row = (rows[:, None] == classes).astype(float)
    of_column = (columns[:, None] == classes).astype(float)
    generator = np.random.default_rng(0)
    tables: list[_Table] = []
    for _ in range(_RESAMPLES // _CHUNK):
        drawn = generator.multinomial(matrix.n, counts / matrix.n, size=_CHUNK).astype(float)
        tables.append(_Table(drawn @ (of_row * of_column), drawn @ of_column, drawn @ of_row))
    return tables


def _averages(table: _Table) -> dict[str, Numbers]:
    precision, recall, f1 = _ratio(table.hits, table.predicted), _ratio(table.hits, table.support), _f1(table)
    present = ((table.support + table.predicted) > 0).astype(float)
    hits, predicted, support = (part.sum(axis=1) for part in (table.hits, table.predicted, table.support))
    named = {"precision": precision, "recall": recall, "f1": f1}
    weighted = {name: _ratio((value * table.support).sum(axis=1), support) for name, value in named.items()}
    macro = {f"macro_{name}": _ratio(value.sum(axis=1), present.sum(axis=1)) for name, value in named.items()}
    micro = {
        "micro_precision": _ratio(hits, predicted),
        "micro_recall": _ratio(hits, support),
        "micro_f1": _ratio(2 * hits, predicted + support),
    }
    return weighted | macro | micro


def _f1(table: _Table) -> Numbers:
    return _ratio(2 * table.hits, table.predicted + table.support)


def _ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def _alike(right: int, n: int) -> Estimate:
    """The interval where no bootstrap helps: all answers are right, or none is."""
    return attrs.evolve(wilson(right, n), method="Wilson, all alike")


def _estimate(value: float, drawn: Numbers, n: int) -> Estimate:
    low, high = (float(end) for end in np.quantile(drawn, _LEVELS))
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=n, method="bootstrap percentile")
