"""Duplicates, near-duplicates, contamination."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.contamination import contamination
from finetuner.data.dataset import Dataset
from finetuner.data.duplicates import find
from finetuner.data.examples import Example, assistant, system, user
from finetuner.data.sketch import clusters, similar_pairs
from finetuner.errors import UsageError

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ne", "pu", "ri") for b in "bdfglmnrst" for c in ("", "ta", "sen", "or")
]


def row(text, answer="yes"):
    return Example(messages=(user(text), assistant(answer)))


def dataset(*rows):
    return Dataset.from_examples([row(*item) if isinstance(item, tuple) else row(item) for item in rows])


def planted(length, edits, seed=0, originals=300, copies=150):
    """Random texts of `length` words, and copies of the first ones with `edits` words replaced."""
    dice = random.Random(seed)
    texts = [[dice.choice(WORDS) for _ in range(length)] for _ in range(originals)]
    for number in range(copies):
        copy = list(texts[number])
        for place in dice.sample(range(length), edits):
            copy[place] = dice.choice(WORDS)
        texts.append(copy)
    return [" ".join(text) for text in texts], {(number, originals + number) for number in range(copies)}


def score(texts, truth, near):
    pairs = similar_pairs(texts, near)
    found = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    return len(found & truth) / len(truth), len(found & truth) / max(1, len(found))


def test_near_copies_of_short_texts_are_found():
    """One word in 18 replaced: recall and precision of at least .95 at 0.7."""
    recall, precision = score(*planted(18, 1), 0.7)
    assert recall >= 0.95
    assert precision >= 0.95


@pytest.mark.parametrize("length", [60, 300, 1500])
def test_near_copies_of_long_texts_are_found(length):
    """One word in 100 replaced: recall and precision of at least .99 at 0.8."""
    recall, precision = score(*planted(length, max(1, length // 100)), 0.8)
    assert recall >= 0.99
    assert precision >= 0.99


@pytest.mark.parametrize("words", range(40, 75, 3))
def test_no_pair_falls_between_short_and_long(words):
    """Near copies on both sides of the border between characters and words as shingles are found."""
    dice = random.Random(words)
    text = " ".join(dice.choice(WORDS) for _ in range(words))
    assert len(similar_pairs([text, f"{text} {dice.choice(WORDS)}"], 0.8)) == 1


def test_short_similarity_is_exactly_the_jaccard_index_of_4_characters():
    dice = random.Random(3)
    texts = [" ".join(dice.choice(WORDS[:8]) for _ in range(4)) for _ in range(19)]  # below 20 no shingle is common
    sets = [{f" {text} "[i : i + 4] for i in range(len(text) - 1)} for text in texts]
    truth = {(i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for j in range(len(texts)) for i in range(j)}
    pairs = similar_pairs(texts, 0.5)
    found = dict(zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.similarity, strict=True))
    assert found == pytest.approx({pair: value for pair, value in truth.items() if value >= 0.5})
    assert len(found) > 0


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_text_can_be_sketched(texts):
    """Empty texts, other scripts, lone characters: never an error, and pairs are ordered and within the texts."""
    pairs = similar_pairs(texts, 0.8)
    assert np.all(pairs.left < pairs.right)
    assert len(pairs) == 0 or pairs.right.max() < len(texts)
    assert np.all((pairs.similarity >= 0.8 - 1e-9) & (pairs.similarity <= 1))


def test_a_template_around_the_content_does_not_make_texts_similar():
    """What more than half of the rows share isn't counted."""
    dice = random.Random(1)
    contents = [" ".join(dice.choice(WORDS) for _ in range(6)) for _ in range(60)]
    texts = [f"Classify the following customer request into one of our categories, please: {text}" for text in contents]
    assert len(similar_pairs(texts, 0.8)) == 0


def test_long_texts_without_spaces_are_compared():
    dice = random.Random(2)
    text = "".join(chr(0x4E00 + dice.randrange(3000)) for _ in range(600))
    assert len(similar_pairs([text, text[:300] + "\u4e00" + text[301:]], 0.8)) == 1


def test_clusters_follow_links_over_any_number_of_steps():
    assert clusters(5, [(3, 4), (1, 3)]).tolist() == [0, 1, 2, 1, 1]


def test_the_first_of_equal_rows_stays_and_the_report_says_why():
    report = find(dataset("Where is my card?", "Something else entirely", "Where is my card?", "where is  my CARD?"))
    assert report.keep.tolist() == [0, 1]
    assert [(gone.row, gone.kept, gone.kind) for gone in report.removed] == [(2, 0, "exact"), (3, 0, "normalized")]
    assert report.groups == ((0, 2, 3),)
    assert report.exact_rate == 0.5


def test_the_same_request_with_another_answer_is_no_duplicate():
    report = find(dataset(("Where is my card?", "a"), ("Where is my card?", "b")), near=0.8)
    assert report.keep.tolist() == [0, 1]


def test_near_duplicates_go_only_where_asked_for():
    data = dataset("Why hasn't my top up gone through?", "Why hasn't my top-up gone through?")
    assert find(data).keep.tolist() == [0, 1]
    report = find(data, near=0.8)
    assert report.keep.tolist() == [0]
    assert report.removed[0].kind == "near"
    assert report.near_rate == 0.5


def test_a_chain_of_small_changes_does_not_swallow_the_last_one():
    """A row goes only where a row that stays is similar to it."""
    words = WORDS[:20]
    chain = [" ".join(WORDS[100 : 100 + step] + words[step:]) for step in range(0, 20, 2)]
    report = find(dataset(*chain), near=0.6)
    assert 1 < len(report.keep) < len(chain)
    pairs = {(pair.first, pair.second) for pair in report.near}
    assert all((gone.kept, gone.row) in pairs for gone in report.removed)


def test_system_prompts_that_all_rows_share_do_not_make_rows_alike():
    shared = system("You are a helpful assistant for a bank and answer with one word from the list. " * 5)
    rows = [Example(messages=(shared, user(text), assistant("yes"))) for text in ("lost card", "exchange rate")]
    assert len(find(Dataset.from_examples(rows), near=0.8).keep) == 2


def test_contamination_names_the_training_row_whatever_the_answer():
    training = dataset("Something else entirely", ("Why hasn't my top up gone through?", "a"))
    test = dataset(("why hasn't my top-up gone through", "b"), "A new question about exchange rates")
    found = contamination(training, test)
    assert [(hit.row, hit.found) for hit in found.hits] == [(0, 1)]
    assert found.rate == 0.5
    assert found.rows.tolist() == [0]
    assert contamination(training, test, near=None).hits == ()


@pytest.mark.parametrize("near", [0, 0.3, 1.1])
def test_a_similarity_that_cannot_be_searched_for_is_refused(near):
    with pytest.raises(UsageError, match="near is"):
        find(dataset("a", "b"), near=near)


def test_equal_requests_with_similar_answers_are_near_duplicates():
    answer = "The balance is updated every night, so please look again tomorrow morning"
    data = dataset(
        ("Balance?", answer), ("Balance?", f"{answer}!!"), ("Balance?", "Ask the branch where you opened it.")
    )
    assert find(data).keep.tolist() == [0, 1, 2]
    assert find(data, near=0.8).keep.tolist() == [0, 2]


def test_one_request_with_thousands_of_answers_takes_seconds():
    dice = random.Random(5)
    rows = [("Write a story", " ".join(dice.choice(WORDS) for _ in range(12))) for _ in range(3_000)]
    rows += [("Write  a story!", text) for _, text in rows[:50]]
    assert len(find(dataset(*rows), near=0.8).rows) >= 50
