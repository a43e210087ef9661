import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import BudgetExceededError, RateLimitError, UsageError
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.ports import Checkpoint
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.job import Job
from finetuner.training.search import LearningCurve, Trial, learning_curve, search

LABELS = ("card", "login", "refund", "limit")
WORDS = ("lost", "broken", "slow", "new", "old", "odd", "late", "blue")


def examples(n, start=0):
    return Dataset.from_examples(
        [
            Example(messages=(user(f"my {LABELS[k % 4]} is {WORDS[k // 4 % 8]}, case {k}"), assistant(LABELS[k % 4])))
            for k in range(start, start + n)
        ]
    )


def scripted(**script):
    entry = BaseModel(id="scripted:m", methods=("supervised",), prices=Prices(training=10.0))
    saved = (Checkpoint(id="c", model="m:c", step=5, metrics={"valid_loss": 0.5, "valid_accuracy": 0.9}),)
    return ScriptedProvider(catalog=Catalog(provider="scripted", models=(entry,)), checkpoints=saved, **script)


def searched(provider, tmp_path, grid, **options):
    return search(
        examples(20),
        validation=examples(8, start=100),
        provider=provider,
        model="m",
        grid=grid,
        workspace=tmp_path,
        clock=FakeClock(),
        **options,
    )


def test_more_epochs_win_on_validation_and_really_train(tmp_path):
    found = search(
        examples(80),
        validation=examples(40, start=100),
        provider="local",
        model="ngram-small",
        grid={"epochs": [1, 8], "seed": [1]},
        workspace=tmp_path,
    )
    assert found.best.settings == {"epochs": 8, "seed": 1}
    assert found.trials[0].loss < found.trials[1].loss
    assert found.best.job.model.complete("my login is slow").text == "login"
    assert str(found).splitlines()[0].startswith("epochs 8, seed 1: validation loss ")
    assert found.usd == 0.0


def test_each_combination_is_one_job_and_a_search_that_is_run_again_pays_nothing(tmp_path):
    provider = scripted()
    grid = {"epochs": [1, 2], "beta": [0.1, 0.2]}
    first, second = searched(provider, tmp_path, grid), searched(provider, tmp_path, grid)
    assert len(provider.trainer.requests) == 4
    assert {trial.job.id for trial in first.trials} == {trial.job.id for trial in second.trials}
    assert {"epochs": 2, "beta": 0.1} in [dict(request.hyperparameters) for request in provider.trainer.requests]


def test_a_budget_holds_for_all_trials_together(tmp_path):
    provider = scripted()
    one = 10.0 * examples(20).tokens("m").total / 1e6
    with pytest.raises(BudgetExceededError, match="2 trials would cost"):
        searched(provider, tmp_path, {"epochs": [1, 2]}, max_usd=2.5 * one)
    assert provider.files.contents == {}
    assert searched(provider, tmp_path, {"epochs": [1, 2]}, max_usd=3.5 * one).usd == pytest.approx(3 * one)


def test_a_quota_below_the_wish_is_lived_with(tmp_path):
    full = RateLimitError("2 of 2 jobs are running", retryable=False)
    provider = scripted(failures={"create": [None, full]})
    assert len(searched(provider, tmp_path, {"epochs": [1, 2, 3]}, parallel=3).trials) == 3
    with pytest.raises(RateLimitError):
        searched(scripted(failures={"create": [full]}), tmp_path / "other", {"epochs": [1]})


def test_a_failed_trial_comes_last_with_its_reason(tmp_path):
    found = searched(scripted(statuses=["running", "failed"]), tmp_path, {"epochs": [1]})
    assert found.best is None
    assert "failed: the script says so" in str(found)


@pytest.mark.parametrize(("grid", "parallel"), [({}, 2), ({"epochs": list(range(1, 102))}, 2), ({"epochs": [1]}, 0)])
def test_searches_that_cannot_be_are_refused(tmp_path, grid, parallel):
    with pytest.raises(UsageError, match="1 to 100 trials"):
        searched(scripted(), tmp_path, grid, parallel=parallel)


def test_a_learning_curve_trains_on_growing_parts(tmp_path):
    found = learning_curve(
        examples(120),
        validation=examples(40, start=200),
        provider="local",
        model="ngram-small",
        shares=(0.1, 0.5, 1.0),
        epochs=4,
        workspace=tmp_path,
    )
    assert [trial.settings["examples"] for trial in found.trials] == [12, 60, 120]
    losses = [trial.loss for trial in found.trials]
    assert losses[0] > losses[-1]
    assert found.more_data_helps in (True, False)


@pytest.mark.parametrize(
    ("losses", "helps", "words"),
    [((0.9, 0.6, 0.4), True, "would help"), ((0.9, 0.5, 0.499), False, "help little"), ((0.9,), None, "too few")],
)
def test_whether_more_data_would_help_is_said_in_words(tmp_path, losses, helps, words):
    job = Job.create(examples(20), provider=scripted(), model="m", workspace=tmp_path)
    curve = LearningCurve(trials=tuple(Trial(settings={"examples": n}, job=job, loss=x) for n, x in enumerate(losses)))
    assert curve.more_data_helps is helps
    assert words in str(curve)


def test_shares_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UsageError, match="above 0"):
        learning_curve(
            examples(20), validation=examples(8), provider=scripted(), model="m", shares=(0.0,), workspace=tmp_path
        )
