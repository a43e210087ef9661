"""Where data comes from, and the manifest that says so."""

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.data.lineage import MANIFEST, OTHER_MANIFEST, entry_of
from finetuner.errors import DataFormatError, UsageError


def rows(count, label="yes"):
    return [Example(messages=(user(f"question number {n * 7919 % 1009}"), assistant(label))) for n in range(count)]


def independent_id(path):
    """As anybody can work it out from a written file, with another implementation of RFC 8785."""
    digest = hashlib.sha256(b"finetuner-dataset-v1\n")
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        record.pop("metadata", None)
        digest.update(hashlib.sha256(rfc8785.dumps(record)).digest())
    return digest.hexdigest()


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), max_size=4))
def test_the_fingerprint_can_be_recomputed_from_the_file(tmp_path_factory, pairs):
    data = Dataset.from_examples(
        [Example(messages=(system("é"), user(a), assistant(b)), metadata={"n": 1}) for a, b in pairs]
    )
    path = data.write(tmp_path_factory.mktemp("own") / "own.jsonl", format="finetuner", manifest=False)
    assert independent_id(path) == data.fingerprint


def test_the_fingerprint_depends_on_the_order_and_the_other_one_does_not():
    data = Dataset.from_examples(rows(5))
    turned = data[::-1]
    assert turned.fingerprint != data.fingerprint
    assert turned.unordered_fingerprint == data.unordered_fingerprint
    assert data[:4].unordered_fingerprint != data.unordered_fingerprint


def test_metadata_does_not_change_the_fingerprint():
    data = Dataset.from_examples(rows(3))
    noted = data.map(lambda example: Example(messages=example.messages, metadata={"user": "u"}))
    assert noted.fingerprint == data.fingerprint


def test_verbs_are_remembered_with_their_parameters_and_results():
    data = Dataset.from_examples([*rows(40), *rows(10)], "raw").dedupe(near=0.9).sample(20, seed=7)
    assert [(step.verb, step.examples) for step in data.lineage.steps] == [("dedupe", 40), ("sample", 20)]
    assert data.lineage.steps[0].parameters == {"near": 0.9}
    assert data.lineage.steps[1].parameters["seed"] == 7


def test_the_manifest_says_what_a_file_is(tmp_path):
    raw = Dataset.from_examples([*rows(40), *rows(10)], "raw").with_license("CC-BY-4.0", origin="https://a.example")
    clean = raw.dedupe()
    path = clean.write(tmp_path / "clean.jsonl")
    clean[:3].write(tmp_path / "few.jsonl", format="vertex")
    entry = entry_of(path)
    assert entry.fingerprint == clean.fingerprint
    assert (entry.examples, entry.format, entry.license, entry.license_known) == (40, "openai", "CC-BY-4.0", True)
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(parent.source, parent.fingerprint, parent.examples) for parent in entry.parents] == [
        ("raw", raw.fingerprint, 50)
    ]
    assert [step.verb for step in entry.steps] == ["dedupe"]
    assert entry_of(tmp_path / "few.jsonl").format == "vertex"


def test_a_file_that_was_changed_since_has_no_entry(tmp_path):
    path = Dataset.from_examples(rows(3)).write(tmp_path / "a.jsonl")
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    assert entry_of(path) is None
    assert entry_of(tmp_path / "other.jsonl") is None


def test_entries_of_deleted_files_go(tmp_path):
    Dataset.from_examples(rows(3)).write(tmp_path / "a.jsonl").unlink()
    Dataset.from_examples(rows(3)).write(tmp_path / "b.jsonl")
    assert set(json.loads((tmp_path / MANIFEST).read_text("utf-8"))["files"]) == {"b.jsonl"}


@pytest.mark.parametrize("other", ['{"name": "an app"}', "no JSON"])
def test_somebody_elses_manifest_is_left_alone(tmp_path, other):
    (tmp_path / MANIFEST).write_text(other, "utf-8")
    path = Dataset.from_examples(rows(3)).write(tmp_path / "a.jsonl")
    assert (tmp_path / MANIFEST).read_text("utf-8") == other
    assert entry_of(path).examples == 3
    (tmp_path / MANIFEST).unlink()
    assert len(Dataset.load(tmp_path)) == 3
    (tmp_path / OTHER_MANIFEST).write_text(other, "utf-8")
    (tmp_path / MANIFEST).write_text(other, "utf-8")
    with pytest.raises(DataFormatError, match="no manifest of this library"):
        Dataset.from_examples(rows(3)).write(tmp_path / "b.jsonl")


def test_a_folder_is_read_without_its_manifest(tmp_path):
    data = Dataset.from_examples(rows(3))
    data.write(tmp_path / "a.jsonl")
    assert len(Dataset.load(tmp_path)) == 3


@pytest.mark.parametrize("license", ["", "a license", "MIT AND", "(MIT OR"])
def test_a_license_is_an_spdx_expression(license):
    with pytest.raises(UsageError, match="SPDX"):
        Dataset.from_examples(rows(1)).with_license(license)


def test_an_unknown_license_is_kept_and_told_apart():
    data = Dataset.from_examples(rows(1))
    assert not data.with_license("LicenseRef-Internal").lineage.license_known
    assert data.with_license("MIT OR Apache-2.0").lineage.license_known
    assert not data.lineage.license_known


# -- mixing ------------------------------------------------------------------------------------------------------------


def test_a_mix_has_the_shares_of_its_weights_without_repeating():
    one, other = Dataset.from_examples(rows(90, "a"), "one"), Dataset.from_examples(rows(50, "b"), "other")
    mix = Dataset.mix({one: 3, other: 1})
    counts = {label: sum(example.completion == label for example in mix) for label in "ab"}
    assert counts == {"a": 90, "b": 30}
    assert len({example.content_hash for example in mix}) == 120
    assert mix.file(0) in ("one", "other")
    assert list(mix) == list(Dataset.mix({one: 3, other: 1}))
    assert list(mix) != list(Dataset.mix({one: 3, other: 1}, seed=1))


def test_a_mix_of_a_given_size_repeats_where_it_has_to():
    one, other = Dataset.from_examples(rows(10, "a")), Dataset.from_examples(rows(10, "b"))
    mix = Dataset.mix({one: 1, other: 1}, size=50)
    assert sum(example.completion == "a" for example in mix) == 25
    assert len({example.content_hash for example in mix}) == 20


def test_a_mix_knows_its_parents_and_keeps_a_shared_license():
    one = Dataset.from_examples(rows(10, "a"), "one").with_license("MIT")
    other = Dataset.from_examples(rows(10, "b"), "other").with_license("MIT")
    mix = Dataset.mix({one: 1, other: 1})
    assert mix.lineage.license == "MIT"
    assert Dataset.mix({one: 1, other.with_license("CC0-1.0"): 1}).lineage.license is None


@pytest.mark.parametrize("weight", [0, -1])
def test_weights_are_above_zero(weight):
    with pytest.raises(UsageError, match="above 0"):
        Dataset.mix({Dataset.from_examples(rows(2)): weight})
