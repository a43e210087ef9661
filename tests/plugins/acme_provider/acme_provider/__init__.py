"""A provider from outside: it uses only what finetuner makes public."""

from finetuner.providers.ports import Provider
from finetuner.testing import ScriptedProvider


def connect(*, greeting: str = "hello from acme") -> Provider:
    """The guest, which always answers with its greeting."""
    return ScriptedProvider(name="acme", answers=greeting, models=("scripted-base",))
