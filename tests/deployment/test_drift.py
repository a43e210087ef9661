"""An alarm means that something moved; silence is never concluded from too little."""

import json
import random

import pytest

from finetuner.deployment.drift import Traffic, compare, script
from finetuner.deployment.observations import Observation


def normal(seed: int, n: int, mean: float = 0.0) -> tuple[float, ...]:
    chance = random.Random(seed)
    return tuple(chance.gauss(mean, 1.0) for _ in range(n))


def test_the_same_distribution_raises_about_no_alarm() -> None:
    """The rule's level: 1 % over all features; 200 comparisons of 100 with 1,000 values."""
    alarms = sum(
        compare(Traffic(numbers={"x": normal(n, 100)}), Traffic(numbers={"x": normal(1000 + n, 1000)})).state == "drift"
        for n in range(200)
    )
    assert alarms <= 6  # 0.7 % expected; 3 sigma


def test_a_shift_of_one_deviation_is_found_and_located() -> None:
    report = compare(Traffic(numbers={"x": normal(1, 150, 1.0)}), Traffic(numbers={"x": normal(2, 1000)}))
    assert report.drifted == ("x",)
    assert "inf:" in report.features[0].moved
    assert "DRIFT" in str(report)


@pytest.mark.parametrize(("n", "m"), [(99, 1000), (1000, 99), (0, 1000), (1000, 0)])
def test_too_little_is_a_state_of_its_own(n: int, m: int) -> None:
    report = compare(Traffic(numbers={"x": normal(1, n, 3.0)}), Traffic(numbers={"x": normal(2, m)}))
    assert report.state == "insufficient_data"
    assert "insufficient" in str(report)


def test_a_new_category_and_a_value_that_was_constant_are_seen() -> None:
    words = compare(Traffic(words={"error": ("TimeoutError",) * 200}), Traffic(words={"error": ("none",) * 500}))
    assert words.features[0].moved == "none: 100% before, 0% now"
    numbers = compare(Traffic(numbers={"cost": (2.0,) * 200}), Traffic(numbers={"cost": (1.0,) * 500}))
    assert numbers.state == "drift"
    same = compare(Traffic(numbers={"cost": (1.0,) * 200}), Traffic(numbers={"cost": (1.0,) * 500}))
    assert same.state == "no_drift"


def test_only_features_of_both_sides_are_compared() -> None:
    one = Traffic(numbers={"a": normal(1, 200), "b": normal(2, 200)})
    other = Traffic(numbers={"b": normal(3, 200), "c": normal(4, 200)})
    assert [feature.name for feature in compare(one, other).features] == ["b"]
    assert compare(one, Traffic()).state == "insufficient_data"


def test_labels_and_lengths_of_examples_are_compared(requests_numbered) -> None:
    usual = Traffic.of_examples(requests_numbered(range(400)))
    assert compare(usual, usual).state == "no_drift"
    skewed = Traffic.of_examples(requests_numbered(range(0, 800, 4)))
    assert "label" in compare(skewed, usual).drifted


def test_events_without_price_or_feedback_say_nothing_about_them() -> None:
    traffic = Traffic.of_events([Observation(kind="exposure", request_id="1", at=0.0, latency=1.0)])
    assert {name: values for name, values in traffic.numbers.items() if values} == {"latency": (1.0,)}
    assert {name: values for name, values in traffic.words.items() if values} == {"error": ("none",)}


def test_kept_texts_are_held_against_the_training_data(requests_numbered) -> None:
    """Also where a router kept messages as JSON."""
    usual = list(requests_numbered(range(400)))

    def served(example, number: int) -> Observation:
        kept = json.dumps([{"role": "system", "content": "x" * 500}, {"role": "user", "content": example.user_text}])
        prompt = kept if number % 2 else example.user_text
        return Observation(kind="exposure", request_id=f"{number}", at=0.0, prompt=prompt, answer=example.label)

    same = compare(Traffic.of_events(map(served, usual, range(400))), Traffic.of_examples(usual))
    assert [feature.name for feature in same.features] == ["answer_characters", "label", "prompt_characters", "script"]
    assert same.state == "no_drift"


@pytest.mark.parametrize(("prompt", "length"), [("[not json", 9), ("[1, 2]", 6), ("{}", 2), ('[{"role": "tool"}]', 0)])
def test_a_prompt_that_is_no_messages_is_a_text(prompt: str, length: int) -> None:
    event = Observation(kind="exposure", request_id="1", at=0.0, prompt=prompt, answer="a")
    assert Traffic.of_events([event]).numbers["prompt_characters"] == (float(length),)


@pytest.mark.parametrize(
    ("text", "name"), [("hello", "LATIN"), ("привет", "CYRILLIC"), ("你好 a", "CJK"), ("42", "none")]
)
def test_the_writing_system_is_that_of_most_letters(text: str, name: str) -> None:
    assert script(text) == name
