import pytest

import finetuner as ft
from finetuner.data.examples import Example, assistant, user
from finetuner.records.journal import Journal
from finetuner.web import dashboard

LABELS = ("refund", "card")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a job that really trained and a rollout of its model."""
    folder = tmp_path_factory.mktemp("workspace")
    examples = [
        Example(
            messages=(user(f"{number} my {LABELS[number % 2]} please <b>{number}</b>"), assistant(LABELS[number % 2]))
        )
        for number in range(24)
    ]
    data = ft.Dataset.from_examples(examples)
    job = ft.Job.create(
        data, validation=data, provider="local", model="ngram-small", epochs=2, seed=0, workspace=folder
    ).wait()
    rollout = ft.Rollout.create("tickets", base=str(job.base), tuned=str(job.model), store=folder)
    rollout.shadow(0.2)
    return folder, job


@pytest.fixture
def client(workspace, browse):
    return browse(dashboard.routes(Journal.open(workspace[0])))


def test_the_overview_shows_jobs_and_rollouts_and_links_to_them(client, workspace):
    text = client.get("/").text
    job = workspace[1]
    assert f'href="/jobs/{job.id}"' in text
    assert 'href="/rollouts/tickets"' in text
    assert "succeeded" in text


def test_a_jobs_page_draws_its_losses_and_names_the_best_checkpoint(client, workspace):
    text = client.get(f"/jobs/{workspace[1].id}").text
    assert "<svg" in text
    assert "Verdict: " in text
    assert "validation loss" in text


def test_a_rollouts_page_shows_the_state_the_decision_and_the_audit(client):
    text = client.get("/rollouts/tickets").text
    assert "shadow rate 20%" in text
    assert "more tuned units" in text or "HOLD" in text
    assert "created" in text


def test_what_nobody_knows_is_not_found(client):
    answer = client.get("/rollouts/unknown")
    assert answer.status_code == 404
    assert "unknown" in answer.text
