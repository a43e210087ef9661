"""Test rows that training data contains."""

import random

import pytest

from finetuner.data.contamination import contamination
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import UsageError

WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ne", "pu", "ri") for b in "bdfglm" for c in ("", "ta", "sen", "or")]


def texts(count, length, seed=0):
    dice = random.Random(seed)
    return [" ".join(dice.choices(WORDS, k=length)) for _ in range(count)]


def asked(questions, answer="It is so."):
    return Dataset.from_examples([Example(messages=(user(text), assistant(answer))) for text in questions])


def test_quotes_inside_longer_texts_are_found_with_their_share():
    """Half of the planted rows are quoted whole, half by two thirds; the others share only a set phrase."""
    phrase = "as always please read all of this with care before you answer the question below "
    test = [phrase + text for text in texts(40, 60)]
    around = texts(40, 200, seed=1)
    training = [
        f"{one} {two if n % 2 else two[: len(two) * 2 // 3]} {one}"
        for n, (one, two) in enumerate(zip(around, test, strict=True))
    ]
    training[20:] = [phrase + text for text in texts(20, 200, seed=2)]
    found = contamination(asked(training), asked(test))
    assert [hit.row for hit in found.hits] == list(range(20))
    assert all(hit.how == "contained" and hit.found == hit.row for hit in found.hits)
    assert all((hit.similarity > 0.95) == bool(hit.row % 2) for hit in found.hits)
    assert found.rate == 0.5


def test_a_request_that_stands_in_an_answer_is_found():
    (text,) = texts(1, 40)
    training = Dataset.from_examples([Example(messages=(user("write a task"), assistant(f"Here it is: {text}")))])
    (hit,) = contamination(training, asked([text])).hits
    assert hit.how == "contained"


def test_equal_and_near_requests_say_so():
    one, other, third = texts(3, 60)
    near = other.replace(other.split()[30], "changed", 1)
    found = contamination(asked([one.upper(), near]), asked([one, other, third]))
    assert [(hit.row, hit.how) for hit in found.hits] == [(0, "equal"), (1, "near")]
    assert contamination(asked([near]), asked([other]), near=None, contained=None).hits == ()


def test_short_requests_are_not_found_inside_others():
    assert contamination(asked(texts(3, 200)), asked(["ka lo"])).hits == ()


@pytest.mark.parametrize("contained", [0, 1.5])
def test_a_share_out_of_range_is_refused(contained):
    with pytest.raises(UsageError, match="contained"):
        contamination(asked(["a"]), asked(["b"]), contained=contained)
