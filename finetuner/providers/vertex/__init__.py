"""Vertex AI: tuning Gemini models, and answers of base and tuned ones."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json
from finetuner.providers.catalog import load_catalog
from finetuner.providers.ports import Provider
from finetuner.providers.vertex.advisor import VertexAdvisor
from finetuner.providers.vertex.batches import VertexBatches
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.completer import VertexCompleter
from finetuner.providers.vertex.failures import NAME
from finetuner.providers.vertex.files import VertexFiles
from finetuner.providers.vertex.settings import Settings
from finetuner.providers.vertex.trainer import VertexTrainer

__all__ = ["connect"]

_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})


def connect(
    *,
    project: str | None = None,
    location: str | None = None,
    serving: str | None = None,
    bucket: str | None = None,
    endpoint: str | None = None,
    access_token: str | None = None,
    timeout: float | None = None,
    generation: Mapping[str, Json] = _NOTHING,
    workspace: Any = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Provider:
    """Vertex AI as a provider. Nothing is sent, and no SDK is imported, before the first call.

    Args:
        project: The Google Cloud project; `GOOGLE_CLOUD_PROJECT` by default, else that of the credentials.
        location: Where jobs run; `GOOGLE_CLOUD_LOCATION` by default, else us-central1.
        serving: Where models answer; `FINETUNER_VERTEX_SERVING` by default, else where the model's name says.
        bucket: `gs://bucket/prefix` where files are put; `FINETUNER_GCS_BUCKET` by default.
        endpoint: Another host than Google's, with its scheme; `FINETUNER_VERTEX_ENDPOINT` by default. Plain `http://`
            goes without credentials.
        access_token: An OAuth token; the application default credentials by default.
        timeout: Seconds for a whole call; 600 by default.
        generation: More of every call's `generationConfig`, such as `{"thinkingConfig": {"thinkingLevel": "MINIMAL"}}`.
        workspace: Taken so that all providers can be connected alike; nothing of Vertex AI is kept on this machine.
        clock: For waiting and latencies.

    Raises:
        UsageError: The bucket or the endpoint isn't well formed.
    """
    del workspace
    settings = Settings.of(
        project=project, location=location, serving=serving, bucket=bucket, endpoint=endpoint, timeout=timeout
    )
    catalog = load_catalog(NAME)
    client = Client.of(settings, access_token=access_token, clock=clock)
    completer, files = VertexCompleter(client, catalog, clock, generation), VertexFiles(client)
    return Provider(
        name=NAME,
        formats=("vertex", "vertex-preference"),
        catalog=catalog,
        completer=completer,
        trainer=VertexTrainer(client),
        files=files,
        batches=VertexBatches(files, completer),
        advisor=VertexAdvisor(catalog, settings),
    )
