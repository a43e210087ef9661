from finetuner.providers.vertex import history

NAME = "projects/acme/locations/us-central1/tuningJobs/1"
ENDPOINT = "projects/acme/locations/us-central1/endpoints/7"
RAW = {
    "name": NAME,
    "baseModel": "gemini-x",
    "state": "JOB_STATE_RUNNING",
    "createTime": "1970-01-01T00:00:10Z",
    "startTime": "1970-01-01T00:00:20Z",
    "updateTime": "1970-01-01T00:00:30Z",
    "experiment": "projects/acme/locations/us-central1/metadataStores/default/contexts/e",
    "tuningDataStats": {
        "supervisedTuningDataStats": {
            "tuningDatasetExampleCount": "10",
            "totalBillableTokenCount": "1000",
            "totalTruncatedExampleCount": "3",
            "truncatedExampleIndices": ["4"],
            "droppedExampleReasons": ["too long"],
        }
    },
    "tunedModel": {"checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "5", "endpoint": ENDPOINT}]},
}


def test_events_are_oldest_first_and_keep_their_ids():
    events = history.events(RAW)
    times = [event.created_at for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events)
    later = history.events({**RAW, "updateTime": "1970-01-01T00:01:00Z"})
    assert [event.id for event in later] == [event.id for event in events]


def test_a_checkpoint_tells_its_step_and_epoch():
    (checkpoint,) = [event for event in history.events(RAW) if event.metrics]
    assert checkpoint.metrics == {"step": 5.0, "epoch": 1.0}
    assert ENDPOINT in checkpoint.message


def test_rows_that_were_left_out_are_warnings_named_and_counted():
    named, counted = history.findings(RAW)
    assert (named.severity, named.code) == ("warning", "row_dropped")
    assert named.message == "Vertex AI left out training row 4: too long"
    assert counted.message == "Vertex AI left out 2 more training rows without naming them"
    assert counted.fix
    levels = [event.level for event in history.events(RAW)]
    assert levels.count("warn") == 2


def test_a_failed_jobs_reason_is_an_error_and_a_partial_ones_a_warning():
    error = {"code": 3, "message": "dataset invalid"}
    for state, level in (("JOB_STATE_FAILED", "error"), ("JOB_STATE_PARTIALLY_SUCCEEDED", "warn")):
        (event,) = [
            each for each in history.events({**RAW, "state": state, "error": error}) if each.id.endswith("#error")
        ]
        assert (event.level, event.message) == (level, "dataset invalid")


def test_a_new_job_has_events_too():
    first, last = history.events({"name": NAME, "state": "JOB_STATE_PENDING", "createTime": "1970-01-01T00:00:10Z"})
    assert (first.message, last.message) == ("Job created on ", "Job is queued (JOB_STATE_PENDING)")
