"""Where a model is asked; answers themselves are in tests/wire."""

import pytest

from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.completer import VertexCompleter
from finetuner.providers.vertex.settings import Settings

SERVES = {"us-central1": "us", "europe-west4": "eu"}
CATALOG = Catalog(provider="vertex", models=(BaseModel(id="vertex:gemini-x", options={"serves_in": SERVES}),))


def served(model, **settings):
    client = Client.of(Settings(project="acme", **settings))
    return VertexCompleter(client, CATALOG).served(model)


@pytest.mark.parametrize(
    ("model", "settings", "place"),
    [
        ("gemini-x", {"location": "us-central1"}, "us"),
        ("gemini-x", {"location": "europe-west4"}, "eu"),
        ("gemini-x", {"location": "asia-east1"}, "asia-east1"),
        ("gemini-x", {"location": "us-central1", "serving": "global"}, "global"),
        ("gemini-unknown", {"location": "us-central1"}, "us-central1"),
    ],
)
def test_a_base_model_is_asked_where_the_catalog_says(model, settings, place):
    assert served(model, **settings) == f"projects/acme/locations/{place}/publishers/google/models/{model}"


def test_an_endpoint_is_asked_as_it_is():
    endpoint = "projects/acme/locations/us-central1/endpoints/7"
    assert served(endpoint, location="europe-west4") == endpoint
