"""Hashed n-grams."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.providers.local.features import Vocabulary, stem, tokens
from finetuner.providers.local.sizes import FeatureConfig, size_from, size_options

CONFIG = FeatureConfig()


def test_words_numbers_and_signs_are_tokens() -> None:
    assert tokens("I DON\u2019T have 20€!") == ["i", "don't", "have", "20", "€", "!"]


@pytest.mark.parametrize(
    ("word", "expected"), [("transfers", "transfer"), ("pending", "pend"), ("is", "is"), ("press", "press")]
)
def test_common_endings_fall_off(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_the_same_text_has_the_same_buckets_in_another_process() -> None:
    """Python salts its own hash anew in each process; buckets must not depend on it."""
    code = (
        "from finetuner.providers.local.features import Vocabulary\n"
        "from finetuner.providers.local.sizes import FeatureConfig\n"
        "print(Vocabulary.fit(['Where is my card?'], FeatureConfig()).buckets.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(Vocabulary.fit(["Where is my card?"], CONFIG).buckets.tolist())


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_every_row_has_length_one_or_is_empty(texts: list[str]) -> None:
    """Whatever the text, its known features are brought to length 1."""
    vocabulary = Vocabulary.fit([*texts, "anchor"], CONFIG)
    matrix, _ = vocabulary.rows(texts).dense(np.arange(len(texts)))
    lengths = np.linalg.norm(matrix, axis=1)
    expected = [1.0 if tokens(text) else 0.0 for text in texts]
    assert lengths == pytest.approx(expected, abs=1e-4)


def test_unknown_words_leave_an_empty_row() -> None:
    rows = Vocabulary.fit(["alpha beta"], CONFIG).rows(["qqq zzz"])
    assert rows.starts.tolist() == [0, 0]


def test_hiding_everything_but_nothing_keeps_the_mean() -> None:
    """Survivors of dropout grow so that a row's sum is the same on average."""
    text = " ".join(f"word{number}" for number in range(300))
    rows = Vocabulary.fit([text], CONFIG).rows([text])
    whole, _ = rows.dense(np.array([0]))
    half, _ = rows.dense(np.array([0]), keep=0.5, rng=np.random.default_rng(1))
    assert half.sum() == pytest.approx(whole.sum(), rel=0.1)
    assert 0.4 < (half == 0).mean() < 0.6


def test_rare_features_are_dropped_from_large_sets_only() -> None:
    many = [f"common text number{number}" for number in range(1_000)]
    few = many[:10]
    assert Vocabulary.fit(few, CONFIG).rows(["number7"]).starts[-1] > 0
    strict = FeatureConfig(min_count=900)
    assert set(Vocabulary.fit(many, strict).buckets) < set(Vocabulary.fit(many, CONFIG).buckets)


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(UsageError, match="has a word"):
        Vocabulary.fit(["", "  \n"], CONFIG)


def test_a_text_beyond_the_limit_is_cut() -> None:
    assert len(tokens("a " * 5_000)) == 2_000


def test_sizes_round_trip_through_the_catalog_s_table() -> None:
    size = size_from({"hidden": 64, "char_max": 4})
    assert size.hidden == 64
    assert size.features.char_max == 4
    assert size_from(size_options(size)) == size


@pytest.mark.parametrize("options", [{"hiden": 64}, {"hidden": 0}, {"word_ngrams": 9}, {"char_min": 6, "char_max": 5}])
def test_a_size_that_cannot_be_is_an_error(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="catalog"):
        size_from(options)
