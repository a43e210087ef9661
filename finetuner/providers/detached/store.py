"""Where jobs lie: one folder each, readable by every process, torn by none.

```text
<workspace>/<provider>/
  files/<file id>/content.jsonl, file.json
  jobs/<job id>/
    request.json             what the job is; never changes
    state.json               how far it is; replaced as a whole by the training process
    events.jsonl             appended to by the training process
    launch-<n>               claimed by whoever starts process n, so that nobody starts it twice
    process.json             who trains; touched as a sign of life
    cancel, pause            wishes of others, for the training process to see
    process.log              what the process wrote to its output
    checkpoints/<step>/     weights, and checkpoint.json once they are whole
```
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import attrs

from finetuner._core import codec
from finetuner.errors import NotFoundError
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.liveness import ProcessIdentity
from finetuner.providers.detached.records import (
    JobRecord,
    JobState,
    current_state,
    death_event,
    event_id,
    snapshot,
)
from finetuner.providers.ports import SUCCEEDED, TERMINAL, Checkpoint, JobEvent, JobSnapshot

T = TypeVar("T")

CANCEL: Final = "cancel"
PAUSE: Final = "pause"

_STARTING: Final = 30.0
_LOG_TAIL: Final = 4_000
_LONGEST_LAST_WORDS: Final = 300


@attrs.frozen
class JobFolder:
    """One job on disk.

    Attributes:
        kind: The provider.
        path: `<workspace>/<provider>/jobs/<job id>`.
    """

    kind: Kind
    path: Path

    @property
    def id(self) -> str:
        """The job's id."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether the job was created in full."""
        return (self.path / "request.json").is_file()

    @property
    def log(self) -> Path:
        """What the training process wrote to its output."""
        return self.path / "process.log"

    def record(self) -> JobRecord:
        """What the job is. Raises `NotFoundError`."""
        try:
            return _read(self.path / "request.json", JobRecord)
        except FileNotFoundError as error:
            raise NotFoundError(f"no job {self.id!r} in {self.path.parent}", provider=self.kind.name) from error

    def write_record(self, record: JobRecord) -> None:
        """Create the job."""
        _write(self.path / "request.json", record)

    def written_state(self) -> JobState:
        """The state as the training process last wrote it."""
        try:
            return _read(self.path / "state.json", JobState)
        except FileNotFoundError:
            return JobState(updated_at=(self.path / "request.json").stat().st_mtime)

    def write_state(self, state: JobState) -> None:
        """Replace the state."""
        _write(self.path / "state.json", state)

    def state(self) -> JobState:
        """The state now, a death of the training process included."""
        alive = self.alive()  # before the state is read: a process that ends in between has written its last word
        state = self.written_state()
        if alive or state.status in TERMINAL:
            return state
        kept = self.checkpoints()
        return current_state(
            state, alive=alive, epochs_done=(kept[-1].epoch or 0) if kept else 0, last_words=self._last_words()
        )

    def snapshot(self) -> JobSnapshot:
        """The job now, as the ports show it. Raises `NotFoundError`."""
        record = self.record()
        return snapshot(record, self.state(), self.kind.tuned_model(record))

    # -- the process ---------------------------------------------------------------------------------------------------

    def claim_launch(self, number: int) -> bool:
        """Become the one who starts process `number`; False when somebody else did."""
        try:
            os.close(os.open(self.path / f"launch-{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            return False
        return True

    def write_process(self, process: ProcessIdentity) -> None:
        """Say who trains."""
        _write(self.path / "process.json", process)

    def beat(self) -> None:
        """Give a sign of life."""
        os.utime(self.path / "process.json")

    def process(self) -> ProcessIdentity | None:
        """Who trains, or did last."""
        try:
            return _read(self.path / "process.json", ProcessIdentity)
        except FileNotFoundError:
            return None

    def alive(self) -> bool:
        """Whether the training process runs, or was claimed so lately that it may be about to."""
        process = self.process()
        launch = self.written_state().launch if process is None else process.launch
        if process is not None and process.alive((self.path / "process.json").stat().st_mtime):
            return True
        with contextlib.suppress(FileNotFoundError):
            return time.time() - (self.path / f"launch-{launch + 1}").stat().st_mtime < _STARTING
        return launch == 0 and time.time() - (self.path / "request.json").stat().st_mtime < _STARTING

    def _last_words(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _LOG_TAIL))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line.strip()[:_LONGEST_LAST_WORDS] for line in reversed(lines) if line.strip()), "")

    # -- wishes --------------------------------------------------------------------------------------------------------

    def wish(self, name: str) -> None:
        """Leave a wish (`CANCEL` or `PAUSE`) for the training process."""
        (self.path / name).touch()

    def wished(self, name: str) -> bool:
        """Whether somebody left this wish."""
        return (self.path / name).exists()

    def withdraw(self, name: str) -> None:
        """Take a wish back."""
        (self.path / name).unlink(missing_ok=True)

    # -- events --------------------------------------------------------------------------------------------------------

    def events(self) -> tuple[JobEvent, ...]:
        """All events, oldest first; a line that a killed process left unfinished is passed over."""
        try:
            lines = (self.path / "events.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        events: list[JobEvent] = []
        for line in lines:
            with contextlib.suppress(ValueError):  # not JSON, so cut off
                events.append(attrs.evolve(codec.from_json(line, JobEvent), id=event_id(len(events) + 1)))
        state = self.state()
        if state.failure is not None and self.written_state().failure is None:
            events.append(death_event(state, len(events) + 1))
        return tuple(events)

    def add_event(self, event: JobEvent) -> None:
        """Append an event; the newline comes first, so that a torn line before it stays alone."""
        with (self.path / "events.jsonl").open("ab") as file:
            file.write(b"\n" + codec.to_json(event).encode())

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def checkpoint(self, step: int) -> Path:
        """The folder of a step."""
        return self.path / "checkpoints" / str(step)

    def weights(self, step: int) -> Path:
        """Where the weights of a step lie."""
        return self.checkpoint(step) / self.kind.weights

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Make a checkpoint known, once its weights are written."""
        _write(self.checkpoint(checkpoint.step) / "checkpoint.json", checkpoint)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Checkpoints that can be used, earliest step first."""
        found = [_read(path, Checkpoint) for path in (self.path / "checkpoints").glob("*/checkpoint.json")]
        return tuple(sorted(found, key=lambda checkpoint: checkpoint.step))

    def model_step(self) -> int | None:
        """The step that is the job's model, once it succeeded."""
        state = self.state()
        if state.status != SUCCEEDED:
            return None
        steps = [checkpoint.step for checkpoint in self.checkpoints()]
        return state.model_step if state.model_step in steps else (steps[-1] if steps else None)


@attrs.frozen
class Store:
    """All jobs and files of a workspace.

    Attributes:
        kind: The provider.
        folder: `<workspace>/<provider>`.
    """

    kind: Kind
    folder: Path

    @property
    def files(self) -> Path:
        """Where files lie."""
        return self.folder / "files"

    def content(self, file_id: str) -> Path:
        """Where a file's content lies, whether or not it exists. Raises `NotFoundError` for an impossible id."""
        return self.files / self._safe(file_id, "file") / "content.jsonl"

    def job(self, job_id: str) -> JobFolder:
        """A job that exists. Raises `NotFoundError`."""
        folder = self.place(job_id)
        if not folder.exists:
            raise NotFoundError(f"no job {job_id!r} in {folder.path.parent}", provider=self.kind.name)
        return folder

    def place(self, job_id: str) -> JobFolder:
        """Where a job lies, or would. Raises `NotFoundError` for an impossible id."""
        return JobFolder(self.kind, self.folder / "jobs" / self._safe(job_id, "job"))

    def jobs(self) -> tuple[JobFolder, ...]:
        """All jobs, newest first."""
        folders = [JobFolder(self.kind, path) for path in (self.folder / "jobs").glob(f"{self.kind.job_prefix}*")]
        dated = [(folder.record().created_at, folder.id, folder) for folder in folders if folder.exists]
        return tuple(folder for _, _, folder in sorted(dated, key=lambda item: item[:2], reverse=True))

    def tuned_models(self) -> Iterator[str]:
        """Names of tuned models that answer, newest first."""
        for folder in self.jobs():
            if folder.written_state().status == SUCCEEDED:
                yield self.kind.tuned_model(folder.record())

    def _safe(self, name: str, what: str) -> str:
        if not name or not all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in name):
            message = f"no {what} {name!r}: ids of {self.kind.adjective} {what}s are letters, digits and dashes"
            raise NotFoundError(message, provider=self.kind.name)
        return name


def _read(path: Path, cls: type[T]) -> T:
    return codec.from_json(path.read_bytes(), cls)


def _write(path: Path, value: object) -> None:
    codec.write_atomically(path, codec.to_json(value).encode())
