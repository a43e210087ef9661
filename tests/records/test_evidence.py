import attrs
import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.records.evidence import DataEvidence
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal

PLACES = ("Oslo", "Lima", "Cairo", "Quito", "Delhi", "Tunis", "Paris", "Seoul", "Accra", "Hanoi", "Sofia", "Cusco")


def dataset(*, answers=("north", "south")):
    examples = [
        Example(
            messages=(user(f"{place} has {number} stations and a harbor"), assistant(answers[number % len(answers)]))
        )
        for number, place in enumerate(PLACES)
    ]
    return Dataset.from_examples(examples)


@pytest.fixture
def evidence_of(tmp_path):
    findings = Findings(Journal.open(tmp_path))
    return lambda data: DataEvidence(findings, data.fingerprint)


def test_valid_data_passes_with_its_counts(evidence_of):
    data = dataset()
    found = evidence_of(data).validation(data.check(provider="openai"))
    assert found.passed
    assert found.evidence["examples"] == 12
    assert found.subject == data.fingerprint


def test_an_error_fails_the_validation(evidence_of):
    data = dataset(answers=("north", ""))
    found = evidence_of(data).validation(data.check(provider="openai"))
    assert not found.passed
    assert found.evidence["errors"] == 6


def test_an_empty_answer_fails_the_review(evidence_of):
    data = dataset(answers=("north", ""))
    found = evidence_of(data).review(data.review())
    assert not found.passed
    assert found.evidence["for_removal"] == 6


@pytest.mark.parametrize(("north", "passes"), [(6, True), (10, True), (11, False)])
def test_a_class_ratio_above_ten_to_one_fails_the_analysis(evidence_of, north, passes):
    data = dataset()
    analysis = attrs.evolve(data.analyze(), classes={"north": north, "south": 1})
    assert evidence_of(data).analysis(analysis).passed is passes


def test_a_split_names_the_part_that_a_job_trains_on(evidence_of):
    data = dataset()
    parts = data.split(80, 10, 10)
    found = evidence_of(data).split(
        parts.proof, train=parts.train.fingerprint, val=parts.val.fingerprint, test=parts.test.fingerprint
    )
    assert found.passed
    assert found.evidence["train"] == parts.train.fingerprint
