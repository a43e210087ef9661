"""Pages as one self-contained HTML document: no outside scripts, styles or fonts; every value is escaped."""

from collections.abc import Sequence
from html import escape

import attrs

_LONGEST_CELL = 300

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
overflow-wrap:break-word}th{background:var(--soft);white-space:nowrap}td{max-width:30rem}
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
        picture: A finished SVG, such as of `finetuner._core.svg`.
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
