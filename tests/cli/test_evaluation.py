"""Models are measured, compared and gated from the command line, with the embedded provider."""

from pathlib import Path

import pytest

from finetuner.records.findings import Findings
from finetuner.records.journal import Journal

MODEL = "local:ngram-small"


def test_evaluate_prints_each_metric_with_its_interval(shell, training):
    assert shell("evaluate", MODEL, training) == 0
    for metric in ("Accuracy", "Precision", "Recall", "F1"):
        assert f"{metric}: " in shell.out
    assert shell("evaluate", MODEL, training, "--report", "page.html", "--json") == 0
    assert shell.json["counts"]["attempted"] == 80
    assert shell.json["metrics"]["accuracy"]["low"] <= shell.json["metrics"]["accuracy"]["value"]
    assert Path("page.html").read_text("utf-8").lower().startswith("<!doctype html>")


def test_a_provider_completes_a_bare_name(shell, training):
    assert shell("evaluate", "ngram-small", training) == 2
    assert shell.err.count("\n") == 1
    assert shell("evaluate", "ngram-small", training, "--provider", "local", "--json") == 0
    assert shell.json["model"] == MODEL


def test_a_judge_needs_a_rubric_and_a_model(shell, training):
    assert shell("evaluate", MODEL, training, "--llm-judge") == 2
    assert "--rubric" in shell.err


def test_a_model_against_itself_is_no_improvement(shell, training):
    assert shell("compare", MODEL, MODEL, training) == 0
    assert "Improvement: +0.0%" in shell.out
    assert shell("compare", MODEL, MODEL, training, "--json") == 0
    assert shell.json["difference"]["value"] == 0


@pytest.mark.parametrize(("margin", "status"), [(0.2, 0), (0.0001, 1)])
def test_the_gate_decides_the_exit_status(shell, training, margin, status):
    words = ("benchmark", MODEL, "--benchmark", training, "--baseline", MODEL, "--margin", margin, "--json")
    assert shell(*words) == status
    assert shell.json["outcome"] == ("not enough data" if status else "pass")


def found(kind):
    with Journal.open() as journal:
        return Findings(journal).latest(kind, MODEL)


def test_a_threshold_decides_the_exit_status_and_is_evidence(shell, training):
    """What the first metric must reach; without one the checkpoint's box stays open."""
    assert shell("evaluate", MODEL, training) == 0
    assert found("evaluation").passed is False
    assert "none given" in found("evaluation").evidence["threshold"]
    assert shell("evaluate", MODEL, training, "--threshold", "1.1") == 1
    assert shell("evaluate", MODEL, training, "--threshold", "0") == 0
    assert found("evaluation").passed is True


def test_comparisons_and_gates_leave_evidence(shell, training):
    shell("compare", MODEL, MODEL, training)
    assert found("comparison").passed is False
    assert found("comparison").evidence["verdict"].startswith("no difference shown")
    shell("benchmark", MODEL, "--benchmark", training, "--baseline", MODEL, "--margin", 0.2)
    assert found("regression").passed is True


def test_providers_without_batches_say_so(shell, training):
    assert shell("evaluate", MODEL, training, "--batch") == 2
    assert "no batch interface" in shell.err


def test_programs_are_not_run_without_a_sandbox(shell):
    assert shell("benchmark", MODEL, "--benchmark", "humaneval") == 2
    assert "name a sandbox" in shell.err
