"""The emulated Vertex AI as a plain HTTP client sees it: as strict as the real one, in both versions."""

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest

from finetuner.emulator import Emulator

BASE = "gemini-3.5-flash"
PARENT = "projects/acme/locations/us-central1"
DATA = "gs://data/train.jsonl"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with Emulator(workspace=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="module")
def ask(emulator):
    def asked(method, path, value=None):
        connection = http.client.HTTPConnection(urlsplit(emulator.address).netloc, timeout=10)
        try:
            connection.request(method, path, None if value is None else json.dumps(value), {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return asked


@pytest.fixture(scope="module", autouse=True)
def _data(emulator):
    line = {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}
    connection = http.client.HTTPConnection(urlsplit(emulator.address).netloc, timeout=10)
    body = (json.dumps(line) + "\n") * 10
    connection.request("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=train.jsonl", body)
    assert connection.getresponse().status == 200
    connection.close()


def spec(**changes):
    return {"baseModel": BASE, "supervisedTuningSpec": {"trainingDatasetUri": DATA}, **changes}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize(
    "numbers",
    [
        {"epochCount": "2", "adapterSize": 2},
        {"epochCount": 2, "adapterSize": "ADAPTER_SIZE_FOUR"},
        {"epoch_count": 2, "adapter_size": 2},
    ],
    ids=["as the stable client", "as google-genai", "in snake case"],
)
def test_numbers_and_enumerations_in_every_form(ask, version, numbers):
    body = spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "hyperParameters": numbers})
    status, job = ask("POST", f"/{version}/{PARENT}/tuningJobs", body)
    assert (status, job["state"]) == (200, "JOB_STATE_PENDING")
    assert job["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": "2", "adapterSize": "ADAPTER_SIZE_FOUR"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (spec(color="red"), "Unknown name \"color\" at 'tuning_job': Cannot find field."),
        (
            spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "batchSize": 3}),
            "Unknown name \"batchSize\" at 'tuning_job.supervised_tuning_spec'",
        ),
        (spec(baseModel=3), "Invalid value at 'tuning_job.base_model'"),
        (spec(tunedModelDisplayName="x" * 129), "at most 128"),
        (spec(labels={"a": "B"}), "not a valid label"),
        (spec(labels=[1]), "Invalid value"),
        (spec(supervisedTuningSpec={}), "training_dataset_uri is required"),
        (spec(supervisedTuningSpec={"trainingDatasetUri": "/tmp/x"}), "must be a Cloud Storage URI"),
        (spec(supervisedTuningSpec={"trainingDatasetUri": "gs://data/none"}), "Failed to read"),
        (
            spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "hyperParameters": {"epochCount": "x"}}),
            "Invalid value",
        ),
        (spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "hyperParameters": {"epochCount": 0}}), "positive"),
        (
            spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "hyperParameters": {"learningRateMultiplier": -1}}),
            "positive",
        ),
        (
            spec(supervisedTuningSpec={"trainingDatasetUri": DATA, "hyperParameters": {"adapterSize": 9}}),
            "Invalid value",
        ),
        ({"supervisedTuningSpec": {"trainingDatasetUri": DATA}}, "base_model and pre_tuned_model"),
        ({"baseModel": BASE}, "Exactly one tuning spec"),
    ],
)
def test_bodies_that_are_wrong_are_refused_with_their_field(ask, body, message):
    status, answer = ask("POST", f"/v1/{PARENT}/tuningJobs", body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in answer["error"]["message"]


def test_the_stable_version_knows_no_preference_tuning(ask):
    body = {"baseModel": BASE, "preferenceOptimizationSpec": {"trainingDatasetUri": DATA}}
    status, answer = ask("POST", f"/v1/{PARENT}/tuningJobs", body)
    assert status == 400
    assert 'Unknown name "preferenceOptimizationSpec"' in answer["error"]["message"]


def test_unknown_things_are_not_found(ask):
    for method, path in (
        ("GET", f"/v1/{PARENT}/tuningJobs/1"),
        ("GET", f"/v1/{PARENT}/tuningJobs/x"),
        ("POST", f"/v1/{PARENT}/tuningJobs/1:cancel"),
        ("POST", f"/v1/{PARENT}/endpoints/1:generateContent"),
        ("POST", f"/v1/{PARENT}/publishers/google/models/none:generateContent"),
        ("POST", f"/v1/{PARENT}/nothing"),
    ):
        question = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        status, answer = ask(method, path, question if method == "POST" else None)
        assert (status, answer["error"]["status"]) == (404, "NOT_FOUND"), path


def test_an_unknown_base_model_is_not_found(ask):
    status, answer = ask("POST", f"/v1/{PARENT}/tuningJobs", spec(baseModel="gemini-none"))
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")


def test_lists_are_filtered_and_paged(ask):
    place = "/v1/projects/acme/locations/europe-west4/tuningJobs"
    for n in range(3):
        ask("POST", place, spec(labels={"n": str(n)}))
    _, found = ask("GET", f"{place}?filter=labels.n%3D%221%22")
    assert [job["labels"]["n"] for job in found["tuningJobs"]] == ["1"]
    _, first = ask("GET", f"{place}?pageSize=2")
    _, second = ask("GET", f"{place}?pageSize=2&pageToken={first['nextPageToken']}")
    labels = [job["labels"]["n"] for job in first["tuningJobs"] + second["tuningJobs"]]
    assert labels == ["2", "1", "0"]
    assert "nextPageToken" not in second
    assert ask("GET", f"{place}?filter=color%3Dred")[0] == 400
    assert ask("GET", f"{place}?pageToken=x")[0] == 400


def test_an_ended_job_cannot_be_cancelled(ask):
    _, job = ask("POST", f"/v1/{PARENT}/tuningJobs", spec())
    deadline = time.monotonic() + 60
    while ask("GET", f"/v1/{job['name']}")[1]["state"] != "JOB_STATE_SUCCEEDED":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    status, answer = ask("POST", f"/v1/{job['name']}:cancel", {})
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "contents is required"),
        ({"contents": [], "x": 1}, 'Unknown name "x"'),
        ({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}, "OpenAI's word"),
        ({"contents": [{"role": "user", "parts": []}], "generationConfig": {"temperature": 3}}, "range [0.0, 2.0]"),
        ({"contents": [{"role": "user", "parts": []}], "generationConfig": {"heat": 3}}, 'Unknown name "heat"'),
    ],
)
def test_questions_that_are_wrong_are_refused(ask, body, message):
    path = f"/v1/{PARENT}/publishers/google/models/{BASE}:generateContent"
    status, answer = ask("POST", path, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer["error"]["message"]


def test_a_stream_is_a_list_without_alt_sse(ask):
    """The generated clients read a JSON list, google-genai server-sent events."""
    question = {
        "systemInstruction": {"role": "user", "parts": [{"text": "Answer with one of: yes, no."}]},
        "contents": [{"role": "user", "parts": [{"text": "yes or no?"}]}],
    }
    path = f"/v1/{PARENT}/publishers/google/models/{BASE}:streamGenerateContent"
    status, pieces = ask("POST", path, question)
    assert status == 200
    assert pieces[-1]["candidates"][0]["finishReason"] == "STOP"


def test_jobs_outlive_the_emulator(tmp_path):
    def request(emulator, method, path, body=None):
        connection = http.client.HTTPConnection(urlsplit(emulator.address).netloc, timeout=10)
        connection.request(method, path, body)
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    line = {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}
    body = (json.dumps(line) + "\n") * 10
    with Emulator(workspace=tmp_path) as first:
        request(first, "POST", "/upload/storage/v1/b/data/o?uploadType=media&name=train.jsonl", body)
        name = request(first, "POST", f"/v1/{PARENT}/tuningJobs", json.dumps(spec()))["name"]
    with Emulator(workspace=tmp_path) as second:
        assert request(second, "GET", f"/v1/{name}")["name"] == name
        assert request(second, "GET", "/storage/v1/b/data/o")["items"][0]["name"] == "train.jsonl"
