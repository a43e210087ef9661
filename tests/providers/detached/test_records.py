import attrs
import pytest

from finetuner.providers.detached.records import JobState, current_state, same_training
from finetuner.providers.ports import FAILED, PAUSED, RUNNING, TERMINAL, JobRequest

REQUEST = JobRequest(model="ngram-small", training_file="file-local-1")


def test_key_metadata_and_suffix_do_not_make_another_training():
    same = attrs.evolve(REQUEST, key="k", metadata={"a": "b"}, suffix="s", seed=0, hyperparameters={"epochs": "auto"})
    assert same_training(REQUEST, same)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"training_file": "x"}, {"model": "x"}, {"hyperparameters": {"epochs": 2}}]
)
def test_what_changes_the_weights_makes_another_training(change):
    assert not same_training(REQUEST, attrs.evolve(REQUEST, **change))


@pytest.mark.parametrize("status", sorted({*TERMINAL, PAUSED}))
def test_a_job_without_work_needs_no_process(status):
    """Ended and paused jobs don't become failed when their process is gone."""
    state = JobState(status=status)
    assert current_state(state, alive=False, epochs_done=0) == state


def test_a_dead_process_fails_its_job_and_a_living_one_does_not():
    state = JobState(status=RUNNING, updated_at=5.0)
    assert current_state(state, alive=True, epochs_done=2) == state
    dead = current_state(state, alive=False, epochs_done=2, last_words="Killed")
    assert (dead.status, dead.finished_at) == (FAILED, 5.0)
    assert "after epoch 2" in dead.failure.message
    assert "Killed" in dead.failure.message
