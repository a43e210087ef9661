import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetuner._core.workspace import Workspace
from finetuner.emulator import Emulator, Fault
from finetuner.emulator.faults import UNKNOWN_STATUS, rate_limit
from finetuner.errors import AuthenticationError
from finetuner.providers import openai
from finetuner.providers.local import connect
from finetuner.providers.ports import JobRequest, Provider
from finetuner.testing import ProviderContract, ScriptedProvider
from finetuner.testing.contract import FAILURES


class TestScripted(ProviderContract):
    secret = "scripted-key"

    def make_provider(self) -> Provider:
        return ScriptedProvider(models=("scripted-base",))

    def failing(self, failure: str) -> Provider:
        kind, retryable = FAILURES[failure]
        error = kind(f"{failure}; look again later", provider="scripted", retryable=retryable)
        return ScriptedProvider(failures={"get": [error]})

    def in_strange_status(self) -> tuple[Provider, str]:
        provider = ScriptedProvider(statuses=["queued", "reticulating"])
        return provider, provider.trainer.create(JobRequest(model="m", training_file="f")).id


class TestLocal(ProviderContract):
    unknown_job = "ftjob-local-000000000000"

    @pytest.fixture(autouse=True)
    def _workspace(self, tmp_path: Path) -> None:
        self.workspace = Workspace.at(tmp_path)

    def make_provider(self) -> Provider:
        return connect(workspace=self.workspace)


class TestOpenAI(ProviderContract):
    """The real SDK against the emulator, which trains with the embedded provider."""

    secret = "sk-canary-0123456789abcdef"

    @pytest.fixture(autouse=True)
    def _emulator(self, tmp_path: Path) -> Iterator[None]:
        with Emulator(workspace=tmp_path, token=self.secret) as self.emulator:
            yield

    def make_provider(self) -> Provider:
        return openai.connect(base_url=self.emulator.url, api_key=self.secret)

    def failing(self, failure: str) -> Provider | None:
        if failure == "unreachable":
            return openai.connect(base_url="http://127.0.0.1:9/v1", api_key=self.secret)
        if failure == "unauthorized":
            return openai.connect(base_url=self.emulator.url, api_key=f"{self.secret}-not")
        said = f"Incorrect API key provided: {self.secret}"
        fault = {
            "rate limit": rate_limit(900, method="GET"),  # longer than the SDK waits by itself
            "broken": Fault(method="GET", status=503, message=said, headers={"x-should-retry": "false"}),
            "time-out": Fault(method="GET", delay=math.inf, drop=True),
            "garbage": Fault(method="GET", status=200, body=said),
        }[failure]
        self.emulator.faults.clear()
        self.emulator.faults.add(fault, times=3)
        return openai.connect(base_url=self.emulator.url, api_key=self.secret, timeout=0.2)

    def in_strange_status(self) -> tuple[Provider, str]:
        provider = self.make_provider()
        assert provider.trainer is not None
        job = provider.trainer.create(self.request(provider))
        self.finished(provider.trainer, job.id)
        self.emulator.faults.add(UNKNOWN_STATUS)
        return provider, job.id


class TestTheContractItself:
    def test_a_provider_that_forgets_keys_fails(self) -> None:
        """The suite finds a provider whose jobs can't be found again."""

        class Forgetful(ProviderContract):
            def make_provider(self) -> Provider:
                provider = ScriptedProvider()
                provider.trainer.find = lambda _: None
                return provider

        with pytest.raises(AssertionError, match="isn't found by its key"):
            Forgetful().test_job_is_found_by_its_key()

    def test_a_key_in_an_error_is_found(self) -> None:
        """The suite finds a provider that shows its key."""

        class Leaky(ProviderContract):
            secret = "ftjob-0000"

            def make_provider(self) -> Provider:
                return ScriptedProvider()

        with pytest.raises(AssertionError, match="a key occurs"):
            Leaky().test_no_key_in_any_text()

    def test_a_wrong_kind_of_error_is_found(self) -> None:
        """The suite finds a provider that tells people to repeat what can't succeed."""

        class Hopeful(ProviderContract):
            def failing(self, failure: str) -> Provider | None:
                error = AuthenticationError("no", provider="scripted", retryable=True)
                return ScriptedProvider(failures={"get": [error]}) if failure == "unauthorized" else None

        with pytest.raises(AssertionError, match="retryable is True"):
            Hopeful().test_failures_have_their_kind_and_say_whether_to_try_again()

    def test_a_status_taken_for_an_end_is_found(self) -> None:
        """The suite finds a provider that stops waiting at a word that it doesn't know."""

        class Hasty(ProviderContract):
            def in_strange_status(self) -> tuple[Provider, str]:
                provider = ScriptedProvider(statuses=["queued", "failed"])
                return provider, provider.trainer.create(JobRequest(model="m", training_file="f")).id

        with pytest.raises(AssertionError, match="taken for an end"):
            Hasty().test_strange_status_is_shown_and_has_not_ended()
