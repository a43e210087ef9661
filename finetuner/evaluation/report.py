"""Reports as one self-contained HTML page: no outside scripts, styles or fonts; every value is escaped."""

from collections.abc import Sequence
from html import escape

import attrs

from finetuner.evaluation import pictures
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.results import Evaluation, ScoredRow
from finetuner.evaluation.text import comparison_text, counts_text, evaluation_text, title, value_text

_MOST_ROWS = 50
_LONGEST_CELL = 300
_BINARY = frozenset({0.0, 1.0})
_THOUSAND = 1_000

_STYLE = """\
:root{color-scheme:light dark;--ink:#1d2433;--paper:#fff;--soft:#f3f5f9;--line:#d4dae5;--s0:#2563c9;--s1:#d9640b;\
--s2:#0b8a5f;--s3:#8b46c9;--good:#0b8a5f;--bad:#c8322d;--open:#6b7488}
@media(prefers-color-scheme:dark){:root{--ink:#e5e9f2;--paper:#12161f;--soft:#1c2230;--line:#38415a;--s0:#6ea4ff;\
--s1:#ff9d57;--s2:#43c596;--s3:#c193f5;--good:#43c596;--bad:#ff7b73;--open:#98a2b8}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;\
padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;width:100%;font-size:.92rem}.wide{overflow-x:auto}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;\
overflow-wrap:anywhere}th{background:var(--soft)}
pre{background:var(--soft);padding:1rem;overflow-x:auto;white-space:pre-wrap}
svg{width:100%;height:auto;max-height:80vh}svg text{font-size:12px;fill:var(--ink)}
.grid,.zero{stroke:var(--line)}.zero{stroke:var(--ink);stroke-dasharray:3 3}
.line{fill:none;stroke-width:2}.line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}\
.line.s3{stroke:var(--s3)}
.dot.s0,.bar{fill:var(--s0)}.dot.s1{fill:var(--s1)}.dot.s2{fill:var(--s2)}.dot.s3{fill:var(--s3)}
.right{fill:var(--good)}.wrong{fill:var(--bad)}
.better{stroke:var(--good);fill:var(--good);stroke-width:2}.worse{stroke:var(--bad);fill:var(--bad);stroke-width:2}\
.open{stroke:var(--open);fill:var(--open);stroke-width:2}
"""


@attrs.frozen
class Table:
    """Rows of plain text.

    Attributes:
        head: Column names.
        rows: Cells; long ones are cut.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@attrs.frozen(kw_only=True)
class Section:
    """A part of a page, shown in this order: text, picture, table, and `body_html`.

    Attributes:
        title: The heading, plain text.
        text: Plain text, shown with its line breaks.
        picture: A finished SVG of `finetuner.evaluation.pictures`.
        table: Plain text in rows.
        body_html: Finished HTML: whoever makes it escapes the values in it.
    """

    title: str
    text: str = ""
    picture: str = ""
    table: Table | None = None
    body_html: str = ""


@attrs.frozen
class Page:
    """A page.

    Attributes:
        title: The heading, plain text.
        sections: In this order.
    """

    title: str
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The page as one HTML document that needs nothing from outside."""
    body = "\n".join(map(_section, page.sections))
    name = escape(page.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{_STYLE}</style></head>\n<body><h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def evaluation_page(evaluation: Evaluation) -> Page:
    """An evaluation: metrics, counts, confusion matrix, classes, score distribution, wrong answers, errors."""
    sections = [
        Section(title="Result", text=evaluation_text(evaluation), table=_metrics(evaluation)),
        *_classifier(evaluation),
        *_distribution(evaluation),
        *_rows("Wrong answers", [row for row in evaluation.rows if row.correct is False]),
        *_rows("Rows without an answer", [row for row in evaluation.rows if row.error is not None]),
    ]
    return Page(f"Evaluation of {evaluation.model}", sections)


def comparison_page(comparison: Comparison) -> Page:
    """A comparison: the verdict, differences by class, cost against quality, rows won and lost."""
    tuned = comparison.tuned.rows
    effects = {part.name: part.difference for part in comparison.slices}
    sections = [
        Section(title="Verdict", text=comparison_text(comparison)),
        Section(title="Difference", picture=pictures.forest({"all rows": comparison.difference, **effects})),
        *_costs(comparison),
        *_classifier(comparison.tuned),
        *_rows("Won by the tuned model", [tuned[index] for index in comparison.wins if index < len(tuned)]),
        *_rows("Lost by the tuned model", [tuned[index] for index in comparison.losses if index < len(tuned)]),
    ]
    return Page(f"{comparison.tuned.model} against {comparison.base.model}", sections)


def _section(section: Section) -> str:
    text = f"<pre>{escape(section.text)}</pre>" if section.text else ""
    table = _table(section.table) if section.table is not None else ""
    return f"<section><h2>{escape(section.title)}</h2>{text}{section.picture}{table}{section.body_html}</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(_cut(cell))}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


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
