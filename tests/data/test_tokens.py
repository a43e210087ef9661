"""Counting tokens."""

import gzip
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data import tokens
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, Message, ToolCall, assistant, system, user

needs_ranks = pytest.mark.skipif(not tokens.is_exact("gpt-4.1"), reason="o200k_base's ranks aren't on this machine")


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No encoding loaded yet, and tiktoken's cache in an empty folder."""

    def forget():
        tokens._encoding.cache_clear()
        tokens._counter.cache_clear()

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    forget()
    yield tmp_path
    forget()


@pytest.mark.parametrize(
    ("model", "encoding", "assumed"),
    [
        (None, "o200k_base", False),
        ("gpt-4.1-mini", "o200k_base", False),
        ("openai:gpt-4o-2024-08-06", "o200k_base", False),
        ("ft:gpt-4.1-mini-2025-04-14:org::abc:ckpt-step-8", "o200k_base", False),
        ("ft:o4-mini-2025-04-16:org::abc", "o200k_base", False),
        ("ft:gpt-4-0613:org::abc", "cl100k_base", False),
        ("ft:gpt-3.5-turbo:org::abc", "cl100k_base", False),
        ("gpt-6-large", "o200k_base", True),
        ("local:naive-bayes", "o200k_base", True),
    ],
)
def test_a_model_name_decides_the_encoding(model, encoding, assumed):
    """A tuned name is its base's; a name that nobody knows is counted, and said to be a guess."""
    assert tokens.rule(model) == tokens.Rule(encoding=encoding, assumed=assumed)


def test_gemini_is_estimated_from_openai_tokens():
    text = "The quick brown fox jumps over the lazy dog. " * 10
    assert tokens.count_text(text, "vertex:gemini-2.5-flash") == round(1.15 * tokens.count_text(text))
    assert not tokens.is_exact("gemini-2.5-flash")


@needs_ranks
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("hi", 1),
        ("hello wörld", 4),
        ("The quick brown fox jumps over the lazy dog.", 10),
        ('{"a": 1, "b": [true, null]}', 14),
        ("", 0),
    ],
)
def test_o200k_counts(text, count):
    """Values of tiktoken 0.14."""
    assert tokens.count_text(text, "gpt-4.1") == count


@needs_ranks
def test_both_encodings_give_tiktokens_numbers():
    assert tokens._encoding("o200k_base").encode_ordinary("hello wörld") == [24912, 286, 2877, 582]
    assert tokens._encoding("cl100k_base").encode_ordinary("hello wörld") == [15339, 289, 9603, 509]


@given(st.text(max_size=200))
def test_any_text_can_be_counted(text):
    """Special tokens, too, are text; and no text has more tokens than UTF-8 bytes."""
    assert (1 if text else 0) <= tokens.count_text(text) <= len(text.encode())
    assert tokens.count_text("<|endoftext|>") > 1


def test_without_ranks_counts_are_estimates_that_say_so(fresh, monkeypatch):
    """No network, no error: an estimate, flagged."""
    monkeypatch.setattr(tokens, "find_spec", lambda _: None)
    data = Dataset.from_examples([Example(messages=(user("Where is my new card?"), assistant("card_arrival")))])
    counted = tokens.count_dataset(data, "gpt-4.1")
    assert not counted.exact
    assert 5 <= counted.total <= 40
    assert tokens.count_text("一二三四五", "gpt-4.1") == 5
    assert list(fresh.iterdir()) == []


@needs_ranks
def test_ranks_come_from_tiktokens_cache(fresh, monkeypatch):
    ranks = tokens._from_package(tokens._O200K)
    if ranks is None:
        pytest.skip("bpe-openai isn't installed")
    assert hashlib.sha256(ranks).hexdigest() == tokens._O200K.sha256
    (fresh / tokens._O200K.cached_as).write_bytes(ranks)
    monkeypatch.setattr(tokens, "find_spec", lambda _: None)
    before = dict(os.environ)
    assert tokens.is_exact("gpt-4.1")
    assert tokens.count_text("hello wörld", "gpt-4.1") == 4
    assert dict(os.environ) == before


def test_a_wrong_file_in_the_cache_is_neither_used_nor_deleted(fresh, monkeypatch):
    wrong = fresh / tokens._O200K.cached_as
    wrong.write_bytes(gzip.compress(b"not ranks", mtime=0))
    monkeypatch.setattr(tokens, "find_spec", lambda _: None)
    assert not tokens.is_exact("gpt-4.1")
    assert wrong.exists()


def test_a_chat_costs_3_tokens_a_message_1_a_name_and_3_an_example():
    plain = Example(messages=(system("a"), user("b"), assistant("c")))
    assert tokens.count_example(plain) == (1 + 1 + 2 * 3 + 3, 1 + 3)
    named = Example(messages=(Message(role="user", content="b", name="ann"), assistant("c")))
    assert tokens.count_example(named) == (1 + 3 + 1 + 3, 1 + 3)


def test_tool_calls_count():
    call = ToolCall(id="1", name="send", arguments='{"to":"ann"}')
    example = Example(messages=(user("b"), Message(role="assistant", tool_calls=(call,))))
    assert tokens.count_example(example)[1] > 3


def test_a_data_sets_counts_add_up():
    rows = [Example(messages=(user("word " * n), assistant("yes"))) for n in range(1, 101)]
    counted = tokens.count_dataset(Dataset.from_examples(rows))
    assert counted.total == sum(sum(tokens.count_example(row)) for row in rows)
    assert counted.input.min <= counted.input.p50 <= counted.input.p95 <= counted.input.max
    assert counted.output.min == counted.output.max == counted.output.mean


def test_an_empty_data_set_has_no_tokens():
    counted = tokens.count_dataset(Dataset.from_examples([]))
    assert counted.total == 0
    assert str(counted.input) == "min=0 max=0 avg=0.0 p95=0"


def test_both_answers_of_preference_data_count():
    example = Example(messages=(user("b"),), preferred=assistant("c"), rejected=assistant("d"))
    assert tokens.count_example(example) == (1 + 3 + 3, 2 * (1 + 3))
