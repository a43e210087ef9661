import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.catalog import Limits
from finetuner.providers.local import mapping
from finetuner.providers.local.mapping import Hyperparameters, JobRecord, JobState
from finetuner.providers.ports import FAILED, PAUSED, RUNNING, TERMINAL, JobRequest

REQUEST = JobRequest(model="ngram-small", training_file="file-local-1")


def record(**changes) -> JobRecord:
    request = attrs.evolve(REQUEST, **changes)
    return JobRecord(id=mapping.job_id("k"), created_at=1.0, request=request, seed=0, size={}, limits=Limits())


@given(st.text(min_size=1))
def test_a_key_always_means_the_same_job(key):
    assert mapping.job_id(key) == mapping.job_id(key)
    assert mapping.job_id(key) != mapping.job_id(key + "x")


def test_without_a_key_every_job_is_new():
    assert mapping.job_id("") != mapping.job_id("")


@given(st.text(max_size=64), st.none() | st.integers(0, 10**9))
def test_a_tuned_models_name_leads_back_to_its_job(suffix, step):
    """Whatever the suffix, so that a name alone is enough to find the weights."""
    job = record(suffix=suffix)
    assert mapping.job_of_model(mapping.tuned_model(job, step)) == (job.id, step)


@pytest.mark.parametrize("model", ["ngram-small", "ft:gpt:acme::0123456789ab", "ft:a:local::../../x", "ft:a:local:b"])
def test_other_names_lead_to_no_job(model):
    assert mapping.job_of_model(model) is None


def test_auto_and_none_leave_the_choice_to_the_data():
    given_ = Hyperparameters.parse({"epochs": "auto", "batch_size": None})
    assert given_ == Hyperparameters()
    chosen = given_.resolved(10_000)
    assert (chosen.epochs, chosen.batch_size, chosen.learning_rate_multiplier) == (8, 32, 1.0)


def test_key_metadata_and_suffix_do_not_make_another_training():
    same = attrs.evolve(REQUEST, key="k", metadata={"a": "b"}, suffix="s", seed=0, hyperparameters={"epochs": "auto"})
    assert mapping.same_training(REQUEST, same)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"training_file": "x"}, {"model": "x"}, {"hyperparameters": {"epochs": 2}}]
)
def test_what_changes_the_weights_makes_another_training(change):
    assert not mapping.same_training(REQUEST, attrs.evolve(REQUEST, **change))


@pytest.mark.parametrize("status", sorted({*TERMINAL, PAUSED}))
def test_a_job_without_work_needs_no_process(status):
    """Ended and paused jobs don't become failed when their process is gone."""
    state = JobState(status=status)
    assert mapping.current_state(state, alive=False, epochs_done=0) == state


def test_a_dead_process_fails_its_job_and_a_living_one_does_not():
    state = JobState(status=RUNNING, updated_at=5.0)
    assert mapping.current_state(state, alive=True, epochs_done=2) == state
    dead = mapping.current_state(state, alive=False, epochs_done=2, last_words="Killed")
    assert (dead.status, dead.finished_at) == (FAILED, 5.0)
    assert "after epoch 2" in dead.failure.message
    assert "Killed" in dead.failure.message
