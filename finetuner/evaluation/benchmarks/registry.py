"""Which benchmark a name means, and where its file lies."""

import os
from collections.abc import Callable
from pathlib import Path

import attrs

from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.errors import DataFormatError, UnknownNameError
from finetuner.evaluation.benchmarks import gsm8k

_ENVIRONMENT = "FINETUNER_BENCHMARKS"


@attrs.frozen
class Benchmark:
    """A set of rows with the metrics that grade it.

    Attributes:
        name: Such as `gsm8k`, or a file's path.
        data: The rows.
        metrics: Names of metrics; None chooses by the data.
        parts: What each metric stands for, in the same order; empty where one number says all.
    """

    name: str
    data: Dataset
    metrics: tuple[str, ...] | None = None
    parts: tuple[str, ...] = ()


_Loader = Callable[[Path, int | None], Benchmark]


def _gsm8k(path: Path, limit: int | None) -> Benchmark:
    return Benchmark(gsm8k.NAME, gsm8k.load(path, limit), gsm8k.METRICS, gsm8k.PARTS)


_LOADERS: dict[str, _Loader] = {gsm8k.NAME: _gsm8k}


def names() -> tuple[str, ...]:
    """Names of all benchmarks, sorted."""
    return tuple(sorted(_LOADERS))


def load(name: str, *, path: str | Path | None, limit: int | None, workspace: Workspace) -> Benchmark:
    """The benchmark that a name means, with its rows.

    Args:
        name: A known name; or the path of an own data set in any format; or any name, with a path.
        path: The file of a named benchmark. By default `<name>.jsonl` in `$FINETUNER_BENCHMARKS` or in the workspace's
            folder `benchmarks`.
        limit: Only so many rows from the start.
        workspace: Where to look.

    Raises:
        UnknownNameError: Neither a known name nor a file.
        DataFormatError: There is no file, or it isn't one of this benchmark.
    """
    loader = _LOADERS.get(name)
    if loader is not None:
        return loader(_file(name, path, workspace), limit)
    own = Path(path if path is not None else name)
    if not own.exists():
        raise UnknownNameError(f"no benchmark {name!r}; known: {', '.join(names())}, or the path of an own data set")
    data = Dataset.load(own)
    return Benchmark(name, data if limit is None else data[:limit])


def _file(name: str, path: str | Path | None, workspace: Workspace) -> Path:
    folder = os.environ.get(_ENVIRONMENT)
    places = [Path(folder) / f"{name}.jsonl"] if folder else []
    places.append(workspace.folder / "benchmarks" / f"{name}.jsonl")
    candidates = places if path is None else [Path(path)]
    for place in candidates:
        if place.is_file():
            return place
    raise DataFormatError(
        f"benchmark {name} needs its data file: put it at {places[-1]}, set {_ENVIRONMENT} to its folder, or pass its "
        "path" + ("" if path is None else f" ({path} isn't a file)")
    )
