"""Rubric files: what is read, what is refused, and with which line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import RubricError, UnknownNameError
from finetuner.evaluation.rubric import Rubric, parse

TEMPLATES = Path(__file__).parents[2] / "templates"

ENTITY = """\
# Evaluation Rubric: Entities

## Task Description
Find the entities.

## Evaluation Criteria

### Criterion 1: Recall
**Weight:** 40%

| Score | Description | Example |
|-------|-------------|---------|
| 5 | All found | "Ann" → <person> \\| "Rome" → <place> |
| 3 | Some | "Ann" |
| 1 | None |

### Criterion 2: Precision
**Weight:** 40%

| Score | Description |
|---|---|
| 5 | No false one |
| 1 | Many |

### Criterion 3: Kind
**Weight:** 20%

| Score | Description |
|---|---|
| 5 | Right |
| 1 | Wrong |
"""


def with_change(old, new):
    assert old in ENTITY
    return ENTITY.replace(old, new, 1)


def test_the_shipped_template_is_one_rubric():
    """The documented call works: the blank form in its fence is not a rubric."""
    rubric = Rubric.load(TEMPLATES / "evaluation-rubric.md")
    assert rubric.name == "Support reply"
    assert [criterion.weight for criterion in rubric.criteria] == [0.5, 0.3, 0.2]
    assert Rubric.load(TEMPLATES / "review-mood-rubric.md").threshold == 4.0


def test_gaps_missing_examples_and_no_threshold_are_fine():
    """Scores between described ones count, the example may be missing, the threshold is 3.5 by default."""
    (rubric,) = parse(ENTITY)
    recall = rubric.criteria[0]
    assert [level.score for level in recall.levels] == [5, 3, 1]
    assert recall.scores == (1, 2, 3, 4, 5)
    assert recall.levels[0].example == '"Ann" → <person> | "Rome" → <place>'
    assert recall.levels[2].example == ""
    assert rubric.threshold == 3.5
    assert rubric.task == "Find the entities."


def test_the_overall_is_the_weighted_average():
    (rubric,) = parse(ENTITY)
    assert rubric.overall({"criterion_1": 5, "criterion_2": 3, "criterion_3": 1}) == 3.4
    assert not rubric.passes(3.4)
    assert rubric.passes(3.5)


def test_several_rubrics_need_a_name(tmp_path):
    """Nothing is guessed: the message lists the names."""
    file = tmp_path / "rubrics.md"
    file.write_text(ENTITY + "\n---\n\n" + ENTITY.replace("Rubric: Entities", "Rubric: Others"))
    with pytest.raises(RubricError, match="'Entities', 'Others'"):
        Rubric.load(file)
    assert Rubric.load(file, "others").name == "Others"
    with pytest.raises(UnknownNameError, match="known: 'Entities', 'Others'"):
        Rubric.load(file, "mine")


def test_fenced_blocks_are_skipped():
    """A whole rubric in a fence, of either mark, with a fence inside, is not there."""
    fenced = "~~~~markdown\n```\n" + ENTITY + "~~~\n~~~~\n"
    assert [rubric.name for rubric in parse(fenced + ENTITY)] == ["Entities"]
    with pytest.raises(RubricError, match="no heading"):
        parse(fenced)


def test_byte_order_marks_and_foreign_line_ends_are_fine(tmp_path):
    file = tmp_path / "rubric.md"
    file.write_bytes(b"\xef\xbb\xbf" + ENTITY.replace("\n", "\r\n").encode())
    assert Rubric.load(file) == parse(ENTITY)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_change("40%", "30%"), r"line 1: the weights of 'Entities' sum to 0\.9"),
        (with_change("**Weight:** 40%", "Weight: 40"), r"line 8: criterion 'Recall' has 0 weights"),
        (with_change("| 3 | Some", "| 5 | Some"), r"line 8: criterion 'Recall' needs at least two scores"),
        (with_change("| 3 | Some", "| three | Some"), r"line 14: 'three' isn't a whole score"),
        (with_change("| 3 | Some", "| 999999999 | Some"), r"line 14: '999999999' isn't a whole score"),
        (with_change("### Criterion 2: Precision", "### Precision"), r"line 17: '### Precision' isn't"),
        (
            with_change("# Evaluation Rubric: Entities", "# Evaluation Rubric: [Name]"),
            r"line 1: the rubric has no name",
        ),
        (with_change("## Evaluation Criteria", "## Criteria"), r"has no \"### Criterion 1"),
        (ENTITY + "\n## Pass/Fail Threshold\n- Pass: Overall score >= 6\n", r"line 34: no answer can reach 6\.0"),
        (ENTITY + "\n## Pass/Fail Threshold\n- Pass: when it is good\n", r"line 34: write"),
        (ENTITY + "\n## Overall Score\n`0.5 * Recall + 0.3 * Precision + 0.2 * Kind`\n", r"line 34: the formula"),
        (ENTITY + "\n```\nnever closed\n", r"line 33: this fenced block is never closed"),
        (ENTITY + ENTITY, "same name"),
        ("", "no heading"),
    ],
)
def test_malformed_rubrics_name_the_line(text, message):
    with pytest.raises(RubricError, match=message):
        parse(text)


def test_files_that_are_no_text_are_refused(tmp_path):
    for content in (b"\xff\xfe\x00", b"#" * (2 << 20)):
        (tmp_path / "r.md").write_bytes(content)
        with pytest.raises(RubricError):
            Rubric.load(tmp_path / "r.md")
    with pytest.raises(RubricError, match="can't be read"):
        Rubric.load(tmp_path / "missing.md")


@given(st.text(alphabet="#|-*`~%\n :>=.Evaluation Rubric Criterion Weight 15"))
def test_any_text_gives_rubrics_or_a_rubric_error(text):
    """Whatever is in the file, nothing else is raised."""
    with suppress(RubricError):
        assert parse("# Evaluation Rubric: X\n" + text)
