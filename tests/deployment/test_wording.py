"""Evidence is written for people: no fingerprint of 64 digits, no Python list, no bare share."""

import pytest

from finetuner.deployment import wording

FINGERPRINT = "8897796f9e9eea5e7272aa6e2a7406a3bf467e927c9c1a512df0321c78535f5c"


def test_a_value_is_a_percent_with_its_interval_and_a_score_beyond_one_stays_as_it_is() -> None:
    assert wording.figures("accuracy", 0.8675, 0.808, 0.911, 166) == "accuracy 86.8% [80.8, 91.1], n = 166"
    assert wording.figures("accuracy difference", -0.02, -0.05, 0.01, 1200).endswith(
        "difference -2.0 points [-5.0, 1.0], n = 1,200"
    )
    assert wording.figures("perplexity", 12.25, 11, 13.5, 1200) == "perplexity 12.25 [11, 13.5], n = 1,200"


def test_a_metric_with_its_numbers_is_one_figure_and_the_rest_follows() -> None:
    found = {"dataset": FINGERPRINT, "metric": "accuracy", "value": 0.8675, "low": 0.808, "high": 0.911, "n": 166}
    told = wording.evidence({**found, "threshold": 0.8, "rows": 1660})
    assert told == "accuracy 86.8% [80.8, 91.1], n = 166, dataset 8897796f9e9e, threshold 0.8, rows 1,660"


def test_a_regression_is_named_by_its_benchmark_and_a_missing_value_is_unknown() -> None:
    found = {"benchmark": "gsm8k", "margin": 0.05, "value": -0.01, "low": -0.03, "high": 0.01, "n": 1319}
    assert wording.evidence(found) == "gsm8k difference -1.0 points [-3.0, 1.0], n = 1,319, margin 0.05"
    compared = {"base": "local:a", "metric": "accuracy", "value": 0.1, "low": 0.05, "high": 0.15, "n": 166}
    assert wording.evidence(compared) == "accuracy difference 10.0 points [5.0, 15.0], n = 166, base local:a"
    assert wording.evidence({"metric": "accuracy", "value": None}) == "metric accuracy, value unknown"


def test_counts_are_examples_of_the_parts() -> None:
    told = wording.evidence({"counts": [1325, 165, 166], "shared": 0, "train": FINGERPRINT})
    assert told == "1,325 / 165 / 166 examples, shared 0, train 8897796f9e9e"
    assert wording.evidence({"parts": ["train", "test"], "gaps": []}) == "parts train, test, gaps none"


def test_a_note_is_said_by_a_person() -> None:
    assert wording.evidence({"note": "read 100 answers", "person": "ada"}) == "read 100 answers (ada)"
    assert wording.evidence({"note": "read it"}) == "read it"


def test_nothing_is_said_to_be_nothing_and_long_texts_are_cut() -> None:
    assert wording.evidence({}) == "no figures"
    assert wording.evidence({"for_removal": True}) == "for removal yes"
    assert len(wording.shortened("x" * 200)) == 80


def test_of_many_reasons_the_first_is_told() -> None:
    assert wording.first_of(["a", "b", "c"]) == "a (and 2 more)"
    assert (wording.first_of(["a"]), wording.first_of([])) == ("a", "no reason")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (3600, "1 hour ago"),
        (7300, "2 hours ago"),
        (90_000, "yesterday"),
        (86_400 * 12.5, "12 days ago"),
    ],
)
def test_the_past_is_told_roughly(seconds: float, words: str) -> None:
    assert wording.ago(seconds) == words
