"""The one place that knows torch, transformers, PEFT, TRL and their relatives: imported when they are needed.

They come untyped on purpose: checking this package must not need gigabytes of packages.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from finetuner._core.extras import require
from finetuner.errors import MissingExtraError

MODULES: Final = ("torch", "transformers", "peft", "trl", "safetensors")
"""What the extra `huggingface` brings."""

_EXTRA: Final = "huggingface"
_FEATURE: Final = "open-weight models (provider huggingface)"


def torch() -> Any:
    """PyTorch. Raises `MissingExtraError`."""
    return _library("torch")


def transformers() -> Any:
    """Transformers, without its progress bars: this package writes to no terminal. Raises `MissingExtraError`."""
    library: Any = _library("transformers")
    library.utils.logging.disable_progress_bar()
    return library


def peft() -> Any:
    """PEFT. Raises `MissingExtraError`."""
    return _library("peft")


def trl() -> Any:
    """TRL. Raises `MissingExtraError`."""
    return _library("trl")


def datasets() -> Any:
    """Datasets, which TRL brings. Raises `MissingExtraError`."""
    return _library("datasets")


def hub() -> Any:
    """The hub's client, which transformers brings. Raises `MissingExtraError`."""
    return _library("huggingface_hub")


def missing() -> tuple[str, ...]:
    """Those of `MODULES` that aren't installed; none is imported."""
    return tuple(name for name in MODULES if find_spec(name) is None)


def require_all() -> None:
    """Nothing, when all are installed. Raises `MissingExtraError`."""
    if missing():
        raise MissingExtraError(_FEATURE, _EXTRA)


def _library(name: str) -> ModuleType:
    return require(name, extra=_EXTRA, feature=_FEATURE)
