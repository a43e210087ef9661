"""What the emulator serves: the place where each family of routes is mounted."""

from collections.abc import Mapping

from finetuner.emulator.backend import Backend
from finetuner.emulator.control import control_family
from finetuner.emulator.faults import Faults
from finetuner.emulator.openai_routes import openai_family
from finetuner.emulator.openai_state import State
from finetuner.emulator.routing import Family


def families(backend: Backend, faults: Faults) -> tuple[Family, ...]:
    """All services, in the order in which they are asked; the last one answers for addresses that nobody knows."""
    return (control_family(faults), openai_family(State.of(backend)))


def environment(address: str, key: str) -> Mapping[str, str]:
    """What each service's SDK reads from the environment, to be sent to this address with this key."""
    return {"OPENAI_BASE_URL": f"{address}/v1", "OPENAI_API_KEY": key}
