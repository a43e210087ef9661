from finetuner.data.examples import Example, assistant, user
from finetuner.providers.local.advisor import LocalAdvisor


def advise(*answers: str) -> list[str]:
    examples = [Example(messages=(user(f"q{n}"), assistant(answer))) for n, answer in enumerate(answers)]
    return [finding.code for finding in LocalAdvisor().advise("ngram-small", examples, "supervised")]


def test_labels_with_enough_examples_need_no_advice():
    assert advise(*["a"] * 5, *["b"] * 5) == []


def test_open_ended_answers_are_warned_about():
    """More than half of the answers are different, and there are more than 50 of them."""
    assert advise(*(f"answer {n}" for n in range(60))) == ["not_closed_set"]
    assert advise(*(f"answer {n}" for n in range(50))) == ["few_examples_per_answer"]
    assert advise(*(f"answer {n % 60}" for n in range(600))) == []


def test_rare_and_single_answers_are_warned_about():
    assert advise(*["a"] * 9, *["b"] * 4) == ["few_examples_per_answer"]
    assert advise(*["a"] * 20) == ["single_answer"]


def test_nothing_to_learn_is_an_error():
    (finding,) = LocalAdvisor().advise("ngram-small", [Example(messages=(user("q"),))], "supervised")
    assert (finding.severity, finding.code) == ("error", "no_answers")
