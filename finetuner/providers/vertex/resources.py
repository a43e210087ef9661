"""Finding things again among what a location lists: jobs by our key, tuned models by their endpoint."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from finetuner._core.types import JsonObject
from finetuner.errors import RequestRejectedError
from finetuner.providers.lenient import as_list, as_object, as_text
from finetuner.providers.vertex import mapping
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.failures import rejected

LOOK_AT: Final = 1_000
"""Newest jobs that are searched."""

_ENDPOINT: Final = re.compile(r"projects/[^/]+/locations/[^/]+/endpoints/[^/]+")


def is_endpoint(model: str) -> bool:
    """Whether a model is named by its endpoint."""
    return _ENDPOINT.fullmatch(model) is not None


def by_key(label: str) -> str:
    """The filter for jobs that carry a key."""
    return f'labels.{mapping.KEY}="{label}"'


def filtered(listed: Callable[[str], Iterator[JsonObject]], wanted: str) -> Iterator[JsonObject]:
    """What a filter wants; nothing from a host that doesn't filter by labels: all are looked at then."""
    try:
        yield from listed(wanted)
    except RequestRejectedError:
        return


def tuned_at(client: Client, endpoint: str) -> JsonObject:
    """The model behind an endpoint: `tunedModelName`, and `checkpointId` where it isn't the last checkpoint.

    Raises:
        RequestRejectedError: No job of the location has made it.
    """
    for raw in islice(client.jobs(), LOOK_AT):
        tuned = as_object(raw.get("tunedModel"))
        name = as_text(tuned.get("model"))
        if name is None:
            continue
        if tuned.get("endpoint") == endpoint:
            return {"tunedModelName": name}
        for saved in map(as_object, as_list(tuned.get("checkpoints"))):
            if saved.get("endpoint") == endpoint:
                return {"tunedModelName": name, "checkpointId": saved.get("checkpointId")}
    raise rejected(
        f"no job of {client.parent} has the endpoint {endpoint}; give the tuned model's own name, "
        "projects/…/locations/…/models/…@1",
        code="unknown_model",
    )
