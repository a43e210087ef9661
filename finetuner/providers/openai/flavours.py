"""Services that speak OpenAI's fine-tuning API, and in what they differ: facts, no code.

Sources: OpenAI's API reference (2026-06), Microsoft's fine-tuning guide (2026-03), Nebius Token Factory's and Amazon
Bedrock's fine-tuning guides (2026).
"""

import os
from typing import Final
from urllib.parse import urlsplit

import attrs

from finetuner.errors import UnknownNameError

_MB: Final = 1_000_000
_GB: Final = 1_000 * _MB


@attrs.frozen(kw_only=True)
class Deployment:
    """How a service puts a tuned model into service: a call to its control plane.

    Attributes:
        base_url: The control plane.
        path: Where a deployment is, with the settings and `name` to be filled in.
        key_variable: Environment variable with the control plane's token.
        settings: Names of what a caller must tell about the account.
    """

    base_url: str
    path: str
    key_variable: str
    settings: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Flavour:
    """One service.

    Attributes:
        name: As in `connect(flavour=…)`, and the name of its catalog file.
        title: For people.
        base_url: Where it is; None for services whose address holds a resource or region.
        address: What a base URL looks like.
        address_variable: Environment variable with another base URL.
        address_path: What a base URL ends with; added where the variable's value doesn't have it.
        key_variable: Environment variable with the key.
        methods: Ways of training that it takes.
        formats: Wire formats of training files, preferred first.
        suffix: Whether tuned models can be given a name.
        dotted_suffix: Whether that name may hold dots.
        nested_hyperparameters: Whether hyperparameters are inside `method`, rather than at the top as they once were.
        metadata_filter: Whether jobs can be listed by metadata.
        pause: Whether jobs can be paused.
        max_single_bytes: Largest file of one request.
        max_chunked_bytes: Largest file sent in parts; 0 where that isn't possible.
        batches: Whether it answers batches.
        limits: Whether it tells how many jobs an organization may have.
        max_tokens_field: What the longest answer is called.
        deployment: How a tuned model is put into service, None where it answers at once.
    """

    name: str
    title: str
    base_url: str | None = None
    address: str = ""
    address_variable: str = "OPENAI_BASE_URL"
    address_path: str = ""
    key_variable: str = "OPENAI_API_KEY"
    methods: tuple[str, ...] = ("supervised", "dpo", "reinforcement")
    formats: tuple[str, ...] = ("openai", "openai-preference")
    suffix: bool = True
    dotted_suffix: bool = True
    nested_hyperparameters: bool = True
    metadata_filter: bool = True
    pause: bool = True
    max_single_bytes: int = 512 * _MB
    max_chunked_bytes: int = 8 * _GB
    batches: bool = True
    limits: bool = False
    max_tokens_field: str = "max_completion_tokens"
    deployment: Deployment | None = None

    def given_address(self, base_url: str | None) -> str | None:
        """The base URL that a caller or the environment gives, None where neither does."""
        given = os.environ.get(self.address_variable)
        if base_url or not given or self.address_path.strip("/") in given:
            return base_url or given
        return f"{given.rstrip('/')}{self.address_path}"

    def elsewhere(self, base_url: str | None = None) -> bool:
        """Whether calls go to another server than the service: an emulator, a proxy, one that speaks the same API."""
        host = urlsplit(self.given_address(base_url) or "").hostname
        return self.base_url is not None and host not in {None, urlsplit(self.base_url).hostname}


OPENAI: Final = Flavour(
    name="openai",
    title="OpenAI",
    base_url="https://api.openai.com/v1",
    address="https://api.openai.com/v1",
    limits=True,
)

AZURE: Final = Flavour(
    name="azure",
    title="Azure OpenAI",
    address="https://RESOURCE.openai.azure.com/openai/v1/",
    address_variable="AZURE_OPENAI_ENDPOINT",
    address_path="/openai/v1/",
    key_variable="AZURE_OPENAI_API_KEY",
    dotted_suffix=False,
    metadata_filter=False,
    max_chunked_bytes=0,
    deployment=Deployment(
        base_url="https://management.azure.com",
        path=(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.CognitiveServices"
            "/accounts/{account}/deployments/{name}?api-version=2024-10-01"
        ),
        key_variable="AZURE_MANAGEMENT_TOKEN",
        settings=("subscription", "resource_group", "account"),
    ),
)
"""A tuned model has to be deployed before it answers. `extra={"trainingType": …}` chooses the tier."""

NEBIUS: Final = Flavour(
    name="nebius",
    title="Nebius Token Factory",
    base_url="https://api.tokenfactory.nebius.com/v1/",
    address="https://api.tokenfactory.nebius.com/v1/",
    address_variable="NEBIUS_BASE_URL",
    key_variable="NEBIUS_API_KEY",
    batches=False,
    methods=("supervised",),
    formats=("openai",),
    nested_hyperparameters=False,
    metadata_filter=False,
    pause=False,
    max_single_bytes=5 * _GB,
    max_chunked_bytes=0,
    max_tokens_field="max_tokens",
)

BEDROCK: Final = Flavour(
    name="bedrock",
    title="Amazon Bedrock",
    address="https://bedrock-mantle.REGION.api.aws/v1",
    address_variable="BEDROCK_BASE_URL",
    key_variable="AWS_BEARER_TOKEN_BEDROCK",
    batches=False,
    methods=("reinforcement",),
    formats=("openai",),
    suffix=False,
    metadata_filter=False,
    pause=False,
    max_chunked_bytes=0,
    max_tokens_field="max_tokens",
)

_FLAVOURS: Final = (OPENAI, AZURE, NEBIUS, BEDROCK)


def get(name: str) -> Flavour:
    """The flavour of that name.

    Raises:
        UnknownNameError: With the names that are known.
    """
    for flavour in _FLAVOURS:
        if flavour.name == name:
            return flavour
    raise UnknownNameError(f"no flavour {name!r} of OpenAI's API; known: {', '.join(each.name for each in _FLAVOURS)}")
