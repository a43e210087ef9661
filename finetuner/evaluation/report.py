"""Reports as one self-contained HTML page: no outside scripts, styles or fonts; every value is escaped."""

from collections.abc import Sequence

from finetuner._core.page import Page, Section, Table, render
from finetuner.evaluation import pictures
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.results import Evaluation, ScoredRow
from finetuner.evaluation.statistics.proportions import wilson
from finetuner.evaluation.text import comparison_text, counts_text, evaluation_text, title, value_text

__all__ = ["Page", "Section", "Table", "comparison_page", "evaluation_page", "render"]

_MOST_ROWS = 50
_BINARY = frozenset({0.0, 1.0})
_THOUSAND = 1_000
_BINS = 10


def evaluation_page(evaluation: Evaluation) -> Page:
    """An evaluation: metrics, counts, confusion matrix, classes, score distribution, wrong answers, errors."""
    sections = [
        Section(title="Result", text=evaluation_text(evaluation), table=_metrics(evaluation)),
        *_classifier(evaluation),
        *_distribution(evaluation),
        *_reliability(evaluation),
        *_rows("Wrong answers", [row for row in evaluation.rows if row.correct is False]),
        *_rows("Rows without an answer", [row for row in evaluation.rows if row.error is not None]),
    ]
    return Page(f"Evaluation of {evaluation.model}", sections)


def comparison_page(comparison: Comparison) -> Page:
    """A comparison: the verdict, differences by class, cost against quality, rows won and lost."""
    tuned = comparison.tuned.rows
    effects = {part.title: part.difference for part in comparison.slices}
    sections = [
        Section(title="Verdict", text=comparison_text(comparison)),
        Section(title="Difference", picture=pictures.forest({"all rows": comparison.difference, **effects})),
        *_costs(comparison),
        *_classifier(comparison.tuned),
        *_rows("Won by the tuned model", [tuned[index] for index in comparison.wins if index < len(tuned)]),
        *_rows("Lost by the tuned model", [tuned[index] for index in comparison.losses if index < len(tuned)]),
    ]
    return Page(f"{comparison.tuned.model} against {comparison.base.model}", sections)


def _metrics(evaluation: Evaluation) -> Table:
    rows = [
        (title(name), value_text(name, value), str(value.n), value.method) for name, value in evaluation.metrics.items()
    ]
    return Table(("metric", "value [interval]", "n", "interval by"), rows)


def _classifier(evaluation: Evaluation) -> list[Section]:
    matrix = evaluation.confusion
    if matrix is None:
        return []
    rows = [
        (
            scores.label,
            str(scores.support),
            "–" if scores.precision is None else value_text("precision", scores.precision),
            "–" if scores.recall is None else value_text("recall", scores.recall),
            value_text("f1", scores.f1),
        )
        for scores in evaluation.classes
    ]
    picture = pictures.confusion_matrix(matrix.labels, matrix.counts, matrix.unparseable)
    return [
        Section(title="Confusion", picture=picture, text=counts_text(evaluation.counts)),
        Section(title="Classes", table=Table(("class", "rows", "precision", "recall", "F1"), rows)),
    ]


def _distribution(evaluation: Evaluation) -> list[Section]:
    sections: list[Section] = []
    names = sorted({name for row in evaluation.rows for name in row.scores})
    for name in names:
        scores = [row.scores[name] for row in evaluation.rows if name in row.scores]
        if not set(scores) <= _BINARY:
            sections.append(Section(title=title(name), picture=pictures.distribution(scores, x=title(name))))
    return sections


def _costs(comparison: Comparison) -> list[Section]:
    points = {
        evaluation.model: (evaluation.cost / evaluation.counts.answered * _THOUSAND, evaluation.value)
        for evaluation in (comparison.base, comparison.tuned)
        if evaluation.cost is not None and evaluation.value is not None
    }
    if not points:
        return []
    return [Section(title="Cost and quality", picture=pictures.cost_quality(points, y=title(comparison.primary)))]


def _reliability(evaluation: Evaluation) -> list[Section]:
    """Ten bins of confidence, where the provider tells any."""
    bins: dict[int, list[ScoredRow]] = {}
    for row in evaluation.rows:
        if row.confidence is not None and row.correct is not None:
            bins.setdefault(min(_BINS - 1, int(row.confidence * _BINS)), []).append(row)
    points = [
        (
            sum(row.confidence or 0.0 for row in rows) / len(rows),
            wilson(sum(row.correct is True for row in rows), len(rows)),
        )
        for _, rows in sorted(bins.items())
    ]
    return [Section(title="Reliability", picture=pictures.reliability(points))] if points else []


def _rows(name: str, rows: Sequence[ScoredRow]) -> list[Section]:
    if not rows:
        return []
    cells = [
        (str(row.line or row.index + 1), row.prompt_text, row.expected, row.answer if row.error is None else row.error)
        for row in rows[:_MOST_ROWS]
    ]
    shown = f"{name} ({len(rows)}" + (f", the first {_MOST_ROWS} shown)" if len(rows) > _MOST_ROWS else ")")
    table = Table(("line", "prompt", "expected", "answer"), [[cell or "" for cell in row] for row in cells])
    return [Section(title=shown, table=table)]
