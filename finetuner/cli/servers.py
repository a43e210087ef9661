"""Commands that serve until they are interrupted."""

import secrets
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import output
from finetuner.cli.options import AsJson, Place

if TYPE_CHECKING:
    from finetuner.emulator.faults import Fault

_OWNER_ONLY = 0o600


def emulate(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where to listen on this machine; 0 takes a free one.")
    ] = 0,
    token: Annotated[
        str | None, typer.Option(help="What callers must show as their key; made and kept in the state by default.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Folder for files, jobs and models; `emulator` in the workspace by default.")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", "--faults", help="A failure of the next matching request, such as rate-limit:7."),
    ] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Answer on this machine as the providers do, and train with the embedded model; print what to export.

    Runs until it is interrupted. State is kept: the next start goes on with the same files, jobs and models.
    """
    from finetuner._core.workspace import Workspace
    from finetuner.emulator import Emulator
    from finetuner.emulator.faults import preset

    ordered: tuple[Fault, ...] = tuple(preset(name) for name in _split(faults or ()))
    folder = Path(state) if state is not None else Workspace.at(workspace).folder / "emulator"
    emulator = Emulator(workspace=folder.absolute(), port=port, token=token or _kept_token(folder / "token"))
    for fault in ordered:
        emulator.faults.add(fault)
    with emulator:
        settings = emulator.environment
        exports = "\n".join(f"export {name}={value}" for name, value in settings.items())
        output.result(exports, settings, as_json=as_json)
        output.advice(f"listening at {emulator.address}, state in {folder}; end it with Ctrl-C")
        _until_told_to_end()


def _until_told_to_end() -> None:
    """Wait for an interrupt, which is raised, or for a polite request to end."""
    ended = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        ended.set()

    before = signal.signal(signal.SIGTERM, end)
    try:
        ended.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def _kept_token(path: Path) -> str:
    """The state's token, made at the first start; only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.touch(_OWNER_ONLY, exist_ok=False)
    except FileExistsError:
        return path.read_text("utf-8").strip()
    made = f"sk-emulator-{secrets.token_urlsafe(24)}"
    path.write_text(f"{made}\n", "utf-8")
    return made


def _split(texts: Iterable[str]) -> Iterable[str]:
    return (name.strip() for text in texts for name in text.split(",") if name.strip())
