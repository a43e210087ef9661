"""Jobs as Vertex AI writes them, in both of its ways to write numbers, become snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.ports import TERMINAL
from finetuner.providers.vertex import mapping

NAME = "projects/acme/locations/us-central1/tuningJobs/123"
ENDPOINT = "projects/acme/locations/us-central1/endpoints"
DONE = {
    "name": NAME,
    "tunedModelDisplayName": "tickets",
    "baseModel": "gemini-x",
    "state": "JOB_STATE_SUCCEEDED",
    "createTime": "2026-11-22T00:00:00Z",
    "updateTime": "2026-11-22T01:00:00Z",
    "labels": {"finetuner_key": "k1"},
    "supervisedTuningSpec": {
        "trainingDatasetUri": "gs://b/t.jsonl",
        "hyperParameters": {"epochCount": "2", "adapterSize": "ADAPTER_SIZE_FOUR", "learningRateMultiplier": 0.5},
    },
    "tunedModel": {
        "model": "projects/acme/locations/us-central1/models/9@1",
        "endpoint": f"{ENDPOINT}/77",
        "checkpoints": [
            {"checkpointId": "2", "epoch": "2", "step": "20", "endpoint": f"{ENDPOINT}/77"},
            {"checkpointId": "1", "epoch": "1", "step": "10", "endpoint": f"{ENDPOINT}/75"},
            {"checkpointId": "3", "epoch": "3", "step": "30"},
        ],
    },
    "tuningDataStats": {
        "supervisedTuningDataStats": {
            "tuningDatasetExampleCount": "100",
            "totalBillableTokenCount": "5000",
            "tuningStepCount": "20",
            "totalTruncatedExampleCount": "5",
            "truncatedExampleIndices": ["3"],
            "droppedExampleReasons": ["too long"],
        }
    },
}


def test_a_finished_job():
    job = mapping.job(DONE)
    assert (job.id, job.model, job.status, job.key, job.suffix) == (NAME, "gemini-x", "succeeded", "k1", "tickets")
    assert job.finished_at - job.created_at == 3600.0
    assert job.hyperparameters == {"epochs": 2, "adapter_size": 4, "learning_rate_multiplier": 0.5}
    assert (job.step, job.total_steps, job.epoch) == (20, 20, 2)
    assert job.trained_tokens == 10_000  # those in the file, in each of two epochs
    assert job.failure is None


def test_checkpoints_come_by_step_and_only_with_an_endpoint():
    assert [(each.id, each.step, each.epoch) for each in mapping.checkpoints(DONE)] == [("1", 10, 1), ("2", 20, 2)]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ({"state": 1}, "queued"),
        ({"state": "JOB_STATE_PENDING"}, "queued"),
        ({"state": 3}, "running"),
        ({"state": "JOB_STATE_RUNNING", "tuningJobState": "TUNING_JOB_STATE_WAITING_FOR_QUOTA"}, "waiting_for_quota"),
        ({"state": 3, "tuningJobState": "TUNING_JOB_STATE_WAITING_FOR_CAPACITY"}, "waiting_for_capacity"),
        ({"state": 3, "tuningJobState": "TUNING_JOB_STATE_PROCESSING_DATASET"}, "validating"),
        ({"state": 3, "tuningJobState": "TUNING_JOB_STATE_POST_PROCESSING"}, "running"),
        ({"state": 3, "tuningJobState": "TUNING_JOB_STATE_SOMETHING"}, "something"),
        ({"state": 4, "tuningJobState": "TUNING_JOB_STATE_TUNING"}, "succeeded"),
        ({"state": 5}, "failed"),
        ({"state": 6}, "cancelling"),
        ({"state": 7}, "cancelled"),
        ({"state": 8}, "paused"),
        ({"state": 9}, "failed"),
        ({"state": 10}, "updating"),
        ({"state": 11}, "succeeded"),
        ({"state": 99}, "99"),
        ({}, "unspecified"),
    ],
)
def test_states_by_name_and_number(raw, status):
    assert mapping.job({"name": NAME, **raw}).status == status


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1))
def test_a_state_that_nobody_knows_has_not_ended(word):
    known = {"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED"}
    status = mapping.job({"name": NAME, "state": f"JOB_STATE_{word}"}).status
    assert (status in TERMINAL) == (word in known)


def test_a_failure_has_googles_code_and_words():
    failed = {"name": NAME, "state": 5, "error": {"code": 3, "message": "dataset invalid"}}
    failure = mapping.job(failed).failure
    assert (failure.code, failure.message) == ("INVALID_ARGUMENT", "dataset invalid")
    expired = mapping.job({"name": NAME, "state": "JOB_STATE_EXPIRED"}).failure
    assert (expired.code, expired.message) == ("EXPIRED", "the job expired before it ended; create it again")
    assert mapping.job({"name": NAME, "state": 5}).failure.message == "Vertex AI gives no reason"
    assert mapping.job({"name": NAME, "state": 11, "error": {"code": 8, "message": "some"}}).failure is None


def test_a_job_without_a_name_is_no_job():
    with pytest.raises(UnexpectedAnswerError, match="no name"):
        mapping.job({"state": 3})


def test_methods_are_told_by_specification_or_label():
    assert mapping.method({"preferenceOptimizationSpec": {}}) == "preference"
    assert mapping.method({"labels": {"finetuner_method": "preference"}}) == "preference"
    assert mapping.method({"encryptionSpec": {"kmsKeyName": "k"}, "distillationSpec": {"a": 1}}) == "distillation"
    assert mapping.method({}) == "supervised"


def test_dropped_rows_with_and_without_reasons():
    assert mapping.dropped(DONE) == (5, ((3, "too long"),))
    preference = {"droppedExampleIndices": [1, "2"], "droppedExampleReasons": ["blank"]}
    raw = {"tuningDataStats": {"preferenceOptimizationDataStats": preference}}
    assert mapping.dropped(raw) == (2, ((1, "blank"), (2, "")))
    assert mapping.dropped({}) == (0, ())
