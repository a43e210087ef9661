"""For tests of programs that use finetuner, and for makers of providers: fakes and the suite to pass.

Names are imported when they are first used: pytest loads the plugin beside them in every run, used or not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetuner.testing.clock import FakeClock
    from finetuner.testing.contract import ProviderContract
    from finetuner.testing.scripted import (
        Answers,
        Call,
        Failures,
        ScriptedCompleter,
        ScriptedFiles,
        ScriptedProvider,
        ScriptedTrainer,
    )

__all__ = [
    "Answers",
    "Call",
    "Failures",
    "FakeClock",
    "ProviderContract",
    "ScriptedCompleter",
    "ScriptedFiles",
    "ScriptedProvider",
    "ScriptedTrainer",
]

_HOMES = {"FakeClock": "clock", "ProviderContract": "contract"}


def __getattr__(name: str) -> Any:
    """A public name, imported."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'scripted')}"), name)
