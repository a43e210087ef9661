"""Which answers are labels, and which are spellings of one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.data.labels import find_labels, spelling_key
from finetuner.demo.logs import plan, write_logs
from finetuner.demo.requests import INTENTS
from finetuner.errors import UsageError


def answered(*answers, prompt=None, **metadata):
    first = (system(prompt),) if prompt else ()
    return [
        Example(messages=(*first, user(f"question {n}"), assistant(answer)), metadata=metadata)
        for n, answer in enumerate(answers)
    ]


def test_spellings_of_a_label_are_one_class_under_the_usual_one():
    found = find_labels(
        answered(*["billing"] * 9, "Billing", "billing ", "BILLING.", *["tech_support"] * 7, "Tech-Support")
    )
    assert found.classes == {"billing": 12, "tech_support": 8}
    assert found.variants == {"billing": ("BILLING.", "Billing"), "tech_support": ("Tech-Support",)}
    assert found.usual("billing ") == "billing"


def test_among_equally_frequent_spellings_the_plainest_is_usual():
    assert find_labels(answered("Billing", "billing ", "BILLING.")).classes == {"billing": 3}


def test_a_space_that_most_rows_write_before_the_label_stays():
    found = find_labels(answered(*[" yes"] * 9, "yes", *[" no"] * 9))
    assert found.spellings["yes"] == " yes"
    assert found.classes == {"yes": 10, "no": 9}


@pytest.mark.parametrize("others", [("C", "C++", "C#"), ("1", "-1", "+1"), ("1.0", "10"), ("a/b", "ab")])
def test_labels_that_differ_by_a_sign_are_different(others):
    assert len({spelling_key(other) for other in others}) == len(others)


NOISE = ("I'm sorry, I can't help with that.", '{"label": "refund"}', '{"label": "refund"}', "well\nit depends", "")


def test_refusals_json_and_explanations_are_no_classes():
    found = find_labels(answered(*["refund"] * 50, *["cancel"] * 50, *["rare one"] * 2, *NOISE))
    assert found.classes == {"refund": 50, "cancel": 50, "rare one": 2}
    assert sum(found.strays.values()) == 4


def test_where_the_prompt_names_the_labels_a_rare_other_answer_is_none_of_them():
    prompt = "Answer with refund or cancel, or escalate."
    found = find_labels(answered(*["refund"] * 150, *["cancel"] * 150, "escalate", *["refnd"] * 2, prompt=prompt))
    assert found.classes == {"refund": 150, "cancel": 150, "escalate": 1}
    assert found.strays == {"refnd": 2}


def test_a_column_of_labels_declares_them_however_rare():
    rows = [Example(messages=(user("x"), assistant(name)), metadata={"label": name}) for name in ("a", "b", "B", "c")]
    assert find_labels(rows).classes == {"b": 2, "a": 1, "c": 1}


def test_json_labels_are_labels_where_all_are_json():
    assert len(find_labels(answered(*['{"a": 1}'] * 5, *['{"a": 2}'] * 5)).classes) == 2


@pytest.mark.parametrize("rows", [[], [""], ["one", "two", "three"], [f"Text {n}" for n in range(600)]])
def test_free_text_has_no_labels(rows):
    assert find_labels(answered(*rows)) is None


def test_the_demos_logs_have_their_twelve_intents(tmp_path):
    """Noise among the answers neither adds a class nor moves the balance that was planted."""
    raw = Dataset.from_logs(write_logs(tmp_path))
    true = Counter(entry.label for entry in plan() if entry.kind in ("clean", "duplicate", "near_duplicate"))
    found = raw.analyze(tokens=False)
    assert set(found.classes) == set(INTENTS)
    assert found.balance == pytest.approx(max(true.values()) / min(true.values()), rel=0.1)
    clean = raw.drop(raw.review()).harmonize()
    assert {example.completion for example in clean} == set(INTENTS)


def test_harmonize_changes_answers_labels_and_nothing_else():
    rows = [*answered(*["billing"] * 5, "Billing "), *answered("BILLING", label="BILLING")]
    clean = Dataset.from_examples(rows).harmonize()
    assert {example.completion for example in clean} == {"billing"}
    assert clean[6].metadata == {"label": "billing"}
    assert clean[5].user_text == rows[5].user_text


def test_harmonize_takes_the_labels_and_merges_those_that_mean_another():
    data = Dataset.from_examples(answered("invoice", "Billing.", "something quite different"))
    clean = data.harmonize(labels=["BILLING"], merge={"Invoice": "billing"})
    assert [example.completion for example in clean] == ["BILLING", "BILLING", "something quite different"]


def test_free_text_is_not_harmonized_by_guess():
    with pytest.raises(UsageError, match="free text"):
        Dataset.from_examples(answered("one", "two", "three")).harmonize()


@given(
    st.lists(st.sampled_from(["billing", "Billing", " billing", "BILLING.", "tech", "Tech ", "c++", "c"]), min_size=1)
)
def test_harmonizing_twice_changes_nothing_more(answers):
    rows = answered(*answers, *["billing"] * 50, *["tech"] * 50)
    once = Dataset.from_examples(rows).harmonize()
    assert [e.completion for e in once] == [e.completion for e in once.harmonize()]
