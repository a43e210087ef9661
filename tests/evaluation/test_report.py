"""Pages and text: escaped, self-contained, and in the documented forms."""

import re
from html.parser import HTMLParser

import pytest

from finetuner.errors import RequestRejectedError
from finetuner.evaluation import pictures
from finetuner.evaluation.comparison import compare
from finetuner.evaluation.report import Page, Section, Table, comparison_page, evaluation_page, render
from finetuner.evaluation.run import evaluate
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.text import comparison_markdown, comparison_text, evaluation_markdown, evaluation_text

HOSTILE = "<script>alert('x')</script>\"&"
PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(200)]


class Tags(HTMLParser):
    """Collects tags, and what is never closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the parser's signature
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):  # noqa: ARG002 - the parser's signature
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def wrong_below(number):
    return lambda t: ("billing", "bug")[(int(t.split()[1]) + (int(t.split()[1]) < number)) % 2]


@pytest.fixture
def comparison(rows, model, place):
    base, tuned = model(wrong_below(44), "test:base")[0], model(wrong_below(11), "test:tuned")[0]
    return compare(base, tuned, rows(PAIRS), workspace=place)


def test_text_has_the_documented_lines(comparison):
    """The forms that commands print."""
    tuned = evaluation_text(comparison.tuned).splitlines()
    assert tuned[0] == "Accuracy: 94.5% [90.4, 96.9]"
    assert [line.split(":")[0] for line in tuned[:5]] == ["Accuracy", "Precision", "Recall", "F1", "Exact match"]
    assert re.fullmatch(r"Precision: 0\.9\d \[0\.\d\d, 0\.\d\d\]", tuned[1])
    assert "Task: classification; 200 of 200 rows scored, 0 errors" in tuned
    lines = comparison_text(comparison).splitlines()
    assert lines[0] == "Base: 78.0% accuracy [71.8, 83.2]"
    assert lines[1] == "Tuned: 94.5% accuracy [90.4, 96.9]"
    assert re.fullmatch(r"Improvement: \+16\.5% \[\+\d+\.\d, \+\d+\.\d\]", lines[2])
    assert lines[3].startswith("Verdict: better (p = ")


def test_markdown_cannot_break_its_table(rows, model, place, comparison):
    hostile = evaluate(model(wrong_below(3), "test:a|b")[0], rows(PAIRS, "x|y\nz"), workspace=place)
    assert "a\\|b** on x\\|y z" in evaluation_markdown(hostile)
    assert "| test:tuned | 94.5% accuracy [90.4, 96.9] |" in comparison_markdown(comparison)


def test_errors_and_nothing_else_are_text_too(rows, model, place):
    result = evaluate(model(lambda _: RequestRejectedError("no"))[0], rows(PAIRS[:4]), workspace=place)
    assert "0 of 4 rows scored, 4 errors" in evaluation_text(result)
    assert "Rows without an answer (4)" in render(evaluation_page(result))


def test_hostile_values_stay_text(rows, model, place):
    """Prompts, answers, labels, model names and sources: nothing of them becomes markup."""
    pairs = [(f"{HOSTILE} {i}", (HOSTILE, "bug")[i % 2]) for i in range(20)]
    base, tuned = model(lambda _: HOSTILE, f"test:{HOSTILE}")[0], model(lambda _: "bug", "test:tuned")[0]
    comparison = compare(base, tuned, rows(pairs, HOSTILE), workspace=place)
    for page in (comparison_page(comparison), evaluation_page(comparison.base)):
        html = render(page)
        assert "<script" not in html
        assert Tags(html).open == []


def test_pages_need_nothing_from_outside(comparison):
    """No script, no link, no address to load; well-formed to the last tag."""
    for page in (comparison_page(comparison), evaluation_page(comparison.tuned)):
        html = render(page)
        tags = Tags(html)
        assert tags.open == []
        assert not tags.seen & {"script", "link", "img", "iframe", "object"}
        assert not re.search(r"https?://|@import|url\(", html)
        assert "svg" in tags.seen


def test_own_sections_are_escaped_except_finished_html():
    section = Section(title=HOSTILE, text=HOSTILE, table=Table((HOSTILE,), [[HOSTILE]]), body_html="<p>fine</p>")
    html = render(Page(HOSTILE, [section]))
    assert "<script" not in html
    assert "<p>fine</p>" in html


ESTIMATE = Estimate(value=0.1, low=-0.1, high=0.2, n=10)


@pytest.mark.parametrize(
    "picture",
    [
        pictures.curve({HOSTILE: [(1, 2.0), (2, 1.0)], "valid": [(1, 2.5)]}, x=HOSTILE, y=HOSTILE),
        pictures.curve({}),
        pictures.confusion_matrix([HOSTILE, "b"], [[3, 1], [0, 0]], [1, 0]),
        pictures.confusion_matrix([str(i) for i in range(77)], [[1] * 77] * 77, [0] * 77),
        pictures.forest({HOSTILE: ESTIMATE}),
        pictures.forest({}),
        pictures.distribution([1.0, 2.0, 2.5], x=HOSTILE),
        pictures.distribution([]),
        pictures.cost_quality({HOSTILE: (0.5, ESTIMATE), "b": (0.0, ESTIMATE)}),
    ],
)
def test_pictures_are_well_formed_whatever_the_data(picture):
    assert Tags(picture).open == []
    assert "<script" not in picture
    assert "nan" not in picture
