"""OpenAI, and services that speak its API."""

from functools import partial
from typing import Any

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.errors import UsageError
from finetuner.providers.catalog import load_catalog
from finetuner.providers.openai import flavours
from finetuner.providers.openai.advisor import OpenAIAdvisor, alternatives
from finetuner.providers.openai.bulk import OpenAIBulk
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.completer import OpenAICompleter
from finetuner.providers.openai.failures import NAME
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
        api_key: The key; `OPENAI_API_KEY` by default.
        base_url: Where the service is; `OPENAI_BASE_URL` by default, else the flavour's own address.
        timeout: Seconds for a whole call; the SDK's 600 by default.
        flavour: `openai`, `azure`, `nebius` or `bedrock`.
        workspace: Taken so that all providers can be connected alike; nothing of OpenAI is kept on this machine.
        clock: For waiting, latencies and the dates of the catalog.

    Raises:
        UnknownNameError: There is no such flavour.
        UsageError: The flavour's address holds a resource or region, and no `base_url` is given.
    """
    del workspace
    service = flavours.get(flavour)
    if service.address and base_url is None:
        raise UsageError(f"{service.title} has no common address; give base_url, such as {service.address}")
    catalog = load_catalog(service.name)
    client = Client(
        flavour=service,
        base_url=base_url,
        timeout=timeout,
        alternatives=partial(alternatives, catalog),
        clock=clock,
        api_key=api_key,
    )
    completer = OpenAICompleter(client, clock)
    return Provider(
        name=NAME,
        formats=service.formats,
        catalog=catalog,
        completer=completer,
        bulk=OpenAIBulk(client, completer, clock),
        trainer=OpenAITrainer(client),
        files=OpenAIFiles(client, clock),
        pauser=OpenAIPauser(client) if service.pause else None,
        advisor=OpenAIAdvisor(catalog, clock),
    )
