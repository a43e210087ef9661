"""Google's clients as users' own programs hold them, against the emulator: no part of ours between."""

import json
import time
import warnings

import pytest
from google import genai
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1, storage
from google.genai import types
from google.oauth2.credentials import Credentials

BASE = "gemini-3.5-flash"
PARENT = "projects/acme/locations/us-central1"


@pytest.fixture
def bucket(shared_emulator):
    shared_emulator.faults.clear()
    client = storage.Client(
        project="acme",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": shared_emulator.address},
    )
    yield client.create_bucket("acme-own")
    client.close()


@pytest.fixture
def data(bucket):
    contents = [{"role": "user", "parts": [{"text": "refund"}]}, {"role": "model", "parts": [{"text": "billing desk"}]}]
    bucket.blob("train.jsonl").upload_from_string((json.dumps({"contents": contents}) + "\n") * 12)
    return "gs://acme-own/train.jsonl"


@pytest.fixture
def gen(shared_emulator):
    options = types.HttpOptions(base_url=shared_emulator.address, timeout=10_000)
    client = genai.Client(
        vertexai=True,
        project="acme",
        location="us-central1",
        credentials=Credentials(token="any"),
        http_options=options,
    )
    yield client
    client.close()


def generated(shared_emulator, kind):
    return kind(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=shared_emulator.address),
    )


def until(look, ended):
    deadline = time.monotonic() + 60
    while not ended(job := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


def test_cloud_storages_client(bucket):
    blob = bucket.blob("folder/a b.txt")
    blob.upload_from_string(b"0123456789", content_type="text/plain")
    with blob.open("rb") as file:
        assert file.read() == b"0123456789"
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert bucket.get_blob("folder/a b.txt").content_type == "text/plain"
    assert bucket.get_blob("none") is None
    assert [each.name for each in bucket.list_blobs(prefix="folder/")] == ["folder/a b.txt"]
    with bucket.blob("written.txt").open("w") as file:
        file.write("line\n" * 3)
    assert bucket.blob("written.txt").download_as_text() == "line\n" * 3
    assert bucket.blob("written.txt").exists()
    blob.delete()
    assert not blob.exists()


def test_the_generated_clients(shared_emulator, data):
    tuning = generated(shared_emulator, aiplatform_v1.GenAiTuningServiceClient)
    spec = aiplatform_v1.SupervisedTuningSpec(
        training_dataset_uri=data,
        hyper_parameters=aiplatform_v1.SupervisedHyperParameters(epoch_count=2, adapter_size="ADAPTER_SIZE_FOUR"),
    )
    wanted = aiplatform_v1.TuningJob(base_model=BASE, supervised_tuning_spec=spec, labels={"a": "b"})
    name = tuning.create_tuning_job(parent=PARENT, tuning_job=wanted).name
    job = until(
        lambda: tuning.get_tuning_job(name=name), lambda job: job.state == aiplatform_v1.JobState.JOB_STATE_SUCCEEDED
    )
    assert job.supervised_tuning_spec.hyper_parameters.epoch_count == 2
    assert job.tuning_data_stats.supervised_tuning_data_stats.tuning_dataset_example_count == 12
    assert name in [each.name for each in tuning.list_tuning_jobs(parent=PARENT)]
    prediction = generated(shared_emulator, aiplatform_v1.PredictionServiceClient)
    question = aiplatform_v1.Content(role="user", parts=[aiplatform_v1.Part(text="refund")])
    asked = aiplatform_v1.GenerateContentRequest(model=job.tuned_model.endpoint, contents=[question])
    answer = prediction.generate_content(request=asked)
    assert answer.candidates[0].content.parts[0].text == "billing desk"
    pieces = list(prediction.stream_generate_content(request=asked))
    assert "".join(part.text for piece in pieces for part in piece.candidates[0].content.parts) == "billing desk"


@pytest.mark.parametrize("method", ["SUPERVISED_FINE_TUNING", "PREFERENCE_TUNING"])
def test_google_genai(gen, data, bucket, method):
    if method == "PREFERENCE_TUNING":
        answers = [
            {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}
            for score, text in ((1, "billing desk"), (0, "no"))
        ]
        pair = {"contents": [{"role": "user", "parts": [{"text": "refund"}]}], "completions": answers}
        bucket.blob("pairs.jsonl").upload_from_string((json.dumps(pair) + "\n") * 12)
        data = "gs://acme-own/pairs.jsonl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK says that its tuning is experimental
        config = types.CreateTuningJobConfig(method=method, epoch_count=2, adapter_size="ADAPTER_SIZE_ONE")
        job = gen.tunings.tune(base_model=BASE, training_dataset=types.TuningDataset(gcs_uri=data), config=config)
        job = until(lambda: gen.tunings.get(name=job.name), lambda job: job.has_ended)
        assert job.has_succeeded
        assert job.name in [each.name for each in gen.tunings.list()]
    answer = gen.models.generate_content(model=job.tuned_model.endpoint, contents="refund")
    assert answer.text == "billing desk"
    assert answer.usage_metadata.total_token_count > 0
    pieces = [
        piece.text for piece in gen.models.generate_content_stream(model=job.tuned_model.endpoint, contents="refund")
    ]
    assert "".join(pieces) == "billing desk"
    assert gen.models.count_tokens(model=BASE, contents="refund").total_tokens == 1
