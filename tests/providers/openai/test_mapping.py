import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.openai import mapping
from finetuner.providers.ports import FAILED, SUCCEEDED, TERMINAL, VALIDATING

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
JOB_FIELDS = ("status", "error", "method", "hyperparameters", "metadata", "created_at", "seed", "trained_tokens")


def test_a_healthy_jobs_empty_error_is_no_failure():
    for error in ({}, None, {"code": None, "message": None, "param": None}):
        assert mapping.job({"id": "ftjob-1", "status": "running", "error": error}).failure is None


def test_a_failed_job_always_has_a_failure():
    job = mapping.job({"id": "ftjob-1", "status": "failed", "error": {}})
    assert job.status == FAILED
    assert job.failure is not None


def test_an_unknown_status_is_shown_and_has_not_ended():
    job = mapping.job({"id": "ftjob-1", "status": "pausing"})
    assert (job.status, job.raw_status, job.ended) == ("pausing", "pausing", False)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("validating_files", VALIDATING), ("succeeded", SUCCEEDED), ("canceled", "cancelled")]
)
def test_known_statuses_get_our_words(theirs, ours):
    assert mapping.job({"id": "ftjob-1", "status": theirs}).status == ours


def test_hyperparameters_of_the_method_win_over_the_legacy_ones():
    raw = {
        "id": "ftjob-1",
        "status": "running",
        "hyperparameters": {"n_epochs": 1},
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 3, "beta": 0.1}}},
    }
    job = mapping.job(raw)
    assert job.method == "dpo"
    assert job.hyperparameters == {"epochs": 3, "beta": 0.1}


def test_validation_over_the_whole_file_is_preferred():
    raw = {
        "step": 8,
        "train_mean_token_accuracy": 0.9,
        "valid_loss": 1.0,
        "full_valid_loss": 0.5,
        "valid_mean_token_accuracy": 0.1,
        "full_valid_mean_token_accuracy": 0.8,
        "scores": {"a": 1},
        "train_loss": float("nan"),
    }
    assert mapping.metrics(raw) == {"step": 8.0, "train_accuracy": 0.9, "valid_loss": 0.5, "valid_accuracy": 0.8}


def test_events_of_one_second_keep_their_order():
    newest_first = [{"id": f"e{n}", "created_at": 1, "message": str(n)} for n in (3, 2, 1)]
    assert [event.id for event in mapping.events(newest_first)] == ["e1", "e2", "e3"]


def test_an_answer_without_id_is_unexpected():
    with pytest.raises(UnexpectedAnswerError):
        mapping.job({"status": "running"})


@given(st.dictionaries(st.sampled_from(JOB_FIELDS), ANY_JSON))
def test_whatever_the_fields_hold_a_job_is_read(fields):
    """Only the three terminal statuses end a job."""
    job = mapping.job({**fields, "id": "ftjob-1"})
    assert job.ended == (job.status in TERMINAL)


@given(st.dictionaries(st.sampled_from(["epochs", "batch_size", "beta"]), st.integers() | st.just("auto")))
def test_hyperparameters_survive_the_way_there_and_back(ours):
    theirs = mapping.hyperparameters_to(ours)
    job = mapping.job({"id": "j", "method": {"type": "supervised", "supervised": {"hyperparameters": theirs}}})
    assert job.hyperparameters == ours
    assert "epochs" not in theirs
