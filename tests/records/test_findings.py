import pytest

from finetuner.errors import UsageError
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal
from finetuner.testing import FakeClock


def test_the_newest_finding_of_a_kind_counts(tmp_path):
    clock = FakeClock()
    findings = Findings(Journal.open(tmp_path), clock)
    findings.add("validation", "aa", passed=False, evidence={"errors": 3})
    clock.advance(5)
    second = findings.add("validation", "aa", passed=True, evidence={"errors": 0})
    assert findings.latest("validation", "aa") == second
    assert [found.passed for found in findings.all("validation")] == [True, False]


def test_each_subject_has_findings_of_its_own(tmp_path):
    findings = Findings(Journal.open(tmp_path), FakeClock())
    findings.add("validation", "aa", passed=True, evidence={})
    findings.add("review", "bb", passed=True, evidence={})
    assert findings.latest("validation", "bb") is None
    assert findings.latest("review", "aa") is None


def test_a_kind_that_nobody_reads_is_refused_with_the_known_ones(tmp_path):
    findings = Findings(Journal.open(tmp_path), FakeClock())
    with pytest.raises(UsageError, match="unknown kind of finding 'reveiw'; known: validation"):
        findings.add("reveiw", "aa", passed=True, evidence={})


def test_findings_outlive_the_process(tmp_path):
    Findings(Journal.open(tmp_path)).add("split", "aa", passed=True, evidence={"shared": 0})
    found = Findings(Journal.open(tmp_path)).latest("split")
    assert found is not None
    assert found.evidence == {"shared": 0}
