"""A card tells the whole chain, in words for people and in front matter for hubs, and says what is missing."""

import json
from datetime import date
from pathlib import Path

import pytest
import yaml

import finetuner as ft
from finetuner.deployment.card import card
from finetuner.errors import UnknownNameError, UsageError


def front(text: str) -> dict[str, object]:
    return yaml.safe_load(text.split("---\n")[1])


def test_it_links_data_job_checkpoint_evaluations_and_decisions(story) -> None:
    made = ft.card(story.job, license="apache-2.0")
    text = str(made)
    for fact in (
        story.train.fingerprint,
        story.test.fingerprint,
        story.job.id,
        "accuracy difference",
        "better",
        "lowest validation loss",
        "5% of units, approved by ada",
        story.rollout.audit[-1].hash[:12],
        "fine-tuner-cc rollout rollback tickets",
    ):
        assert fact in text, fact
    assert front(text)["license"] == "apache-2.0"
    assert front(text)["base_model"] == "ngram-small"
    assert front(text) == {name: value for name, value in made.metadata.items() if value}


def test_gaps_are_named_and_go_away(story) -> None:
    assert any("licence" in gap for gap in ft.card(story.job).gaps)
    assert [gap.partition(":")[0] for gap in ft.card(story.job, license="mit").gaps] == [
        "licence and redaction of the training data",
        "regression gate, see `fine-tuner-cc benchmark`",
    ]


def test_the_data_itself_tells_its_license_and_whether_it_was_redacted(story) -> None:
    (train, *_) = ft.card(story.job, data=story.train).lineage.data
    assert (train.redacted, train.steps) == (False, ())
    assert any("wasn't redacted" in gap for gap in ft.card(story.job, data=story.train).gaps)
    with pytest.raises(UsageError, match="other data"):
        ft.card(story.job, data=story.test)


def test_json_holds_the_same_and_an_id_serves_as_well(story, tmp_path: Path) -> None:
    made = card(story.job.id, workspace=story.workspace, on=date(2026, 11, 24))
    written = json.loads(made.write(tmp_path / "card.json").read_text("utf-8"))
    assert written["lineage"]["job"]["id"] == story.job.id
    assert written["lineage"]["rollouts"][0]["decisions"][0]["kind"] == "create"
    assert made.write(tmp_path / "README.md").read_text("utf-8") == str(made)


def test_text_from_elsewhere_is_no_markup(story) -> None:
    rollout = ft.Rollout.create("other", base=story.job.base, tuned=story.job.model, store=story.workspace)
    rollout.rollback("a | b\n# <script>alert(1)</script> [x](http://evil)")
    text = str(ft.card(story.job))
    assert "\n# <" not in text
    assert "<script>" not in text.replace("\\<script", "")
    assert "a \\| b" in text


def test_a_job_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        card("nonsense", workspace=tmp_path)


def test_the_hub_reads_the_front_matter_as_it_writes_it(story) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the hub's own reader isn't installed")
    read = hub.ModelCard(str(ft.card(story.job, license="mit"))).data
    assert (read.license, read.base_model, read.pipeline_tag) == ("mit", "ngram-small", "text-classification")
    results = {result.metric_type: result for result in read.eval_results}
    assert results["accuracy"].metric_value == pytest.approx(1.0)
    assert results["accuracy"].dataset_type == f"sha256-{story.test.fingerprint}"
    again = hub.ModelCardData(**{name: value for name, value in read.to_dict().items() if name != "model-index"})
    assert again.to_dict() == {name: value for name, value in read.to_dict().items() if name != "model-index"}
