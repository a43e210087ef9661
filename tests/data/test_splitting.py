"""Splits, samples and even classes."""

from collections import Counter
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.data import rebalancing, sampling
from finetuner.data.contamination import contamination
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import UsageError

BANKING = Path("../shared/data/banking77/train.csv")
SUBJECTS = ("card", "transfer", "refund", "exchange rate", "top up", "identity check", "cash", "limit")
VERBS = ("block", "find", "order", "explain", "cancel", "delay", "repeat", "verify")


def split(data, *shares, **options):
    return data.split(*shares, **options)


def example(number, label=None, **metadata):
    text = f"{VERBS[number % 8]} my {SUBJECTS[number // 8 % 8]} from {number * 7919 % 1009} {chr(97 + number % 26) * 5}"
    return Example(messages=(user(text), assistant(label or f"label{number % 4}")), metadata=metadata)


def texts(data):
    return Counter(item.user_text for item in data)


ROWS = [example(number) for number in range(400)]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(400)), st.integers(0, 20), st.integers(0, 5))
def test_a_split_is_a_partition_without_leaks(order, copies, seed):
    """Every row is in exactly one part, and no request of one part stands in another."""
    rows = [ROWS[number] for number in (*order[:150], *order[:copies], *order[:copies])]
    parts = split(Dataset.from_examples(rows), 60, 20, 20, seed=seed)
    assert texts(parts.train) + texts(parts.val) + texts(parts.test) == texts(rows)
    assert contamination(parts.train, parts.test).hits == ()
    assert contamination(parts.train, parts.val).hits == ()
    assert not parts.proof.leaks


def test_the_order_of_rows_does_not_matter():
    data = Dataset.from_examples(ROWS)
    backwards = Dataset.from_examples(ROWS[::-1])
    assert texts(split(data).test) == texts(split(backwards).test)
    assert texts(split(data, seed=1).test) != texts(split(data).test)


def test_appending_rows_moves_few_of_the_old_ones():
    before = split(Dataset.from_examples(ROWS[:380])).train
    after = split(Dataset.from_examples(ROWS)).train
    moved = texts(before) - texts(after)
    assert moved.total() <= 0.06 * len(before)


def test_labels_keep_their_shares():
    parts = split(Dataset.from_examples(ROWS))
    assert parts.proof.counts == (320, 40, 40)
    assert parts.proof.labels == (4, 4, 4)
    assert max(Counter(item.label for item in parts.test).values()) <= 12


def test_many_tiny_classes_still_fill_all_parts():
    rows = [example(number, label=f"only{number}") for number in range(100)]
    assert split(Dataset.from_examples(rows)).proof.counts == (80, 10, 10)


def test_fractions_and_percents_are_the_same():
    data = Dataset.from_examples(ROWS)
    assert texts(split(data, 0.8, 0.1, 0.1).val) == texts(split(data).val)


def test_two_parts_are_enough():
    assert split(Dataset.from_examples(ROWS), 80, 20, 0).proof.counts == (320, 80, 0)


def test_groups_stay_together():
    rows = [example(number, user=number % 37) for number in range(400)]
    parts = split(Dataset.from_examples(rows), group="user")
    users = [{item.metadata["user"] for item in part} for part in (parts.train, parts.val, parts.test)]
    assert not users[0] & users[1] | users[0] & users[2] | users[1] & users[2]
    assert parts.proof.shared_groups == 0
    assert "shared groups (user): 0" in str(parts.proof)


def test_near_copies_with_different_answers_stay_together():
    copies = [Example(messages=(user(f"{row.user_text}s"), assistant("other"))) for row in ROWS[:60]]
    rows = ROWS + copies
    parts = split(Dataset.from_examples(rows), 50, 25, 25)
    assert contamination(parts.train, parts.test).hits == ()


def test_by_time_the_newest_are_the_test():
    rows = [example(number, time=f"2026-01-{1 + number // 20:02d}T00:00:00Z") for number in range(400)]
    parts = split(Dataset.from_examples(rows), time="time")
    latest = max(str(item.metadata["time"]) for item in parts.train)
    assert latest <= min(str(item.metadata["time"]) for item in parts.test)


@pytest.mark.parametrize("shares", [(80, 10, 20), (0.5, 0.1, 0.1), (110, -20, 10)])
def test_shares_that_do_not_sum_are_refused(shares):
    with pytest.raises(UsageError, match="sum to 100"):
        split(Dataset.from_examples(ROWS), *shares)


def test_a_part_that_would_be_empty_is_refused():
    with pytest.raises(UsageError, match="would be empty"):
        split(Dataset.from_examples(ROWS[:3]))


def test_a_key_that_rows_lack_is_refused():
    with pytest.raises(UsageError, match="'user'"):
        split(Dataset.from_examples(ROWS), group="user")


@pytest.mark.skipif(not BANKING.exists(), reason="Banking77 isn't beside the repository")
def test_banking77_splits_without_leaks():
    parts = split(Dataset.load(BANKING))
    assert sum(parts.proof.counts) == 10_003
    assert parts.proof.labels == (77, 77, 77)
    assert contamination(parts.train, parts.test).hits == ()


def test_a_sample_keeps_the_mix_and_grows_without_changing():
    data = Dataset.from_examples(ROWS)
    rows = sampling.rows(data, 40, "label")
    assert Counter(ROWS[row].label for row in rows) == {f"label{number}": 10 for number in range(4)}
    assert set(sampling.rows(data, 40).tolist()) <= set(sampling.rows(data, 80).tolist())
    assert sampling.rows(data, 40).tolist() != sampling.rows(data, 40, seed=1).tolist()
    assert len(sampling.rows(data, 1_000)) == 400


@given(st.permutations(ROWS[:30]))
def test_a_sample_does_not_depend_on_order(rows):
    wanted = {ROWS[row].user_text for row in sampling.rows(Dataset.from_examples(ROWS[:30]), 10)}
    assert {rows[row].user_text for row in sampling.rows(Dataset.from_examples(list(rows)), 10)} == wanted


def test_a_sample_of_a_metadata_key():
    rows = [attrs.evolve(row, metadata={"error_type": number % 2}) for number, row in enumerate(ROWS)]
    chosen = sampling.rows(Dataset.from_examples(rows), 20, "error_type")
    assert Counter(int(row) % 2 for row in chosen) == {0: 10, 1: 10}


def test_an_empty_sample_is_refused():
    with pytest.raises(UsageError):
        sampling.rows(Dataset.from_examples(ROWS), 0)


@pytest.mark.parametrize(("how", "size"), [("oversample", 30), ("undersample", 10)])
def test_classes_are_made_even(how, size):
    rows = [example(number, label="many" if number < 30 else "few") for number in range(40)]
    chosen = rebalancing.rows(Dataset.from_examples(rows), how)
    assert Counter(rows[row].label for row in chosen) == {"many": size, "few": size}
    assert np.all(np.diff(chosen) >= 0)


def test_unknown_ways_and_empty_data_are_refused():
    with pytest.raises(UsageError, match="oversample or undersample"):
        rebalancing.rows(Dataset.from_examples(ROWS), "smote")
    with pytest.raises(UsageError, match="empty"):
        rebalancing.rows(Dataset.from_examples([]), "oversample")


def test_the_proof_names_the_frozen_test_part_and_the_times_of_each():
    data = Dataset.from_examples([example(number, day=f"2026-01-{number // 20 + 1:02}") for number in range(400)])
    parts = data.split(time="day", group=None)
    assert parts.proof.test_fingerprint == parts.test.fingerprint
    (_, end), _, (start, _) = parts.proof.spans
    assert end <= start
    assert f"day of test: {start} to 2026-01-20" in str(parts.proof)
    assert f"test part frozen as {parts.test.fingerprint[:16]}" in str(parts.proof)
    assert parts.test.lineage.steps[-1].parameters["part"] == "test"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 100))
def test_even_shares_differ_only_where_a_group_has_no_more(sizes, n):
    given_ = sampling.even_shares(sizes, n)
    assert sum(given_) == min(n, sum(sizes))
    free = [share for share, size in zip(given_, sizes, strict=True) if share < size]
    assert all(share <= size for share, size in zip(given_, sizes, strict=True))
    assert max(given_, default=0) <= min(free, default=100) + 1


def answered(*labels):
    return Dataset.from_examples(
        [attrs.evolve(example(n), messages=(user(f"ask {n} please"), assistant(a))) for n, a in enumerate(labels)]
    )


def test_rebalancing_counts_spellings_together_and_leaves_strays_alone():
    noise = ["I'm sorry, but I can't help with that.", '{"label": "a"}']
    even = answered(*["yes"] * 40, *["No"] * 5, *["no"] * 15, *noise).rebalance()
    counts = Counter(item.completion.lower() for item in even)
    assert (counts["yes"], counts["no"]) == (40, 40)
    assert all(counts[text.lower()] == 1 for text in noise)


def test_free_text_has_no_classes_to_rebalance_and_one_stratum():
    free = answered(*[f"An answer of its own, number {n}." for n in range(60)])
    with pytest.raises(UsageError, match="free text"):
        free.rebalance()
    first = {item.completion for item in free.sample(10, stratify="label")}
    assert first != set(sorted(item.completion for item in free)[:10])


def test_a_sample_by_a_key_that_no_row_has_says_which_there_are():
    data = Dataset.from_examples([example(number, user="u") for number in range(20)])
    with pytest.raises(UsageError, match="there is user"):
        data.sample(5, stratify="error_type")


def test_instruct_names_the_labels_once_and_keeps_own_prompts():
    data = answered(*["yes"] * 5, *["no"] * 5)
    told = data.instruct()
    assert told[0].system == "Classify the message. Answer with one of: no, yes."
    assert told.instruct("Other")[0].system == told[0].system
    assert told.instruct("Other", replace=True)[0].system == "Other"
    assert told[0].user_text == data[0].user_text
