"""Similar texts: what is found doesn't depend on how the work is cut into pieces."""

import random

import pytest

from finetuner.data import grams, joins, sketch
from finetuner.data.sketch import Sketch, similar_pairs

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ne", "pu", "ri") for b in "bdfglmnrst" for c in ("", "ta", "sen", "or")
]


def with_copies(lengths, n, seed=0, words=WORDS):
    """Texts of so many words; every third is an earlier one with one word replaced."""
    dice = random.Random(seed)
    made = []
    for number in range(n):
        text = [dice.choice(words) for _ in range(dice.choice(lengths))]
        if number % 3 == 2:
            text = dice.choice(made).split()
            text[dice.randrange(len(text))] = dice.choice(words)
        made.append(" ".join(text))
    return made


def listed(pairs):
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True))


@pytest.fixture
def tiny_pieces(monkeypatch):
    """So that hardly anything is worked out at once."""
    monkeypatch.setattr(joins, "PAIRS_PER_BLOCK", 7)
    monkeypatch.setattr(grams, "_BATCH", 3)
    monkeypatch.setattr(sketch, "_BATCH_CHARACTERS", 500)
    monkeypatch.setattr(sketch, "_COMPARED_AT_ONCE", 5)


MIXED = with_copies((2, 5, 9, 14, 30, 60, 70, 80, 200), 240) + [
    f"{text} \u4f60\u597d" for text in with_copies((4, 70, 150), 60, 1)
]


@pytest.mark.parametrize("near", [0.5, 0.7, 0.8])
def test_pairs_do_not_depend_on_blocks(near, request):
    """Texts of all lengths and kinds: the same pairs with the same similarity, in the same order."""
    whole = listed(similar_pairs(MIXED, near))
    request.getfixturevalue("tiny_pieces")
    assert listed(similar_pairs(MIXED, near)) == whole
    assert len(whole) > 50


def test_texts_are_asked_for_again_and_not_kept():
    """Only long texts that may be similar are read a second time, and those of the sample for a template."""
    texts = with_copies((400,), 400)
    held, asked = Sketch(), []
    for text in texts:
        held.add(text)

    def again(number):
        asked.append(number)
        return texts[number]

    pairs = held.pairs(0.8, again)
    assert len(pairs) >= 130
    assert len(asked) < 500


def jaccard(one, other):
    first, second = ({f" {text} "[n : n + 4] for n in range(len(text) - 1)} for text in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("near", [0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("length", [3, 6, 12, 30, 55])
def test_short_texts_have_the_pairs_that_comparing_all_finds(near, length):
    """From 3 words to 55, with one word replaced; so few texts that no shingle counts as a template's."""
    found = truth = 0
    for seed in range(6):
        texts = with_copies((length, length + 1), 19, seed)
        pairs = similar_pairs(texts, near)
        exact = {(i, j) for j in range(19) for i in range(j) if jaccard(texts[i], texts[j]) >= near}
        assert set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) <= exact
        found, truth = found + len(pairs), truth + len(exact)
    assert found >= 0.99 * truth


@pytest.mark.parametrize("length", [6, 40, 300])
def test_a_thousand_copies_of_one_text_are_all_found_by_the_first(length):
    """More than are paired with each other: each is paired with the first ones at least."""
    dice = random.Random(1)
    base = [dice.choice(WORDS) for _ in range(length)]
    others = with_copies((length,), 1_500, 2)  # so that the copies are no template
    copies = [" ".join([*base[:-1], f"{base[-1]}{number}"]) for number in range(1_100)]
    pairs = similar_pairs(copies + others, 0.5)
    assert set(range(1, 1_100)) <= set(pairs.right[pairs.left == 0].tolist())


def test_a_word_that_never_ends_is_a_word():
    """Base64 without a space, and copies of it in other sentences."""
    blob = "QUJD" * 100_000
    text = " ".join(WORDS[:120])
    assert len(similar_pairs([f"{text} {blob}", f"{text} {blob} more", " ".join(WORDS[100:220])], 0.8)) == 1
