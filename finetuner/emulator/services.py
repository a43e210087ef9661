"""What the emulator serves: the place where each family of routes is mounted."""

from finetuner.emulator.backend import Backend
from finetuner.emulator.control import control_family
from finetuner.emulator.faults import Faults
from finetuner.emulator.openai_routes import openai_family
from finetuner.emulator.openai_state import State
from finetuner.emulator.routing import Family


def families(backend: Backend, faults: Faults) -> tuple[Family, ...]:
    """All services, in the order in which they are asked; the last one answers for addresses that nobody knows."""
    return (control_family(faults), openai_family(State(backend)))
