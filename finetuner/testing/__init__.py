"""For tests of programs that use finetuner, and for makers of providers: fakes and the suite to pass."""

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
