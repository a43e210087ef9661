"""Faster tokenizers: used only where they equal tiktoken."""

import random
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetuner.data import tokenizers, tokens
from finetuner.data.tokenizers import Batched, Reference

needs_ranks = pytest.mark.skipif(not tokens.is_exact("gpt-4.1"), reason="o200k_base's ranks aren't on this machine")
HARD = st.text(max_size=60) | st.lists(
    st.sampled_from([*tokenizers.CHECKED, "<|endoftext|>", " ", "\n", "'s", "123", "語", "😀", "\u0301", "\u3000"]),
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def reference():
    return tokens._encoding("o200k_base").encode_ordinary


@pytest.fixture(scope="module")
def fastokens():
    return load("fastokens", "o200k_base")


def load(name, encoding):
    if not find_spec(name):
        pytest.skip(f"{name} isn't installed")
    source = tokens._source(encoding)
    return tokenizers._KNOWN[name](__import__(name), encoding, tokens._rank_file(source), source.pattern)


@needs_ranks
@pytest.mark.parametrize("name", ["fastokens", "gigatoken"])
def test_an_installed_tokenizer_passes_the_check(name, reference):
    assert tokenizers.equals(load(name, "o200k_base"), reference)


@needs_ranks
@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HARD)
def test_fastokens_equals_tiktoken_on_any_text(text, reference, fastokens):
    assert fastokens.encode_batch([text]) == [reference(text)]


@needs_ranks
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_count_as_one(reference, threads):
    texts = [*tokenizers.CHECKED, *tokenizers.CHECKED[:2]]
    assert Reference(reference, threads).count(texts) == [len(reference(text)) for text in texts]


def test_a_tokenizer_that_differs_is_not_used(monkeypatch):
    """Neither one that counts wrong, nor one that fails to load."""

    def encode(text):
        return [ord(character) for character in text]

    def wrong(*_):
        return Batched("fastokens", lambda texts: [[0] for _ in texts], lambda texts: [1 for _ in texts])

    def broken(*_):
        raise OSError("no such file")

    def right(*_):
        return Batched("gigatoken", lambda texts: list(map(encode, texts)), lambda texts: list(map(len, texts)))

    monkeypatch.setattr(tokenizers, "find_spec", lambda _: True)
    monkeypatch.setattr(tokenizers, "import_module", lambda _: None)
    for loads, name in (((wrong, broken), None), ((broken, right), "gigatoken"), ((right, wrong), "gigatoken")):
        monkeypatch.setattr(tokenizers, "_KNOWN", dict(zip(("fastokens", "gigatoken"), loads, strict=True)))
        found = tokenizers.faster("o200k_base", b"", "", encode)
        assert (found and found.name) == name


@needs_ranks
def test_much_text_is_counted_by_the_faster_one(monkeypatch, reference):
    """The counts are the same before and after."""
    dice = random.Random(0)
    texts = [" ".join(dice.choices(["word", "Größe", "語", "x1", "\n"], k=30)) + str(n) for n in range(50)]
    expected = [len(reference(text)) for text in texts]
    asked = []

    def instead(*_):
        asked.append(1)
        return Reference(reference)

    monkeypatch.setattr(tokens, "_MUCH", 1_000)
    monkeypatch.setattr(tokens, "faster", instead)
    counter = tokens._Counter(tokens.rule(None))
    assert counter.many(texts[:3], threads=1) == expected[:3]
    assert asked == []
    assert counter.many(texts, threads=2) == expected
    assert counter.many([*texts, "", texts[0]], threads=2) == [*expected, 0, expected[0]]
    assert asked == [1]
