"""Which benchmark a name means, and where its file lies."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

import attrs

from finetuner._core import codec, extras
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.errors import DataFormatError, UnknownNameError, UsageError
from finetuner.evaluation.benchmarks import arc, gsm8k, hellaswag, humaneval, ifeval, mmlu, reading, squad, truthfulqa
from finetuner.evaluation.benchmarks.humaneval import PassAtOne, Sandbox
from finetuner.evaluation.metrics.registry import MetricLike

_ENVIRONMENT = "FINETUNER_BENCHMARKS"
_PAGES: Final = MappingProxyType(
    {page.NAME: page for page in (arc, gsm8k, hellaswag, humaneval, ifeval, mmlu, squad, truthfulqa)}
)


@attrs.frozen
class Benchmark:
    """A set of rows with the metrics that grade it.

    Attributes:
        name: Such as `gsm8k`, or a file's path.
        data: The rows.
        metrics: What grades them; None chooses by the data.
        parts: What each metric stands for, in the same order; empty where one number says all.
    """

    name: str
    data: Dataset
    metrics: tuple[MetricLike, ...] | None = None
    parts: tuple[str, ...] = ()


def names() -> tuple[str, ...]:
    """Names of all benchmarks, sorted."""
    return tuple(sorted(_PAGES))


def load(
    name: str,
    *,
    path: str | Path | None,
    limit: int | None,
    workspace: Workspace,
    download: bool = False,
    sandbox: Sandbox | None = None,
) -> Benchmark:
    """The benchmark that a name means, with its rows.

    Args:
        name: A known name; or the path of an own data set in any format; or any name, with a path.
        path: The file of a named benchmark. By default `<name>.jsonl` in `$FINETUNER_BENCHMARKS` or in the workspace's
            folder `benchmarks`.
        limit: Only so many rows from the start.
        workspace: Where to look, and where downloads are kept.
        download: Get the data from the Hugging Face hub where they are nowhere here.
        sandbox: Where programs run, for benchmarks whose answers are programs.

    Raises:
        UnknownNameError: Neither a known name nor a file.
        DataFormatError: There is no file, or it isn't one of this benchmark.
        UsageError: Answers are programs, and there is no sandbox.
        MissingExtraError: A download needs a package that isn't installed.
    """
    page = _PAGES.get(name)
    if page is not None:
        metrics = _metrics(page, sandbox)
        file = _file(page, path, workspace, download=download)
        return Benchmark(name, reading.load(file, page.example_of, limit), metrics, page.PARTS)
    own = Path(path if path is not None else name)
    if not own.exists():
        raise UnknownNameError(f"no benchmark {name!r}; known: {', '.join(names())}, or the path of an own data set")
    data = Dataset.load(own)
    return Benchmark(name, data if limit is None else data[:limit])


def _metrics(page: ModuleType, sandbox: Sandbox | None) -> tuple[MetricLike, ...]:
    if page is not humaneval:
        return tuple(page.METRICS)
    if sandbox is None:
        raise UsageError(
            "humaneval runs programs that a model wrote: name a sandbox for them, such as "
            '--sandbox "docker run --rm -i --network none --memory 512m python:3.12 python -"'
        )
    return (PassAtOne(sandbox),)


def _file(page: ModuleType, path: str | Path | None, workspace: Workspace, *, download: bool) -> Path:
    name = str(page.NAME)
    folder = os.environ.get(_ENVIRONMENT)
    own = workspace.folder / "benchmarks" / f"{name}.jsonl"
    places = [Path(folder) / own.name] if folder else []
    places.append(own)
    for place in places if path is None else [Path(path)]:
        if place.is_file():
            return place
    if download and path is None:
        return _downloaded(page.HUB, own)
    raise DataFormatError(
        f"benchmark {name} needs its data file: put it at {own}, set {_ENVIRONMENT} to its folder, pass its path, or "
        "let it be downloaded" + ("" if path is None else f" ({path} isn't a file)")
    )


def _downloaded(hub: Sequence[str | None], place: Path) -> Path:
    """The rows of a data set of the hub, kept as JSON lines; a half-loaded file is never left."""
    library: Any = extras.require("datasets", extra="benchmarks", feature="downloading benchmarks")
    repository, configuration, split = hub
    rows = library.load_dataset(repository, configuration, split=split)
    codec.write_atomically(place, b"".join(codec.encode(dict(row)) + b"\n" for row in rows))
    return place
