import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from finetuner.demo.logs import SYSTEM, fresh_requests, plan, write_logs
from finetuner.demo.requests import (
    HELD_OUT_PER_INTENT,
    INTENTS,
    held_out_requests,
    logged_requests,
    subjects,
)
from finetuner.demo.wording import PERSONAL_DATA
from finetuner.errors import UsageError


def _read(folder: Path) -> list[dict]:
    records = []
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode()
        records += [json.loads(line) for line in text.splitlines()]
    return records


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> list[dict]:
    return _read(write_logs(tmp_path_factory.mktemp("logs") / "new"))


def _asked(record: dict) -> str:
    return record["request"]["messages"][1]["content"]


def _answer(record: dict) -> str:
    return record["response"]["choices"][0]["message"]["content"]


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _iban(number: str) -> bool:
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1


def test_written_requests_are_all_different():
    """No request was written twice, in either pool, whatever its casing."""
    texts = [request.text.casefold() for request in (*logged_requests(), *held_out_requests())]
    assert len(texts) == len(set(texts))


def test_enough_is_written():
    assert len(logged_requests()) >= 1500
    assert Counter(request.label for request in held_out_requests()) == dict.fromkeys(INTENTS, HELD_OUT_PER_INTENT)
    assert all(len(set(subjects(label))) >= 8 for label in INTENTS)


def test_one_seed_gives_the_same_bytes(tmp_path):
    first, second, other = (write_logs(tmp_path / name, seed) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    content = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in (first, second, other)]
    assert content[0] == content[1]
    assert content[0] != content[2]


def test_one_file_a_day_and_one_of_them_gzipped(tmp_path):
    names = sorted(file.name for file in write_logs(tmp_path).iterdir())
    assert len(names) == 14
    assert names[0] == "2026-10-01.jsonl"
    assert [name for name in names if name.endswith(".gz")] == ["2026-10-06.jsonl.gz"]


def test_every_line_is_a_request_with_an_answer_or_an_error(records):
    assert len({record["id"] for record in records}) == len(records)
    for record in records:
        assert record["request"]["messages"][0] == {"role": "system", "content": SYSTEM}
        assert _asked(record).strip()
        assert ("response" in record) != ("error" in record)
        if "response" in record:
            usage = record["response"]["usage"]
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sizes_and_shares_are_as_documented(seed):
    entries = plan(seed)
    kinds = Counter(entry.kind for entry in entries)
    assert 1650 <= len(entries) <= 2000
    assert len({entry.text for entry in entries}) >= 1500
    assert 0.03 <= kinds["duplicate"] / len(entries) <= 0.04
    assert 0.025 <= kinds["near_duplicate"] / len(entries) <= 0.035
    assert 0.015 <= kinds["mislabeled"] / len(entries) <= 0.025
    assert 0.03 <= sum(entry.personal is not None for entry in entries) / len(entries) <= 0.07


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_classes_are_unbalanced_but_not_extremely(seed):
    """The largest intent has between 3 and 6 times the smallest, and every intent is there."""
    counts = Counter(entry.label for entry in plan(seed))
    assert set(counts) == set(INTENTS)
    assert 3 < max(counts.values()) / min(counts.values()) < 6


def test_planted_answers_are_in_the_logs(records):
    answered = [record for record in records if "response" in record]
    answers = [_answer(record) for record in answered]
    assert answers.count("") == 8
    assert sum(answer.startswith(("As an AI", "I'm sorry")) for answer in answers) == 6
    assert sum(answer.startswith("{") and json.loads(answer)["intent"] in INTENTS for answer in answers) == 4
    assert sum(_answer(record) == _asked(record) for record in answered) == 2
    assert sum(record["response"]["choices"][0]["finish_reason"] == "length" for record in answered) == 8
    assert sum("error" in record for record in records) == 24
    spelled = [answer for answer in answers if answer not in INTENTS]
    assert sum(re.sub(r"\W", "_", answer.lower()).strip("_") in INTENTS for answer in spelled) == 14


def test_mislabels_name_another_intent():
    wrong = [entry for entry in plan() if entry.kind == "mislabeled"]
    assert wrong
    assert all(entry.answer in INTENTS and entry.answer != entry.label for entry in wrong)
    assert all(entry.answer == entry.label for entry in plan() if entry.kind == "clean")


def test_duplicates_repeat_and_near_duplicates_almost_do():
    entries = plan()
    clean = {entry.text for entry in entries if entry.kind == "clean"}
    letters = {"".join(sorted(text)) for text in clean}
    assert all(entry.text in clean for entry in entries if entry.kind == "duplicate")
    near = [entry for entry in entries if entry.kind == "near_duplicate"]
    assert sum(entry.text not in clean for entry in near) > 0.8 * len(near)
    assert all("".join(sorted(entry.text)) in letters for entry in near)


def test_personal_data_of_every_kind_is_valid_in_form(records):
    """Detectors that check Luhn or the IBAN's check digits find the planted numbers."""
    text = "\n".join(_asked(record) for record in records)
    cards = [re.sub(r"\D", "", found) for found in re.findall(r"card I used is ([\d ]+)", text)]
    ibans = [found.replace(" ", "") for found in re.findall(r"account is ([A-Z0-9 ]+)\.", text)]
    assert cards
    assert all(_luhn(card) for card in cards)
    assert ibans
    assert all(_iban(iban) for iban in ibans)
    assert "@example.com" in text
    assert "+44 7700 900" in text
    assert re.search(r"HB-\d{6}", text)
    assert {entry.personal for entry in plan()} >= set(PERSONAL_DATA)


def test_users_return(records):
    """Grouping by user matters: many write more than once, and no one dominates."""
    users = Counter(record["user"] for record in records)
    assert sum(count > 1 for count in users.values()) > 200
    assert max(users.values()) < 0.05 * len(records)


def test_fresh_requests_are_in_no_log():
    """Neither the written text nor the worded one appears among the logged requests."""
    logged = {request.text.casefold() for request in logged_requests()}
    assert not logged & {request.text.casefold() for request in held_out_requests()}
    asked = {entry.text for entry in plan()}
    assert not asked & {text for _, text, _ in fresh_requests(1000)}


def test_fresh_requests_repeat_by_seed_and_cover_every_intent():
    traffic = fresh_requests(300, seed=5)
    assert traffic == fresh_requests(300, seed=5)
    assert traffic != fresh_requests(300, seed=6)
    assert Counter(label for _, _, label in traffic) == dict.fromkeys(INTENTS, HELD_OUT_PER_INTENT)
    assert len({unit for unit, _, _ in traffic}) < 300
    assert fresh_requests(0) == ()


def test_fresh_requests_need_a_count():
    with pytest.raises(UsageError, match="negative"):
        fresh_requests(-1)
