import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import JobNotReadyError
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.ports import Checkpoint, JobEvent, JobSnapshot
from finetuner.records.journal import Journal
from finetuner.testing import ScriptedProvider
from finetuner.training.creation import located
from finetuner.training.view import JobView

DATA = Dataset.from_examples([Example(messages=(user(f"question {n}"), assistant("ab"[n % 2]))) for n in range(20)])


def view(tmp_path, *, price=None, fingerprint=None, status="running", **snapshot):
    entry = BaseModel(id="scripted:m", prices=Prices(training=price))
    steps = [JobEvent(id=str(n), created_at=n, message="", metrics={"step": n, "total_steps": 4}) for n in (1, 2)]
    saved = (Checkpoint(id="c", model="m:c", step=2, metrics={"valid_loss": 0.5}),)
    provider = ScriptedProvider(
        catalog=Catalog(provider="scripted", models=(entry,)), events=steps, checkpoints=saved, statuses=[status]
    )
    from finetuner.providers.ports import JobRequest

    job = provider.trainer.create(JobRequest(model="m", training_file="f", key="k"))
    journal = Journal.open(tmp_path)
    located(DATA, provider, journal)  # leaves a copy in the workspace
    known = JobSnapshot(id=job.id, model="m", status=status, created_at=0.0, **snapshot)
    return JobView(
        provider="scripted", snapshot=known, training_fingerprint=fingerprint, connection=provider, journal=journal
    )


def test_a_job_names_its_models_and_a_missing_one_says_what_to_do(tmp_path):
    job = view(tmp_path, tuned_model="ft:m")
    assert (str(job.base), str(job.model)) == ("scripted:m", "scripted:ft:m")
    with pytest.raises(JobNotReadyError, match=r"wait\(\) first"):
        view(tmp_path).model  # noqa: B018  # asking for it is the test


def test_the_best_checkpoint_is_a_model_that_answers(tmp_path):
    best = view(tmp_path).best_checkpoint()
    assert best.model.complete("anything").text == "ok"


def test_checkpoints_complete_the_curve(tmp_path):
    assert view(tmp_path).curve().values("valid_loss") == ((2, 0.5),)


@pytest.mark.parametrize(
    ("known", "cost"),
    [
        ({"price": None}, None),
        ({"price": 0.0}, 0.0),
        ({"price": 10.0}, None),
        ({"price": 10.0, "trained_tokens": 1_000_000}, 5.0),
        ({"price": 10.0, "fingerprint": DATA.fingerprint, "hyperparameters": {"epochs": 2}}, "estimated"),
    ],
)
def test_the_cost_so_far_is_told_where_price_and_tokens_are_known(tmp_path, known, cost):
    found = view(tmp_path, **known).progress().usd
    expected = DATA.tokens("m").total * 10.0 / 1e6 if cost == "estimated" else cost
    assert found == (expected if expected is None else pytest.approx(expected))
