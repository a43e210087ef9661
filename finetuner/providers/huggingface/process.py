"""The training process of open weights: `python -m finetuner.providers.huggingface.process JOB_FOLDER LAUNCH`."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.data.examples import Example
from finetuner.errors import DataFormatError, RequestRejectedError
from finetuner.providers.detached.store import JobFolder
from finetuner.providers.detached.training import DetachedTraining, InvalidDataError, serve
from finetuner.providers.huggingface import chats, learning, reading, weights
from finetuner.providers.huggingface.bases import Base
from finetuner.providers.huggingface.mapping import KIND, Hyperparameters, exhausted
from finetuner.providers.ports import QUEUED, RUNNING, SUCCEEDED, VALIDATING, Checkpoint

_FLUSH: Final = 0.2
_MOST_STEP_EVENTS: Final = 500
_FOR_GOING_ON: Final = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin")
_QUIET: Final = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class Training(DetachedTraining):
    """One launch of an open-weight model's job."""

    parallel: ClassVar[int] = 1  # a job takes the whole machine

    def __init__(self, folder: JobFolder, launch: int) -> None:
        super().__init__(folder, launch)
        self._epochs = 0
        self._begun = self._flushed = time.monotonic()
        self._first_epoch = 0
        self._first = learning.rank() is None  # and not one of several that a first process became

    def train(self) -> None:
        """Train to the last epoch. Raises `InvalidDataError` and what else the job fails with."""
        if self._first:
            self._enter(VALIDATING, "validating the files")
        request, limits = self._record.request, self._record.limits
        base = Base.read(self._record.size).fetched()
        tokenizer = weights.load_tokenizer(base)
        training = self._examples(request.training_file, "training_file", limits.max_examples)
        if len(training) < (limits.min_examples or 1):
            message = f"the training file has {len(training)} examples and needs at least {limits.min_examples}"
            raise InvalidDataError(message, code="invalid_n_examples", param="training_file")
        validation = None
        if request.validation_file is not None:
            most = limits.max_validation_examples
            validation = self._examples(request.validation_file, "validation_file", most)
        chosen = self._hyperparameters().resolved(len(training), request.method)
        context = weights.context_of(weights.load_config(base), tokenizer)
        chosen = attrs.evolve(chosen, max_length=chosen.max_length or context)
        rows, tokens = self._rows(training, tokenizer, chosen, "training_file")
        valid_rows = self._rows(validation, tokenizer, chosen, "validation_file")[0] if validation else None
        self._state = attrs.evolve(self._state, hyperparameters=attrs.asdict(chosen))
        if self._first:
            self._enter(QUEUED, "the files are valid; waiting for the machine")
            self._wait_for_turn()
            self._take_over()
        kept = self._folder.checkpoints()
        begun = f"goes on after epoch {kept[-1].epoch}" if kept else "starts"
        self._enter(RUNNING, f"training {begun}: {len(rows)} examples, {tokens:,} tokens")
        if self._first and (count := learning.workers()) > 1:
            self._multiply(count)
        self._learn(base, tokenizer, chosen, rows, valid_rows)
        self._state = attrs.evolve(
            self._state,
            trained_tokens=tokens * (self._folder.checkpoints()[-1].epoch or 0),
            model_step=self._best_step() if chosen.early_stopping_patience is not None else None,
        )
        self._end(SUCCEEDED, f"the job succeeded: {KIND.tuned_model(self._record)}")

    def _examples(self, file_id: str, param: str, most: int | None) -> tuple[Example, ...]:
        return self._file(file_id, param, most, reading.read)

    def _rows(
        self, examples: Sequence[Example], tokenizer: weights.Tokenizer, chosen: Hyperparameters, param: str
    ) -> tuple[list[JsonObject], int]:
        """The rows to train on and their tokens; examples without anything to learn are said and left out."""
        try:
            rows = list(_rows(self._record.request.method, examples, tokenizer, chosen.max_length))
        except (DataFormatError, RequestRejectedError) as error:
            raise InvalidDataError(str(error), code=f"invalid_{param}", param=param) from error
        found = [row for row, _ in rows if row]
        if not found:
            message = f"no example of the {param.replace('_', ' ')} has an answer within {chosen.max_length} tokens"
            raise InvalidDataError(message, code=f"invalid_{param}", param=param)
        if len(found) < len(rows):
            lost = len(rows) - len(found)
            self._say(f"{lost} of {len(rows)} examples have no answer within {chosen.max_length} tokens", level="warn")
        return found, sum(tokens for row, tokens in rows if row)

    def _hyperparameters(self) -> Hyperparameters:
        return Hyperparameters.parse(self._record.request.hyperparameters, max_epochs=self._record.limits.max_epochs)

    def _learn(
        self,
        base: Base,
        tokenizer: weights.Tokenizer,
        chosen: Hyperparameters,
        rows: list[JsonObject],
        validation: list[JsonObject] | None,
    ) -> None:
        kept, scratch = self._folder.checkpoints(), self._folder.path / "scratch"
        if self._first:
            shutil.rmtree(scratch, ignore_errors=True)  # what a killed process left halfway
        parent = self._parent_adapter()
        plan = learning.Plan(
            method=self._record.request.method,
            chosen=chosen,
            seed=self._record.seed,
            folder=scratch,
            resume=self._folder.checkpoint(kept[-1].step) if kept else None,
            losses=tuple(point.metrics["valid_loss"] for point in kept if "valid_loss" in point.metrics),
        )
        self._epochs = chosen.epochs or 0
        self._first_epoch = kept[-1].epoch or 0 if kept else 0
        if exhausted(plan.losses, chosen.early_stopping_patience) or self._first_epoch >= self._epochs:
            return
        model = weights.load_model(base, parent, trainable=True)
        self._begun = time.monotonic()
        learning.train(model, tokenizer.native, plan, rows, validation, self)
        self._tidy(scratch)

    def _tidy(self, scratch: Path) -> None:
        _strip(self._folder.checkpoint(self._folder.checkpoints()[-1].step))
        shutil.rmtree(scratch, ignore_errors=True)

    def _multiply(self, count: int) -> None:
        """Become so many processes that train this job together; the first of them goes on telling how it is."""
        arguments = (str(self._folder.path), str(self._state.launch))
        command = learning.launch_command(KIND.process, arguments, count)
        os.environ["PYTHONSAFEPATH"] = "1"
        os.execv(command[0], command)  # noqa: S606  # our own interpreter and module

    def _parent_adapter(self) -> Path | None:
        """The adapter of the tuned model that this job goes on from."""
        parent, step = self._record.parent, self._record.parent_step
        return None if parent is None or step is None else self._store.place(parent).checkpoint(step)

    def _best_step(self) -> int:
        return min(self._folder.checkpoints(), key=lambda point: point.metrics["valid_loss"]).step

    # -- what the training tells ---------------------------------------------------------------------------------------

    def step(self, step: int, total: int) -> None:
        """A step is done: obey wishes, and tell others now and then."""
        self._obey()
        epoch = min(self._epochs, 1 + (step - 1) * self._epochs // total) if total else 1
        self._state = attrs.evolve(self._state, step=step, total_steps=total, epoch=max(1, epoch))
        if time.monotonic() - self._flushed > _FLUSH:
            self._flush()
            self._flushed = time.monotonic()

    def loss(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """The loss of a step is known: say it, of long trainings now and then."""
        if step % max(1, total // _MOST_STEP_EVENTS) == 0:
            place: dict[str, float] = {"step": step, "total_steps": total, "epoch": self._state.epoch or 1}
            self._say(f"step {step}/{total}", metrics=place | dict(metrics))

    def epoch(self, epoch: int, step: int, folder: Path, metrics: Mapping[str, float]) -> None:
        """An epoch is done: keep its checkpoint, and say when all will be."""
        target = self._folder.checkpoint(step)
        shutil.rmtree(target, ignore_errors=True)  # of a process that was killed before it made it known
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)
        for point in self._folder.checkpoints():  # the last one alone is gone on from
            _strip(self._folder.checkpoint(point.step))
        found: dict[str, float] = {"step": step, "epoch": epoch} | dict(metrics)
        self._folder.add_checkpoint(
            Checkpoint(
                id=KIND.checkpoint_id(self._record.id, step),
                model=KIND.tuned_model(self._record, step),
                step=step,
                epoch=epoch,
                metrics=found,
                created_at=time.time(),
            )
        )
        self._say(f"epoch {epoch}/{self._epochs} finished; checkpoint at step {step}", metrics=found)
        seconds = (time.monotonic() - self._begun) / max(1, epoch - self._first_epoch)
        self._state = attrs.evolve(self._state, estimated_finish=time.time() + (self._epochs - epoch) * seconds)
        self._flush()


class Helper(Training):
    """One of several processes that train a job, but not the one that tells of it: it writes nothing."""

    def run(self) -> bool:
        """Train along. What goes wrong ends this process, and with it the others."""
        with contextlib.suppress(learning.LeftError):
            self.train()
        return False

    def epoch(self, epoch: int, step: int, folder: Path, metrics: Mapping[str, float]) -> None:
        """Nothing: the first process keeps the checkpoint."""

    def _obey(self) -> None:
        """Nothing: the first process obeys, for all."""

    def _tidy(self, scratch: Path) -> None:
        """Nothing: the first process does."""

    def _flush(self) -> None:
        """Nothing: the first process tells."""

    def _say(self, message: str, *, level: str = "info", metrics: Mapping[str, float] | None = None) -> None:
        """Nothing: the first process tells."""


def _strip(folder: Path) -> None:
    """Remove what only going on needs: most of a checkpoint's bytes, and none of them safetensors."""
    for name in _FOR_GOING_ON:
        (folder / name).unlink(missing_ok=True)


def _rows(
    method: str, examples: Sequence[Example], tokenizer: weights.Tokenizer, max_length: int | None
) -> Iterator[tuple[JsonObject | None, int]]:
    """For each example its row, None where nothing in it would be learned, and its tokens."""
    for example in examples:
        if method == "dpo":
            yield _pair(example), len(tokenizer.encode(tokenizer.render(example.messages, (), True))[0])
            continue
        row = chats.supervised(example, tokenizer.render, tokenizer.encode, max_length)
        yield (
            {"input_ids": row.input_ids, "labels": row.labels} if row.learned else None,
            len(row.input_ids),
        )


def _pair(example: Example) -> JsonObject:
    preferred, rejected = example.preferred, example.rejected
    if preferred is None or rejected is None:
        raise DataFormatError("is no preference pair; dpo needs a preferred and a rejected answer", field="preferred")
    if preferred.tool_calls or rejected.tool_calls or any(message.tool_calls for message in example.messages):
        raise DataFormatError("calls tools; preference pairs of open-weight models are text", field="messages")
    return {
        "prompt": [chats.plain(message) for message in example.messages],
        "chosen": [chats.plain(preferred)],
        "rejected": [chats.plain(rejected)],
    }


def main(arguments: list[str]) -> int:
    """Train the job in a folder.

    Args:
        arguments: The job's folder and the number of the launch.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    if learning.rank():
        place, launch = arguments
        Helper(JobFolder(KIND, Path(place)), int(launch)).run()
        return 0
    return serve(Training, KIND, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
