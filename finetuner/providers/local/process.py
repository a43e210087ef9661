"""The training process: `python -m finetuner.providers.local.process JOB_FOLDER LAUNCH`.

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
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from finetuner.errors import DataFormatError, FinetunerError, NotFoundError
from finetuner.providers.local import learning, mapping, reading, weights
from finetuner.providers.local.classifier import Classifier
from finetuner.providers.local.liveness import ProcessIdentity
from finetuner.providers.local.mapping import Hyperparameters, ResolvedHyperparameters
from finetuner.providers.local.reading import Labeled
from finetuner.providers.local.sizes import size_from
from finetuner.providers.local.store import CANCEL, PAUSE, JobFolder, Store
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    VALIDATING,
    Checkpoint,
    JobEvent,
    JobFailure,
)

_BEAT: Final = 10.0
_TURN: Final = 0.2
_FLUSH: Final = 0.2
_MOST_STEP_EVENTS: Final = 500
_NO_METRICS: Final[Mapping[str, float]] = {}


class _Stopped(Exception):  # noqa: N818  # not an error: somebody wished it
    """The job was cancelled or paused; `args` are the status and the words for it."""


class _InvalidDataError(FinetunerError):
    """The files can't be trained on."""

    def __init__(self, message: str, *, code: str, param: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Training:
    """One launch of a job. Holds the state that is being written: the one mutable thing of the provider."""

    def __init__(self, folder: JobFolder, launch: int) -> None:
        self._folder = folder
        self._store = Store(folder.path.parent.parent)
        self._record = folder.record()
        self._state = attrs.evolve(folder.written_state(), launch=launch, status=VALIDATING)

    def run(self) -> bool:
        """Train to an end, whatever it is.

        Returns:
            Whether the job was resumed while it was being paused, so that the next launch is this process's to do.
        """
        try:
            self._train()
        except _Stopped as stop:
            status, words = stop.args
            self._end(status, words)
            if status == PAUSED and not self._folder.wished(PAUSE):  # `resume` came before the state said paused
                return self._folder.claim_launch(self._state.launch + 1)
        except _InvalidDataError as error:
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

    # -- the phases ----------------------------------------------------------------------------------------------------

    def _train(self) -> None:
        self._enter(VALIDATING, "validating the files")
        training, validation = self._data()
        name = self._record.request.training_file
        tokens = reading.count(self._store.content(name), name, self._record.request.model)
        chosen = self._hyperparameters().resolved(len(training))
        self._state = attrs.evolve(self._state, hyperparameters=attrs.asdict(chosen))
        self._enter(QUEUED, "the files are valid; waiting for a free processor")
        self._wait_for_turn()
        self._take_over()
        start = self._last_checkpoint()
        begun = f"goes on after epoch {start.epoch}" if start else "starts"
        self._enter(RUNNING, f"training {begun}: {len(training)} examples, {len(set(training.answers))} answers")
        self._learn(training, validation, chosen, start)
        self._state = attrs.evolve(self._state, trained_tokens=tokens * chosen.epochs)
        self._end(SUCCEEDED, f"the job succeeded: {mapping.tuned_model(self._record)}")

    def _data(self) -> tuple[Labeled, Labeled | None]:
        request, limits = self._record.request, self._record.limits
        training = self._file(request.training_file, "training_file", limits.max_examples)
        if len(training) < (limits.min_examples or 1):
            raise _InvalidDataError(
                f"the training file has {len(training)} examples and needs at least {limits.min_examples}",
                code="invalid_n_examples",
                param="training_file",
            )
        if request.validation_file is None:
            return training, None
        return training, self._file(request.validation_file, "validation_file", limits.max_validation_examples)

    def _file(self, file_id: str, param: str, most: int | None) -> Labeled:
        path = self._store.content(file_id)
        try:
            size, found = path.stat().st_size, None
            if size <= (self._record.limits.max_file_bytes or size):
                found = reading.read(path, file_id)
        except DataFormatError as error:
            raise _InvalidDataError(str(error), code=f"invalid_{param}", param=param) from error
        except FileNotFoundError as error:
            message = f"{file_id} was deleted; upload it again"
            raise _InvalidDataError(message, code=f"invalid_{param}", param=param) from error
        if found is None:
            message = f"{file_id} has {size:,} bytes, more than the model takes; sample it or use another model"
            raise _InvalidDataError(message, code=f"invalid_{param}", param=param)
        if not 0 < len(found) <= (most or len(found)):
            message = (
                f"{file_id} has {len(found):,} examples; {f'1 to {most:,}' if most else 'at least 1'} are possible"
            )
            raise _InvalidDataError(message, code="invalid_n_examples", param=param)
        return found

    def _wait_for_turn(self) -> None:
        while self._running_before() >= (os.cpu_count() or 1):
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
            target = self._folder.weights(checkpoint.step)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dead.weights(checkpoint.step), target)
            self._folder.add_checkpoint(
                attrs.evolve(
                    checkpoint,
                    id=_checkpoint_id(self._record.id, checkpoint.step),
                    model=mapping.tuned_model(self._record, checkpoint.step),
                )
            )
            self._say(f"took over step {checkpoint.step} from {dead.id}", metrics=checkpoint.metrics)

    def _last_checkpoint(self) -> learning.Checkpoint | None:
        for checkpoint in reversed(self._folder.checkpoints()):
            try:
                return weights.load(self._folder.weights(checkpoint.step))
            except (FinetunerError, OSError) as error:
                self._say(f"the checkpoint of step {checkpoint.step} can't be used: {error}", level="warn")
        return None

    def _hyperparameters(self) -> Hyperparameters:
        return Hyperparameters.parse(self._record.request.hyperparameters, max_epochs=self._record.limits.max_epochs)

    def _learn(
        self,
        training: Labeled,
        validation: Labeled | None,
        chosen: ResolvedHyperparameters,
        start: learning.Checkpoint | None,
    ) -> None:
        plan = learning.Plan(size=size_from(self._record.size), seed=self._record.seed, **attrs.asdict(chosen))
        begun, flushed = time.monotonic(), 0.0
        first_epoch = start.epoch if start else 0
        for event in learning.train(
            (training.texts, training.answers),
            plan,
            validation=(validation.texts, validation.answers) if validation else None,
            resume=start,
            origin=self._origin(),
        ):
            if isinstance(event, learning.EpochEnd):
                self._finish_epoch(event, plan.epochs, (time.monotonic() - begun) / (event.epoch - first_epoch))
                continue
            self._obey()
            self._state = attrs.evolve(self._state, step=event.step, total_steps=event.total_steps, epoch=event.epoch)
            if event.step % max(1, event.total_steps // _MOST_STEP_EVENTS) == 0:
                self._say(f"step {event.step}/{event.total_steps}", metrics=_step_metrics(event))
            if time.monotonic() - flushed > _FLUSH:
                self._flush()
                flushed = time.monotonic()

    def _origin(self) -> Classifier | None:
        """The tuned model that this job goes on from."""
        parent, step = self._record.parent, self._record.parent_step
        if parent is None or step is None:
            return None
        return weights.load(self._store.place(parent).weights(step)).classifier

    def _finish_epoch(self, event: learning.EpochEnd, epochs: int, seconds_per_epoch: float) -> None:
        path = self._folder.weights(event.step)
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.save(event.checkpoint, path)
        metrics = _epoch_metrics(event)
        self._folder.add_checkpoint(
            Checkpoint(
                id=_checkpoint_id(self._record.id, event.step),
                model=mapping.tuned_model(self._record, event.step),
                step=event.step,
                epoch=event.epoch,
                metrics=metrics,
                created_at=time.time(),
            )
        )
        self._say(f"epoch {event.epoch}/{epochs} finished; checkpoint at step {event.step}", metrics=metrics)
        remaining = (epochs - event.epoch) * seconds_per_epoch
        self._state = attrs.evolve(self._state, estimated_finish=time.time() + remaining)
        self._flush()

    # -- what others see -----------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        if self._folder.wished(CANCEL):
            raise _Stopped(CANCELLED, "the job was cancelled")
        if self._folder.wished(PAUSE):
            raise _Stopped(PAUSED, "the job is paused; resume it to go on from its last finished epoch")

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


def _step_metrics(event: learning.Step) -> dict[str, float]:
    return {
        "step": event.step,
        "total_steps": event.total_steps,
        "epoch": event.epoch,
        "train_loss": event.train_loss,
        "train_accuracy": event.train_accuracy,
    }


def _epoch_metrics(event: learning.EpochEnd) -> dict[str, float]:
    metrics: dict[str, float] = {
        "step": event.step,
        "total_steps": event.total_steps,
        "epoch": event.epoch,
        "train_loss": event.train_loss,
    }
    if event.full_valid_loss is not None and event.full_valid_accuracy is not None:
        metrics |= {"valid_loss": event.full_valid_loss, "valid_accuracy": event.full_valid_accuracy}
    return metrics


def _checkpoint_id(job_id: str, step: int) -> str:
    return f"ftckpt-local-{job_id.removeprefix(mapping.JOB_PREFIX)}-{step}"


def _beat(folder: JobFolder) -> None:
    for _ in itertools.count():
        time.sleep(_BEAT)
        folder.beat()


def main(arguments: list[str]) -> int:
    """Train the job in a folder.

    Args:
        arguments: The job's folder and the number of the launch.
    """
    place, launch = arguments
    folder = JobFolder(Path(place))
    folder.write_process(ProcessIdentity.of(os.getpid(), int(launch)))
    threading.Thread(target=_beat, args=(folder,), daemon=True).start()
    try:
        number = int(launch)
        while Training(folder, number).run():
            number += 1
            folder.write_process(ProcessIdentity.of(os.getpid(), number))
    except NotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
