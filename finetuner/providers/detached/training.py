"""One launch of a job, in its own process: what every provider's training does around the training itself.

It reads what the job is, trains, and writes how far it is; it obeys wishes that are left in the job's folder. It may be
killed at any moment: what it wrote is whole, and the next process goes on from the last finished epoch.
"""

import itertools
import os
import shutil
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Protocol, TypeVar

import attrs

from finetuner.errors import DataFormatError, FinetunerError, NotFoundError
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.liveness import ProcessIdentity
from finetuner.providers.detached.store import CANCEL, PAUSE, JobFolder, Store
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    RUNNING,
    VALIDATING,
    JobEvent,
    JobFailure,
)

_BEAT: Final = 10.0
_TURN: Final = 0.2
_NO_METRICS: Final[Mapping[str, float]] = {}


class _Sized(Protocol):
    def __len__(self) -> int: ...


S = TypeVar("S", bound=_Sized)


class Stopped(Exception):  # noqa: N818  # not an error: somebody wished it
    """The job was cancelled or paused; `args` are the status and the words for it."""


class InvalidDataError(FinetunerError):
    """The files can't be trained on."""

    def __init__(self, message: str, *, code: str, param: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class DetachedTraining(ABC):
    """One launch of a job. Holds the state that is being written: the one mutable thing of the provider.

    Attributes:
        parallel: How many jobs of the provider train at once on this machine.
    """

    parallel: ClassVar[int] = os.cpu_count() or 1

    def __init__(self, folder: JobFolder, launch: int) -> None:
        self._folder = folder
        self._kind = folder.kind
        self._store = Store(folder.kind, folder.path.parent.parent)
        self._record = folder.record()
        self._state = attrs.evolve(folder.written_state(), launch=launch, status=VALIDATING)

    def run(self) -> bool:
        """Train to an end, whatever it is.

        Returns:
            Whether the job was resumed while it was being paused, so that the next launch is this process's to do.
        """
        try:
            self.train()
        except Stopped as stop:
            status, words = stop.args
            self._end(status, words)
            if status == PAUSED and not self._folder.wished(PAUSE):  # `resume` came before the state said paused
                return self._folder.claim_launch(self._state.launch + 1)
        except InvalidDataError as error:
            self._fail(str(error), code=error.code, param=error.param)
        except FinetunerError as error:
            self._fail(str(error), code="training_error")
        except MemoryError:
            self._fail(
                "out of memory; use a smaller base model, a smaller file, or a larger machine", code="out_of_memory"
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, the job must say so; the log has the traceback
            traceback.print_exc()
            self._fail(
                f"{type(error).__name__}: {error}; the traceback is in {self._folder.log}", code="internal_error"
            )
        return False

    @abstractmethod
    def train(self) -> None:
        """Validate, wait for a turn, train, and end the job as succeeded. Raises what the job fails with."""

    # -- for the phases ------------------------------------------------------------------------------------------------

    def _file(self, file_id: str, param: str, most: int | None, read: Callable[[Path, str], S]) -> S:
        """What a file holds, within the limits.

        Args:
            file_id: The file.
            param: What it is to the request, for the failure.
            most: Most examples, None for no limit.
            read: Reads a path, with the name to call it in errors.

        Raises:
            InvalidDataError: It can't be read, or is too large.
        """
        path = self._store.content(file_id)
        try:
            size, found = path.stat().st_size, None
            if size <= (self._record.limits.max_file_bytes or size):
                found = read(path, file_id)
        except DataFormatError as error:
            raise InvalidDataError(str(error), code=f"invalid_{param}", param=param) from error
        except FileNotFoundError as error:
            message = f"{file_id} was deleted; upload it again"
            raise InvalidDataError(message, code=f"invalid_{param}", param=param) from error
        if found is None:
            message = f"{file_id} has {size:,} bytes, more than the model takes; sample it or use another model"
            raise InvalidDataError(message, code=f"invalid_{param}", param=param)
        if not 0 < len(found) <= (most or len(found)):
            message = (
                f"{file_id} has {len(found):,} examples; {f'1 to {most:,}' if most else 'at least 1'} are possible"
            )
            raise InvalidDataError(message, code="invalid_n_examples", param=param)
        return found

    def _wait_for_turn(self) -> None:
        while self._running_before() >= self.parallel:
            self._obey()
            time.sleep(_TURN)

    def _running_before(self) -> int:
        others = (folder for folder in self._store.jobs() if folder.id != self._folder.id)
        return sum(folder.written_state().status == RUNNING and folder.alive() for folder in others)

    def _take_over(self) -> None:
        """Copy the checkpoints of the dead job that this one goes on from."""
        if self._record.continues is None:
            return
        dead = self._store.place(self._record.continues)
        for checkpoint in dead.checkpoints() if not self._folder.checkpoints() else ():
            source, target = dead.checkpoint(checkpoint.step), self._folder.checkpoint(checkpoint.step)
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checkpoint.json"))
            self._folder.add_checkpoint(
                attrs.evolve(
                    checkpoint,
                    id=self._kind.checkpoint_id(self._record.id, checkpoint.step),
                    model=self._kind.tuned_model(self._record, checkpoint.step),
                )
            )
            self._say(f"took over step {checkpoint.step} from {dead.id}", metrics=checkpoint.metrics)

    def _obey(self) -> None:
        if self._folder.wished(CANCEL):
            raise Stopped(CANCELLED, "the job was cancelled")
        if self._folder.wished(PAUSE):
            raise Stopped(PAUSED, "the job is paused; resume it to go on from its last finished epoch")

    def _enter(self, status: str, words: str) -> None:
        self._obey()
        self._state = attrs.evolve(self._state, status=status)
        self._flush()
        self._say(words)

    def _end(self, status: str, words: str) -> None:
        self._say(words, level="error" if status == FAILED else "info")
        finished = None if status == PAUSED else time.time()
        self._state = attrs.evolve(self._state, status=status, finished_at=finished, estimated_finish=None)
        self._flush()

    def _fail(self, message: str, *, code: str, param: str | None = None) -> None:
        self._state = attrs.evolve(self._state, failure=JobFailure(message=message, code=code, param=param))
        self._end(FAILED, message)

    def _flush(self) -> None:
        self._state = attrs.evolve(self._state, updated_at=time.time())
        self._folder.write_state(self._state)

    def _say(self, message: str, *, level: str = "info", metrics: Mapping[str, float] = _NO_METRICS) -> None:
        self._folder.add_event(JobEvent(id="", created_at=time.time(), message=message, level=level, metrics=metrics))


def _beat(folder: JobFolder) -> None:
    for _ in itertools.count():
        time.sleep(_BEAT)
        folder.beat()


def serve(training: type[DetachedTraining], kind: Kind, arguments: Sequence[str]) -> int:
    """Train the job in a folder, and say who does.

    Args:
        training: How.
        kind: The provider.
        arguments: The job's folder and the number of the launch.

    Returns:
        The process's exit status.
    """
    place, launch = arguments
    folder = JobFolder(kind, Path(place))
    folder.write_process(ProcessIdentity.of(os.getpid(), int(launch)))
    threading.Thread(target=_beat, args=(folder,), daemon=True).start()
    try:
        number = int(launch)
        while training(folder, number).run():
            number += 1
            folder.write_process(ProcessIdentity.of(os.getpid(), number))
    except NotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
