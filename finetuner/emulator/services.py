"""What the emulator serves: the place where each family of routes is mounted."""

from collections.abc import Mapping
from typing import Final

from finetuner.emulator.backend import Backend
from finetuner.emulator.control import control_family
from finetuner.emulator.faults import Faults
from finetuner.emulator.gcs_objects import Objects
from finetuner.emulator.gcs_routes import gcs_family
from finetuner.emulator.gcs_sessions import Sessions
from finetuner.emulator.google_access import with_token
from finetuner.emulator.openai_routes import openai_family
from finetuner.emulator.openai_state import State
from finetuner.emulator.routing import Family
from finetuner.emulator.vertex_batches import Batches
from finetuner.emulator.vertex_boards import Boards
from finetuner.emulator.vertex_routes import vertex_family
from finetuner.emulator.vertex_state import Tunings

_PROJECT: Final = "emulated"
_LOCATION: Final = "us-central1"
_BUCKET: Final = "gs://emulated"


def families(backend: Backend, faults: Faults) -> tuple[Family, ...]:
    """All services, in the order in which they are asked; the last one answers for addresses that nobody knows."""
    objects = Objects(backend.folder / "gcs" / "objects")
    tunings = Tunings(backend, objects)
    return (
        control_family(faults),
        vertex_family(tunings, (*Batches(tunings).routes(), *Boards(tunings).routes())),
        gcs_family(objects, Sessions(backend.folder / "gcs" / "uploads")),
        openai_family(State.of(backend)),
    )


def environment(address: str, key: str) -> Mapping[str, str]:
    """What each service's SDK reads from the environment, to be sent to this address with this key."""
    google = with_token(address, key)
    return {
        "OPENAI_BASE_URL": f"{address}/v1",
        "OPENAI_API_KEY": key,
        "FINETUNER_VERTEX_ENDPOINT": google,
        "STORAGE_EMULATOR_HOST": google,
        "GOOGLE_CLOUD_PROJECT": _PROJECT,
        "GOOGLE_CLOUD_LOCATION": _LOCATION,
        "FINETUNER_GCS_BUCKET": _BUCKET,
    }
