from datetime import date

from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.vertex.advisor import VertexAdvisor
from finetuner.providers.vertex.settings import Settings

BASE = BaseModel(
    id="vertex:gemini-x",
    methods=("supervised",),
    locations=("us-central1", "europe-west4"),
    source="a page",
    as_of=date(2026, 1, 1),
)
CATALOG = Catalog(provider="vertex", models=(BASE,))


def codes(location, method="supervised", model="gemini-x"):
    found = VertexAdvisor(CATALOG, Settings(location=location)).advise(model, (), method)
    return [(each.severity, each.code) for each in found]


def test_a_base_is_tuned_only_where_it_is():
    assert codes("us-central1") == []
    assert codes("asia-east1") == [("error", "wrong_location")]
    assert codes("asia-east1", model="unknown") == []


def test_a_method_that_the_base_lacks():
    assert codes("us-central1", "preference") == [("error", "method_not_available")]
    assert codes("us-central1", "dpo") == [("error", "method_not_available")]


def test_the_message_says_what_to_set():
    (finding,) = VertexAdvisor(CATALOG, Settings(location="asia-east1")).advise("gemini-x", (), "supervised")
    assert "GOOGLE_CLOUD_LOCATION=us-central1" in finding.message
