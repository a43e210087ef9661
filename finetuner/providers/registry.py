"""Providers by name. Built-ins and guests come through the same door: the entry-point group `finetuner.providers`."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from finetuner.errors import UnknownNameError
from finetuner.providers.ports import Provider

GROUP = "finetuner.providers"
"""Each entry point is a `connect(**options) -> Provider`."""


def names() -> tuple[str, ...]:
    """Names of all installed providers, sorted; imports none of them."""
    return tuple(sorted({point.name for point in _points()}))


def connect(name: str, **options: Any) -> Provider:
    """The provider of that name.

    Args:
        name: As in `provider:model`.
        options: Passed to the provider's `connect`, such as `base_url`, `api_key` or `workspace`.

    Raises:
        UnknownNameError: No installed package brings such a provider; the message lists the known ones.
    """
    for point in _points():
        if point.name == name:
            factory: Callable[..., Provider] = point.load()
            return factory(**options)
    raise UnknownNameError(f"no provider {name!r}; installed: {', '.join(names())}")


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))
