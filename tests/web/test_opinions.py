import pytest

from finetuner.errors import DataFormatError
from finetuner.web.opinions import Opinion, OpinionLog, summarize


def opinion(row, reviewer="ann", verdict="approve", hash="h"):
    return Opinion(row=row, content_hash=hash, reviewer=reviewer, verdict=verdict)


def test_the_newest_opinion_of_a_reviewer_on_a_row_counts(tmp_path):
    log = OpinionLog(tmp_path / "opinions.jsonl")
    log.add(opinion(0, verdict="reject"))
    log.add(opinion(0, verdict="approve"))
    log.add(opinion(0, reviewer="bob", verdict="reject"))
    assert [(said.reviewer, said.verdict) for said in log.read({0: "h"})] == [("ann", "approve"), ("bob", "reject")]


def test_an_opinion_on_a_row_that_has_changed_is_left_out(tmp_path):
    log = OpinionLog(tmp_path / "opinions.jsonl")
    log.add(opinion(0))
    assert log.read({0: "another"}) == ()


def test_a_torn_last_line_loses_only_itself(tmp_path):
    log = OpinionLog(tmp_path / "opinions.jsonl")
    log.add(opinion(0))
    with log.path.open("ab") as file:
        file.write(b'{"row": 1, "con')
    assert len(log.read({0: "h", 1: "h"})) == 1


def test_a_foreign_line_is_named(tmp_path):
    log = OpinionLog(tmp_path / "opinions.jsonl")
    log.path.write_text('{"messages": []}\n', "utf-8")
    with pytest.raises(DataFormatError, match="line 1: not an opinion of a review"):
        log.read({})


def test_a_row_that_somebody_rejects_is_rejected():
    summary = summarize(3, [opinion(0), opinion(0, "bob", "reject"), opinion(1), opinion(2, verdict="skip")])
    assert (summary.reviewed, summary.approved, summary.rejected, summary.complete) == (2, 1, 1, False)


def test_two_reviewers_are_compared_on_what_both_judged():
    both = [opinion(row, reviewer) for row in range(8) for reviewer in ("ann", "bob")]
    summary = summarize(10, [*both, opinion(8, "ann", "reject"), opinion(8, "bob"), opinion(9, "ann")])
    assert summary.shared == 9
    assert summary.agreement == pytest.approx(8 / 9)
    assert summary.kappa is not None
    assert summary.kappa.value == pytest.approx(0.0)


def test_low_agreement_is_a_red_flag_with_what_to_do():
    opinions = [
        opinion(row, reviewer, verdict)
        for row in range(4)
        for reviewer, verdict in (("ann", "approve"), ("bob", "reject" if row else "approve"))
    ]
    assert "refine the guidelines" in str(summarize(4, opinions))
