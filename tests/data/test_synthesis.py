"""What a teacher is asked, and which of its answers become examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.data.synthesis import read_prompts, sift, to_answer, to_write
from finetuner.errors import DataFormatError, UsageError

SEEDS = [Example(messages=(user(f"seed {n}"), assistant("refund" if n % 2 else "cancel"))) for n in range(12)]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.integers(1, 3))
def test_each_different_prompt_is_asked_once_for_each_copy(prompts, copies):
    requests = to_answer(prompts, copies=copies)
    assert len(requests) == len(set(prompts)) * copies
    assert len({request.key for request in requests}) == len(requests)


def test_answers_become_examples_without_the_shots_that_the_teacher_saw():
    (request,) = to_answer(["Where is it?"], first="Be brief.", seeds=SEEDS)
    assert [message.role for message in request.messages] == ["system", *("user", "assistant") * 5, "user"]
    example = request.example(" On its way. \n")
    assert example.messages == (system("Be brief."), user("Where is it?"), assistant("On its way."))
    assert example.metadata == {"synthetic": True}


def test_for_labels_the_answer_becomes_the_request():
    requests = to_write({"refund": 3, "cancel": 2}, about="a shop's customer", seeds=SEEDS)
    assert [request.label for request in requests] == ["refund"] * 3 + ["cancel"] * 2
    order = requests[0].messages[1].text
    assert "clearly: refund" in order
    assert "seed 1" in order or "seed 3" in order or "seed 5" in order
    assert "seed 2" not in order
    example = requests[0].example('"Money back, please."', "Classify.")
    assert example.messages == (system("Classify."), user("Money back, please."), assistant("refund"))
    assert example.label == "refund"


def test_the_same_order_twice_is_two_requests():
    first, second = to_write({"refund": 2})
    assert first.messages == second.messages
    assert first.key != second.key


@pytest.mark.parametrize("labels", [{}, {"refund": 0}])
def test_labels_need_counts(labels):
    with pytest.raises(UsageError, match="at least 1"):
        to_write(labels)


def test_what_repeats_another_or_a_seed_or_is_flagged_is_dropped():
    texts = [
        "please send my parcel back to me today",
        "please send my parcel back to me today!",
        "seed 3",
        "bad",
        "new",
    ]
    new = Dataset.from_examples([Example(messages=(user(text), assistant("refund"))) for text in texts])
    found = sift(new, Dataset.from_examples(SEEDS), {3: "boilerplate"})
    assert found.rows == (0, 4)
    assert found.dropped == {"duplicate": 1, "like_a_seed": 1, "boilerplate": 1}


def test_prompts_are_read_line_by_line(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeffone\n\n  two  \r\n", "utf-8")
    assert read_prompts(path) == ("one", "two")


@pytest.mark.parametrize(
    ("content", "says"), [(b"\n\n", "no prompt"), (b"\xff\xfea", "UTF-8"), (None, "can't be read")]
)
def test_a_file_without_prompts_is_an_error(tmp_path, content, says):
    path = tmp_path / "prompts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataFormatError, match=says):
        read_prompts(path)
