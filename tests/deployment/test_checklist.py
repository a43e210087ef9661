"""A box is passed by evidence about this model, this data and this rollout alone."""

from pathlib import Path

import attrs
import pytest

import finetuner as ft
from finetuner.deployment.checklist import checklist, tick
from finetuner.deployment.observations import Observation
from finetuner.errors import UnknownNameError, UsageError
from finetuner.records.findings import Findings
from finetuner.records.journal import Journal

PHASES = ["Data ready", "Training complete", "Evaluation complete", "Deployment complete"]


def box(found: ft.Checklist, phase: str, start: str):
    return next(each for each in found.phase(phase).boxes if each.name.startswith(start))


def test_an_empty_journal_proves_nothing_and_says_what_would(tmp_path: Path) -> None:
    found = ft.checklist(tmp_path)
    assert [phase.name for phase in found.phases] == PHASES
    boxes = [each for phase in found.phases for each in phase.boxes]
    assert {each.passed for each in boxes} == {None}
    assert all(each.command.startswith("fine-tuner-cc ") for each in boxes)
    assert not found.complete
    assert "run: fine-tuner-cc validate" in str(found)


def test_a_story_passes_what_it_proves(story) -> None:
    found = ft.checklist(story.workspace)
    assert box(found, "training", "job succeeded").passed
    assert box(found, "training", "training loss").passed
    assert box(found, "evaluation", "better").passed
    assert box(found, "evaluation", "regression").passed is None
    assert "accuracy difference" in box(found, "evaluation", "better").evidence
    assert box(found, "deployment", "live").passed is None
    assert checklist(job=story.job) == found == checklist(rollout=story.rollout, job=story.job.id)


def test_evidence_about_other_data_passes_nothing_until_the_split_links_them(story) -> None:
    findings = Findings(Journal.open(story.workspace))
    findings.add("validation", "whole", passed=True, evidence={"errors": 0})
    assert box(ft.checklist(story.workspace), "data", "format").evidence == "validation of other data (whole, just now)"
    findings.add("split", "whole", passed=True, evidence={"train": story.train.fingerprint})
    linked = box(ft.checklist(story.workspace), "data", "format")
    assert (linked.passed, linked.evidence) == (True, "errors 0")
    findings.add("validation", story.train.fingerprint, passed=False, evidence={"errors": 3})
    assert box(ft.checklist(story.workspace), "data", "format").passed is False


def test_shadow_decision_and_monitoring_are_read_from_the_rollout(story, serve) -> None:
    assert box(ft.checklist(story.workspace), "deployment", "shadow").passed is None
    shadows = [Observation(kind="shadow", request_id=f"s{n}", at=float(n), served="tuned") for n in range(200)]
    serve(story.rollout, shadows)
    assert box(ft.checklist(story.workspace), "deployment", "shadow").passed
    failed = [Observation(kind="shadow", request_id=f"f{n}", at=float(n), error="TimeoutError") for n in range(10)]
    serve(story.rollout, failed)
    assert box(ft.checklist(story.workspace), "deployment", "shadow").passed is False
    story.rollout.decide()
    assert box(ft.checklist(story.workspace), "deployment", "live").passed is False
    ft.monitor(story.rollout).drift()
    assert box(ft.checklist(story.workspace), "deployment", "monitoring").passed


def test_people_tick_what_only_people_know(story) -> None:
    for kind in ("human-review", "approval", "rollback-plan", "notification"):
        tick(kind, "seen", person="ada", job=story.job)
    found = ft.checklist(story.workspace)
    for phase, start in (("data", "human"), ("evaluation", "outputs"), ("deployment", "roll"), ("deployment", "team")):
        assert box(found, phase, start).passed
        assert "ada" in box(found, phase, start).evidence


def test_a_person_cannot_tick_what_only_numbers_show(story, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="isn't for people"):
        tick("regression", "trust me", person="ada", job=story.job)
    with pytest.raises(UsageError, match="answers for it"):
        tick("approval", " ", person="ada", job=story.job)
    with pytest.raises(UsageError, match="no tuned model"):
        tick("approval", "fine", person="ada", workspace=tmp_path)


def test_care_follows_once_users_get_the_tuned_model_and_completes_nothing(story, tmp_path: Path) -> None:
    found = ft.checklist(story.workspace)
    assert [each.name for each in found.care] == ["Weekly care", "Monthly care"]
    assert found.phase("monthly") == found.care[1]
    assert str(found).endswith(str(found.care[1]))
    ft.monitor(story.rollout).recommendation()
    assert box(ft.checklist(story.workspace), "monthly", "retraining").evidence.startswith("train again: ")
    assert ft.checklist(tmp_path).care == ()
    assert attrs.evolve(found, phases=()).complete, "what is due again and again leaves the checkpoints complete"


def test_unknown_names_are_errors(story) -> None:
    with pytest.raises(UnknownNameError, match="Data ready"):
        ft.checklist(story.workspace).phase("nonsense")
    with pytest.raises(UnknownNameError, match="nobody"):
        ft.checklist(story.workspace, job="nobody")
    with pytest.raises(UnknownNameError, match="tickets"):
        ft.checklist(story.workspace, rollout="nothing")
