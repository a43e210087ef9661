"""The untuned base."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.local.sizes import FeatureConfig
from finetuner.providers.local.zero_shot import NO_LABELS, answer, guess, named_labels

CONFIG = FeatureConfig()


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "Answer with one of: refund, cancel subscription, delivery status.",
            ("refund", "cancel subscription", "delivery status"),
        ),
        ("Labels:\n- card_arrival: it hasn't come\n- lost_card (stolen too)\n", ("card_arrival", "lost_card")),
        ("Pick one:\n1. spam\n2) not spam", ("spam", "not spam")),
        ("Classes:\nspam\nnot spam\n", ("spam", "not spam")),
        ("Is it positive, negative or neutral?", ("positive", "negative", "neutral")),
        ("Reply 'yes' or 'no'.", ("yes", "no")),
        ('Choose from ["a b", "c d"].', ("a b", "c d")),
        ("Say card_arrival for cards that come and lost_card for others", ("card_arrival", "lost_card")),
        ("One of: a, b, a", ("a", "b")),
        ("You are a poet.", ()),
        ("Please answer: don't worry.", ()),
        ("", ()),
    ],
)
def test_labels_are_found_as_people_write_them(prompt: str, expected: tuple[str, ...]) -> None:
    assert named_labels(prompt) == expected


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("My card still hasn't arrived", "card_arrival"),
        ("I want to cancel my subscriptions", "cancelSubscription"),
        ("please refund me", "Refund-Request"),
    ],
)
def test_the_nearest_label_wins_however_it_is_spelled(request_text: str, expected: str) -> None:
    labels = ("Refund-Request", "card_arrival", "cancelSubscription")
    found = guess(request_text, labels, CONFIG)
    assert found.answer == expected
    assert found.confidence > 1 / 3
    assert found.labels == labels


def test_labels_of_the_request_serve_when_the_system_prompt_has_none() -> None:
    found = answer("You are a helpful assistant.", "Is 'I love this positive mood' positive or negative?", CONFIG)
    assert found.answer == "positive"


def test_nothing_in_common_is_an_even_guess() -> None:
    found = guess("xyzzy", ("alpha", "beta", "gamma", "delta"), CONFIG)
    assert found.answer == "alpha"
    assert found.confidence == pytest.approx(0.25)


def test_without_labels_it_says_what_it_is() -> None:
    found = answer("Write a poem.", "About the sea", CONFIG)
    assert found.answer == NO_LABELS
    assert found.confidence == 0


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=8))
def test_any_guess_is_one_of_the_labels_with_a_confidence_between_0_and_1(text: str, labels: list[str]) -> None:
    found = guess(text, labels, CONFIG)
    assert found.answer in {*labels, NO_LABELS}
    assert 0 <= found.confidence <= 1
    assert found == guess(text, labels, CONFIG)


@given(st.text(alphabet="ab:,-\n\"'`or _.1()", max_size=300))
def test_any_prompt_can_be_read(prompt: str) -> None:
    """Odd punctuation never breaks the reader, and a list has at least two distinct labels."""
    found = named_labels(prompt)
    assert len(found) != 1
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("piece", ["a", " ", "a, ", "a_", ":\n", "- ", "'", "a or ", "a\n"])
def test_reading_time_grows_with_the_prompt_and_no_faster(piece: str) -> None:
    """A hostile prompt of 100,000 characters is read in a blink."""
    start = time.process_time()
    named_labels(piece * (100_000 // len(piece)))
    assert time.process_time() - start < 2
