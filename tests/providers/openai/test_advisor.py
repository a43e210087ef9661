"""What is known before anything is sent, from the catalog and from the service itself."""

from datetime import UTC, date, datetime

import attrs
import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.emulator import Emulator, Fault
from finetuner.emulator.faults import TRAINING_NOT_AVAILABLE
from finetuner.errors import TrainingNotAvailableError
from finetuner.providers.catalog import load_catalog
from finetuner.providers.openai import connect, limits
from finetuner.providers.openai.advisor import OpenAIAdvisor
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.flavours import OPENAI
from finetuner.testing import FakeClock

BASE = "gpt-4.1-mini-2025-04-14"
DATA = Dataset.from_examples([Example(messages=(user("hi"), assistant("hello")))])
AFTER = datetime(2027, 2, 1, tzinfo=UTC).timestamp()
BEFORE = datetime(2026, 11, 24, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Emulator(workspace=tmp_path_factory.mktemp("emulator"), clock=FakeClock(BEFORE)) as emulator:
        yield emulator


@pytest.fixture
def emulator(running):
    running.faults.clear()
    yield running
    running.faults.clear()


def advise(emulator, *, now=BEFORE, method="supervised", catalog=None):
    """What the real service's advisor says, whose answers come from the emulator."""
    clock = FakeClock(now)
    flavour = attrs.evolve(OPENAI, base_url=emulator.url)
    client = Client(flavour=flavour, api_key="any", alternatives=lambda: "Train with another provider")
    advisor = OpenAIAdvisor(client, catalog or load_catalog("openai"), clock)
    return advisor.advise(BASE, DATA, method)


def test_a_date_of_the_catalog_is_a_warning_before_and_an_error_after(emulator):
    assert [finding.code for finding in advise(emulator)] == ["base_retires"]
    (found,) = advise(emulator, now=AFTER)
    assert (found.severity, found.code) == ("error", "base_retired")


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_the_dates_of_openai_do_not_hold_for_a_server_of_ones_own(emulator, monkeypatch, given):
    """An emulator, or any server that speaks the API, goes on after OpenAI's wind-down."""
    if given == "environment":
        monkeypatch.setenv("OPENAI_BASE_URL", emulator.url)
    clock = FakeClock(AFTER)
    provider = connect(base_url=emulator.url if given == "argument" else None, api_key="any", clock=clock)
    assert BASE in {model.name for model in provider.catalog.tunable(date(2027, 2, 1))}
    assert [each for each in provider.advisor.advise(BASE, DATA, "supervised") if each.severity == "error"] == []


def test_the_rules_of_data_follow_the_environment_too(emulator, monkeypatch):
    after = date(2027, 2, 1)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert any(problem.severity == "error" for problem in limits.rules(BASE, after).findings)
    monkeypatch.setenv("OPENAI_BASE_URL", emulator.url)
    assert not any(problem.severity == "error" for problem in limits.rules(BASE, after).findings)


def test_the_services_own_date_wins_over_the_catalogs(emulator):
    emulator.faults.add(Fault(method="GET", path="/models/.*", merge={"shutdown_date": "2026-12-24"}))
    codes = [finding.code for finding in advise(emulator)]
    assert codes == ["base_retires", "shutdown_announced"]
    emulator.faults.add(Fault(method="GET", path="/models/.*", merge={"shutdown_date": "2026-11-01"}))
    with pytest.raises(TrainingNotAvailableError, match=r"shut gpt-4.1-mini-2025-04-14 down on 2026-11-01.*local"):
        advise(emulator)


def test_the_current_catalog_has_the_services_dates(emulator):
    emulator.faults.add(Fault(method="GET", path="/models", merge={"shutdown_date": "2029-01-01"}))
    provider = connect(base_url=emulator.url, api_key="any")
    advisor = OpenAIAdvisor(provider.trainer.client, load_catalog("openai"), FakeClock(BEFORE))
    assert advisor.current_catalog().get(BASE).retires == date(2029, 1, 1)


@pytest.mark.parametrize("fault", ["limits", "403"])
def test_a_locked_out_organization_is_found_before_anything_is_uploaded(emulator, fault):
    path = "/fine_tuning/model_limits"
    limit = {"max_total_jobs": 0, "max_concurrent_jobs": 0, "active_jobs": 0}
    emulator.faults.add(
        Fault(method="GET", path=path, merge={BASE: limit})
        if fault == "limits"
        else Fault(
            method="GET",
            path=path,
            status=403,
            code=TRAINING_NOT_AVAILABLE.code,
            message=TRAINING_NOT_AVAILABLE.message,
        )
    )
    with pytest.raises(TrainingNotAvailableError, match=r"(?i)train with another provider"):
        advise(emulator)


def test_a_full_queue_is_a_warning(emulator):
    limit = {"max_total_jobs": 9, "max_concurrent_jobs": 2, "active_jobs": 2}
    emulator.faults.add(Fault(method="GET", path="/fine_tuning/model_limits", merge={BASE: limit}))
    assert [finding.code for finding in advise(emulator)] == ["base_retires", "jobs_queue"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="GET", status=500),
        Fault(method="GET", status=404),
        Fault(method="GET", status=200, body="<html>"),
        Fault(method="GET", drop=True),
    ],
)
def test_a_service_that_does_not_tell_is_no_reason_to_stop(emulator, fault):
    emulator.faults.add(fault, times=None)
    assert [finding.code for finding in advise(emulator)] == ["base_retires"]


def test_what_the_catalog_refuses_is_not_even_asked_about(emulator):
    emulator.faults.add(Fault(method="GET", drop=True), times=None)
    (found,) = advise(emulator, method="reinforcement")
    assert found.code == "method_not_available"
