import subprocess
import sys
from datetime import date

import pytest

from finetuner.errors import RequestRejectedError, UnknownNameError, UsageError
from finetuner.providers import registry
from finetuner.providers.openai import connect, failures, flavours
from finetuner.providers.openai.advisor import findings
from finetuner.providers.openai.trainer import job_body
from finetuner.providers.ports import JobRequest

REQUEST = JobRequest(model="m", training_file="f", hyperparameters={"epochs": 2}, key="k")
BASE = "gpt-4.1-mini-2025-04-14"


def test_connecting_imports_no_sdk():
    code = "import sys; from finetuner.providers.openai import connect; connect(); assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_registry_knows_it():
    assert registry.connect("openai", api_key="k").name == "openai"


def test_an_unknown_flavour_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="openai, azure, nebius, bedrock"):
        connect(flavour="nope")


def test_azure_needs_its_address_when_it_is_first_asked(monkeypatch):
    """Listing the providers must work without one."""
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    provider = connect(flavour="azure", api_key="k")
    with pytest.raises(UsageError, match=r"AZURE_OPENAI_ENDPOINT.*RESOURCE"):
        provider.trainer.get("ftjob-1")


def test_a_missing_capability_is_none():
    assert connect(flavour="nebius").pauser is None
    assert connect().pauser is not None


def test_openai_gets_its_hyperparameters_inside_the_method():
    body, extra = job_body(REQUEST, flavours.OPENAI)
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    assert body["metadata"] == {"finetuner_key": "k"}
    assert extra == {}


def test_nebius_gets_them_at_the_top():
    body, extra = job_body(REQUEST, flavours.NEBIUS)
    assert "method" not in body
    assert extra == {"hyperparameters": {"n_epochs": 2}}


def test_preference_is_called_dpo():
    request = JobRequest(model="m", training_file="f", method="preference")
    assert job_body(request, flavours.OPENAI)[0]["method"] == {"type": "dpo"}


def test_a_grader_goes_into_the_reinforcement_method():
    request = JobRequest(
        model="m", training_file="f", method="reinforcement", extra={"grader": {"type": "python"}, "x": 1}
    )
    body, extra = job_body(request, flavours.BEDROCK)
    assert body["method"] == {"type": "reinforcement", "reinforcement": {"grader": {"type": "python"}}}
    assert extra == {"x": 1}


@pytest.mark.parametrize(
    ("flavour", "request_"),
    [
        (flavours.NEBIUS, JobRequest(model="m", training_file="f", method="dpo")),
        (flavours.BEDROCK, JobRequest(model="m", training_file="f", method="reinforcement", suffix="a")),
        (flavours.AZURE, JobRequest(model="m", training_file="f", suffix="v1.2")),
    ],
)
def test_what_a_flavour_lacks_is_refused_before_sending(flavour, request_):
    with pytest.raises(RequestRejectedError):
        job_body(request_, flavour)


@pytest.mark.parametrize(
    ("model", "method", "today", "code"),
    [
        (BASE, "supervised", date(2026, 11, 24), "base_retires"),
        (BASE, "supervised", date(2027, 1, 6), "training_ended"),
        (BASE, "supervised", date(2027, 2, 1), "base_retired"),
        (BASE, "reinforcement", date(2026, 11, 24), "method_not_available"),
        ("gpt-4.1-mini", "supervised", date(2026, 11, 24), "not_tunable"),
    ],
)
def test_the_dates_of_the_catalog_decide(model, method, today, code):
    catalog = connect().catalog
    (found,) = findings(catalog, catalog.get(model), method, today)
    assert found.code == code
    assert found.fix


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:10 GMT"}, 10.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers, seconds):
    assert failures.retry_after(headers, 1_798_761_600.0) == seconds
