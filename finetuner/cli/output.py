"""The only place that prints: results to standard output, progress and advice to standard error."""

import json
import math
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol, cast

import attrs

from finetuner._core.types import Json


class Counted(Protocol):
    """How far something is."""

    @property
    def done(self) -> int:
        """Units done."""
        ...

    @property
    def total(self) -> int:
        """Units in all."""
        ...


class Report(Protocol):
    """Is told how far something is."""

    def __call__(self, progress: Counted, /) -> None:
        """Show it."""
        ...


def result(text: str, value: object, *, as_json: bool) -> None:
    """Print a result: its text for people, or the same as one JSON document."""
    shown = json.dumps(plain(value), ensure_ascii=False, allow_nan=False) if as_json else text
    sys.stdout.write(f"{shown}\n")
    sys.stdout.flush()


def advice(text: str) -> None:
    """Print a remark for people."""
    sys.stderr.write(f"{text}\n")


def error(text: str) -> None:
    """Print why a command failed."""
    sys.stderr.write(f"error: {text}\n")


@contextmanager
def progress(what: str) -> Generator[Report]:
    """A progress bar on a terminal; silent elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def report(state: Counted, /) -> None:
            bar.update(task, completed=state.done, total=state.total)

        yield report


def plain(value: Any) -> Json:
    """The JSON value of a result: public fields of objects, arrays as lists, days as ISO text, no infinities."""
    fields: tuple[str, ...] | None = _public(cast("type[object]", type(value)))
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    if callable(to_list := getattr(value, "tolist", None)):  # an array or number of numpy, which takes long to import
        return plain(to_list())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in cast("list[object]", value)]
    return _leaf(value)


def _public(cls: type[object]) -> tuple[str, ...] | None:
    if not attrs.has(cls):
        return None
    return tuple(field.name for field in attrs.fields(cls) if not field.name.startswith("_"))


def _leaf(value: Any) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
