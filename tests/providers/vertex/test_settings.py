import pytest

from finetuner.errors import UsageError
from finetuner.providers.vertex.settings import Settings, location_of, split_uri

NAMES = (
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "FINETUNER_GCS_BUCKET",
    "FINETUNER_VERTEX_ENDPOINT",
    "FINETUNER_VERTEX_SERVING",
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_environment_is_read_and_arguments_win(monkeypatch):
    values = ("acme", "europe-west4", "gs://data/tuning/", "http://127.0.0.1:9/", "eu")
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(name, value)
    found = Settings.of()
    assert (found.project, found.location, found.bucket) == ("acme", "europe-west4", "gs://data/tuning")
    assert (found.endpoint, found.serving, found.anonymous) == ("http://127.0.0.1:9", "eu", True)
    assert Settings.of(project="other", location="us-central1").project == "other"


def test_without_anything_it_is_googles_us_central1():
    found = Settings.of()
    assert (found.project, found.location, found.bucket, found.anonymous) == (None, "us-central1", None, False)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
    ],
)
def test_each_location_has_its_host(location, host):
    assert Settings().host(location) == host
    assert Settings(endpoint="http://127.0.0.1:9").host(location) == "http://127.0.0.1:9"


def test_addresses_in_cloud_storage():
    assert split_uri("gs://bucket/a/b.jsonl") == ("bucket", "a/b.jsonl")
    assert split_uri("gs://bucket") == ("bucket", "")
    for wrong in ("bucket/a", "gs://", "gs://UPPER/a", "s3://bucket/a", "gs:///a"):
        with pytest.raises(UsageError, match="gs://bucket/folder"):
            split_uri(wrong)


@pytest.mark.parametrize(("field", "value"), [("bucket", "acme"), ("endpoint", "127.0.0.1:9")])
def test_what_is_not_well_formed_is_refused(field, value):
    with pytest.raises(UsageError):
        Settings.of(**{field: value})


def test_the_endpoint_may_hold_a_token_and_is_not_shown():
    assert "secret" not in repr(Settings(endpoint="http://emulator:secret@127.0.0.1:9"))


def test_a_resource_tells_its_location():
    assert location_of("projects/p/locations/eu/endpoints/1") == "eu"
    assert location_of("gemini-x") is None
