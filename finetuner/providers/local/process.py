"""The training process of embedded models: `python -m finetuner.providers.local.process JOB_FOLDER LAUNCH`."""

import sys
import time
from typing import Final

import attrs

from finetuner.errors import FinetunerError
from finetuner.providers.detached.training import DetachedTraining, InvalidDataError, serve
from finetuner.providers.local import learning, reading, weights
from finetuner.providers.local.classifier import Classifier
from finetuner.providers.local.mapping import KIND, Hyperparameters, ResolvedHyperparameters
from finetuner.providers.local.reading import Labeled
from finetuner.providers.local.sizes import size_from
from finetuner.providers.ports import QUEUED, RUNNING, SUCCEEDED, VALIDATING, Checkpoint

_FLUSH: Final = 0.2
_MOST_STEP_EVENTS: Final = 500


class Training(DetachedTraining):
    """One launch of an embedded model's job."""

    def train(self) -> None:
        """Train to the last epoch. Raises `InvalidDataError` and what else the job fails with."""
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
        self._end(SUCCEEDED, f"the job succeeded: {KIND.tuned_model(self._record)}")

    def _data(self) -> tuple[Labeled, Labeled | None]:
        request, limits = self._record.request, self._record.limits
        training = self._file(request.training_file, "training_file", limits.max_examples, reading.read)
        if len(training) < (limits.min_examples or 1):
            raise InvalidDataError(
                f"the training file has {len(training)} examples and needs at least {limits.min_examples}",
                code="invalid_n_examples",
                param="training_file",
            )
        if request.validation_file is None:
            return training, None
        return training, self._file(
            request.validation_file, "validation_file", limits.max_validation_examples, reading.read
        )

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
                id=KIND.checkpoint_id(self._record.id, event.step),
                model=KIND.tuned_model(self._record, event.step),
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


def main(arguments: list[str]) -> int:
    """Train the job in a folder.

    Args:
        arguments: The job's folder and the number of the launch.
    """
    return serve(Training, KIND, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
