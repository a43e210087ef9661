"""Checked hyperparameters: what isn't right is refused when the job is created, with the parameter's name."""

from collections.abc import Mapping, Sequence
from typing import Final

from finetuner._core.types import Json
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.records import AUTO
from finetuner.providers.ports import JobRequest

_LONGEST_SUFFIX: Final = 64
_LARGEST_SEED: Final = 2**31 - 1


def check_request(kind: Kind, request: JobRequest, methods: Sequence[str]) -> None:
    """Refuse what no model of the provider can do; hyperparameters aren't looked at.

    Raises:
        RequestRejectedError: The message names the parameter.
    """
    if request.method not in methods:
        known = " and ".join(repr(method) for method in methods)
        raise kind.rejected(
            "method", f"{request.method!r} isn't possible: {kind.adjective} models are trained as {known} only"
        )
    if request.suffix is not None and not 0 < len(request.suffix) <= _LONGEST_SUFFIX:
        raise kind.rejected("suffix", f"has {len(request.suffix)} characters; 1 to {_LONGEST_SUFFIX} are possible")
    if request.seed is not None and not 0 <= request.seed <= _LARGEST_SEED:
        raise kind.rejected("seed", f"is {request.seed}; it must be from 0 to {_LARGEST_SEED}")
    if request.extra:
        raise kind.rejected(f"extra.{next(iter(request.extra))}", f"isn't known to {kind.adjective} models")


def given(kind: Kind, values: Mapping[str, Json], known: Sequence[str]) -> dict[str, Json]:
    """The hyperparameters that are set; `"auto"` and None mean the same as absent.

    Raises:
        RequestRejectedError: One is unknown; the message names it.
    """
    found = {name: value for name, value in values.items() if value is not None and value != AUTO}
    for name in found:
        if name not in known:
            raise kind.rejected(
                f"hyperparameters.{name}", f"isn't known; {kind.adjective} models take {', '.join(known)}"
            )
    return found


def whole(kind: Kind, values: Mapping[str, Json], name: str, most: int) -> int | None:
    """A whole number from 1, None where it is absent. Raises `RequestRejectedError`."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise kind.rejected(
            f"hyperparameters.{name}", f"is {value!r}; it must be a whole number from 1 to {most}, or 'auto'"
        )
    return value


def number(kind: Kind, values: Mapping[str, Json], name: str, most: float) -> float | None:
    """A number above 0, None where it is absent. Raises `RequestRejectedError`."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise kind.rejected(
            f"hyperparameters.{name}", f"is {value!r}; it must be above 0 and at most {most:g}, or 'auto'"
        )
    return float(value)
