"""Optional dependencies: one clear line when one is missing."""

import importlib
from types import ModuleType

from finetuner.errors import MissingExtraError


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """The module, imported.

    Raises:
        MissingExtraError: It isn't installed; the message holds the install command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(feature, extra) from error
