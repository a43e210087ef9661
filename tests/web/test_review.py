import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.testing import FakeClock
from finetuner.web import review
from finetuner.web.opinions import OpinionLog


@pytest.fixture
def desk(tmp_path):
    examples = [
        Example(messages=(system("Name the topic."), user(f"question {n}"), assistant("billing"))) for n in range(3)
    ]
    data = Dataset.from_examples(examples)
    return review.ReviewDesk(data=data, reviewer="ann", log=OpinionLog(tmp_path / "opinions.jsonl"), clock=FakeClock())


def test_a_person_goes_through_all_examples_and_sees_the_summary(desk, browse):
    told = []
    client = browse(review.routes(desk, told.append))
    page = client.get("/")
    assert "question 0" in page.text
    page = client.post("/row/0", data={"verdict": "approve"})
    assert "question 1" in page.text
    client.post("/row/1", data={"verdict": "reject", "correction": "refund", "note": "wrong topic"})
    page = client.post("/row/2", data={"verdict": "approve"})
    assert "Reviewed: 3 of 3 (2 approved, 1 not)" in page.text
    assert told[-1].complete
    assert desk.opinions()[1].correction == "refund"


def test_a_review_goes_on_where_it_was_left(desk, browse):
    desk.decide(0, "approve")
    assert "question 1" in browse(review.routes(desk)).get("/").text


def test_what_comes_from_data_is_escaped(tmp_path, browse):
    data = Dataset.from_examples([Example(messages=(user("<script>alert(1)</script>"), assistant("<b>x</b>")))])
    desk = review.ReviewDesk(data=data, reviewer="<i>ann</i>", log=OpinionLog(tmp_path / "opinions.jsonl"))
    text = browse(review.routes(desk)).get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<i>ann" not in text


@pytest.mark.parametrize(
    ("row", "form", "message"),
    [
        (9, {"verdict": "approve"}, "there is no row 9: rows go from 0 to 2"),
        (0, {"verdict": "maybe"}, "unknown verdict 'maybe'; known: approve, reject, skip"),
        (0, {}, "unknown verdict ''"),
        (0, {"verdict": "approve", "note": "x" * 10_001}, "10,000 characters"),
    ],
)
def test_a_bad_form_is_refused_with_the_reason(desk, browse, row, form, message):
    answer = browse(review.routes(desk)).post(f"/row/{row}", data=form)
    assert answer.status_code == 400
    assert message in answer.text
    assert desk.opinions() == ()


def test_a_second_reviewer_does_not_see_the_first_ones_opinion(desk, browse):
    desk.decide(0, "reject", note="a secret note")
    second = review.ReviewDesk(data=desk.data, reviewer="bob", log=desk.log)
    page = browse(review.routes(second)).get("/")
    assert "question 0" in page.text
    assert "a secret note" not in page.text
