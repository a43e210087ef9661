import pytest

from finetuner.errors import AuthenticationError
from finetuner.providers import registry
from finetuner.providers.openai import connect, flavours


@pytest.mark.parametrize("name", ["openai", "azure", "nebius", "bedrock"])
def test_each_service_is_a_provider_of_its_own(name):
    provider = registry.connect(name, api_key="k")
    assert (provider.name, provider.catalog.provider) == (name, name)
    assert all(model.source and model.as_of for model in provider.catalog.models)


@pytest.mark.parametrize(
    "given",
    ["https://mine.openai.azure.com", "https://mine.openai.azure.com/", "https://mine.openai.azure.com/openai/v1/"],
)
def test_the_endpoint_of_an_azure_resource_is_completed(monkeypatch, given):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", given)
    assert flavours.AZURE.given_address(None) == "https://mine.openai.azure.com/openai/v1/"
    assert flavours.AZURE.given_address("http://127.0.0.1:1/x") == "http://127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("base_url", "elsewhere"),
    [
        (None, False),
        ("https://api.openai.com/v1", False),
        ("http://127.0.0.1:1/v1", True),
        ("https://proxy.acme/v1", True),
    ],
)
def test_another_host_is_elsewhere(monkeypatch, base_url, elsewhere):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert flavours.OPENAI.elsewhere(base_url) == elsewhere


def test_openais_key_is_not_sent_to_somebody_else(monkeypatch):
    """The SDK would take it from the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openais-own-key")
    monkeypatch.delenv("NEBIUS_API_KEY", raising=False)
    with pytest.raises(AuthenticationError, match="NEBIUS_API_KEY"):
        connect(flavour="nebius", base_url="http://127.0.0.1:9").trainer.list()
