import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import BudgetExceededError, UsageError
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.records.journal import Journal
from finetuner.testing import ScriptedProvider
from finetuner.training.creation import upload
from finetuner.training.job import Job
from finetuner.training.planning import Plan, dataset_of
from finetuner.training.spec import TrainingSpec

PRICED = Catalog(
    provider="scripted",
    models=(BaseModel(id="scripted:m", methods=("supervised",), prices=Prices(training=10.0)),),
)
DATA = Dataset.from_examples([Example(messages=(user(f"question {n}"), assistant("ab"[n % 2]))) for n in range(20)])


@pytest.fixture
def provider():
    return ScriptedProvider(catalog=PRICED)


@pytest.fixture
def journal(tmp_path):
    return Journal.open(tmp_path)


def plan(training, provider, journal, spec=None, **options):
    return Plan.make(
        training, spec or TrainingSpec(model="m", epochs=2), connection=provider, journal=journal, **options
    )


def test_a_plan_knows_the_cost_and_sends_nothing(provider, journal):
    found = plan(DATA, provider, journal, priced=True)
    assert plan(DATA, provider, journal).cost is None, "nobody asked"
    assert found.cost.training_tokens == 2 * DATA.tokens("m").total
    assert (provider.files.contents, provider.trainer.requests) == ({}, [])


def test_a_limit_refuses_before_the_upload(provider, journal):
    with pytest.raises(BudgetExceededError, match="nothing was sent"):
        plan(DATA, provider, journal, max_usd=1e-9).start()
    assert provider.files.contents == {}


def test_a_file_that_was_uploaded_from_here_has_a_price_and_is_checked(provider, journal):
    sent = upload(DATA, provider, journal)
    found = plan(sent.id, provider, journal, priced=True)
    assert found.cost.tokens == DATA.tokens("m").total
    assert found.training.fingerprint == DATA.fingerprint


def test_a_file_from_elsewhere_has_none_and_a_limit_says_so(provider, journal):
    found = plan("file-elsewhere", provider, journal, max_usd=5.0, priced=True)
    assert found.cost is None
    with pytest.raises(UsageError, match="max_usd needs the data itself"):
        found.require_start()


def test_a_limit_on_a_model_without_an_entry_says_what_to_add(provider, journal):
    with pytest.raises(UsageError, match="the catalog doesn't know 'other'"):
        plan(DATA, provider, journal, TrainingSpec(model="other"), max_usd=5.0).require_start()


def test_another_job_on_the_same_data_is_offered_the_same_job_is_returned(provider, tmp_path):
    options = {"provider": provider, "model": "m", "epochs": 2, "workspace": tmp_path}
    first = Job.create(DATA, **options)
    same, other = Job.create(DATA, **options), Job.create(DATA, **(options | {"epochs": 3}))
    assert (first.existing, same.existing, other.existing) == (False, True, False)
    assert same.findings == ()
    (offer,) = other.findings
    assert offer.message == f"{first.id} trained m on the same data with epochs 2: it is queued"


def test_an_address_is_never_taken_for_a_path():
    assert dataset_of("gs://bucket/file.jsonl") is None
    assert dataset_of(DATA) is DATA
