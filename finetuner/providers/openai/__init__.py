"""OpenAI, and services that speak its API."""

from functools import partial
from typing import Any

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.providers.catalog import load_catalog
from finetuner.providers.openai import flavours
from finetuner.providers.openai.advisor import OpenAIAdvisor, alternatives
from finetuner.providers.openai.batches import OpenAIBatches
from finetuner.providers.openai.bulk import OpenAIBulk
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.completer import OpenAICompleter
from finetuner.providers.openai.files import OpenAIFiles
from finetuner.providers.openai.trainer import OpenAIPauser, OpenAITrainer
from finetuner.providers.ports import Provider


def connect(
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    timeout: float | None = None,
    flavour: str = "openai",
    workspace: Any = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Provider:
    """OpenAI as a provider. Nothing is sent, and the SDK isn't imported, before the first call.

    Args:
        api_key: The key; by default that of the flavour's variable, such as `OPENAI_API_KEY`.
        base_url: Where the service is; by default that of the flavour's variable, such as `OPENAI_BASE_URL`, else its
            own address.
        timeout: Seconds for a whole call; the SDK's 600 by default.
        flavour: `openai`, `azure`, `nebius` or `bedrock`.
        workspace: Taken so that all providers can be connected alike; nothing of OpenAI is kept on this machine.
        clock: For waiting, latencies and the dates of the catalog.

    Raises:
        UnknownNameError: There is no such flavour.
    """
    del workspace
    service = flavours.get(flavour)
    catalog = load_catalog(service.name)
    client = Client(
        flavour=service,
        base_url=base_url,
        timeout=timeout,
        alternatives=partial(alternatives, catalog),
        clock=clock,
        api_key=api_key,
    )
    if service.elsewhere(base_url):
        catalog = catalog.without_dates()
    completer, files = OpenAICompleter(client, clock), OpenAIFiles(client, clock)
    return Provider(
        name=service.name,
        formats=service.formats,
        catalog=catalog,
        completer=completer,
        trainer=OpenAITrainer(client),
        files=files,
        pauser=OpenAIPauser(client) if service.pause else None,
        advisor=OpenAIAdvisor(client, catalog, clock),
        bulk=OpenAIBulk(client, completer, clock),
        batches=OpenAIBatches(client, attrs.evolve(files, purpose="batch")) if service.batches else None,
    )


azure = partial(connect, flavour="azure")
"""Azure OpenAI, as `provider="azure"`."""

nebius = partial(connect, flavour="nebius")
"""Nebius Token Factory, as `provider="nebius"`."""

bedrock = partial(connect, flavour="bedrock")
"""Amazon Bedrock, as `provider="bedrock"`."""
