from pathlib import Path

import pytest

from finetuner._core.workspace import Workspace
from finetuner.providers.local import connect
from finetuner.providers.ports import Provider
from finetuner.testing import ProviderContract, ScriptedProvider


class TestScripted(ProviderContract):
    def make_provider(self) -> Provider:
        return ScriptedProvider(models=("scripted-base",))


class TestLocal(ProviderContract):
    unknown_job = "ftjob-local-000000000000"

    @pytest.fixture(autouse=True)
    def _workspace(self, tmp_path: Path) -> None:
        self.workspace = Workspace.at(tmp_path)

    def make_provider(self) -> Provider:
        return connect(workspace=self.workspace)


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
