"""What a job tells: its snapshot, and what can be asked of it without changing anything."""

import asyncio

import attrs

from finetuner._core.clock import SYSTEM_CLOCK
from finetuner._core.retry import retrying
from finetuner.data.tokens import count_dataset
from finetuner.errors import JobNotReadyError
from finetuner.providers.model import Model
from finetuner.providers.ports import Checkpoint, JobEvent, JobSnapshot, Provider, Trainer
from finetuner.providers.reference import ModelReference
from finetuner.records.journal import Journal
from finetuner.training.creation import local_copy, trainer_of
from finetuner.training.curve import Curve
from finetuner.training.progress import Progress
from finetuner.training.spec import DEFAULT_EPOCHS
from finetuner.training.verdict import BestCheckpoint, Verdict, best_checkpoint, verdict

_PER_MILLION = 1_000_000


@attrs.frozen(kw_only=True)
class JobView:
    """A job as it was seen, and what can be asked about it.

    Attributes:
        provider: The provider's name.
        snapshot: What the provider said last.
        training_fingerprint: Of the training data set, where known.
        validation_fingerprint: Of the validation data set, where known.
    """

    provider: str
    snapshot: JobSnapshot
    training_fingerprint: str | None = None
    validation_fingerprint: str | None = None
    _connection: Provider = attrs.field(eq=False, repr=False, alias="connection")
    _journal: Journal = attrs.field(eq=False, repr=False, alias="journal")

    @property
    def id(self) -> str:
        """The provider's id."""
        return self.snapshot.id

    @property
    def status(self) -> str:
        """`validating`, `queued`, `running`, `paused`, `succeeded`, `failed`, `cancelled`, or the provider's word."""
        return self.snapshot.status

    @property
    def journal(self) -> Journal:
        """The journal that it is written down in: cards and checklists read it."""
        return self._journal

    @property
    def base(self) -> Model:
        """The model that was trained from."""
        return self._model(self.snapshot.model)

    @property
    def model(self) -> Model:
        """The tuned model.

        Raises:
            JobNotReadyError: There is none yet.
        """
        if self.snapshot.tuned_model is None:
            raise JobNotReadyError(f"job {self.id} is {self.status} and has no model yet; wait() first", job_id=self.id)
        return self._model(self.snapshot.tuned_model)

    def events(self) -> tuple[JobEvent, ...]:
        """All events, oldest first."""
        return retrying(lambda: self._trainer.events(self.id))

    async def events_async(self) -> tuple[JobEvent, ...]:
        """All events, without blocking the event loop."""
        return await asyncio.to_thread(self.events)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Saved states that can answer, earliest first."""
        return retrying(lambda: self._trainer.checkpoints(self.id))

    async def checkpoints_async(self) -> tuple[Checkpoint, ...]:
        """Saved states that can answer, without blocking the event loop."""
        return await asyncio.to_thread(self.checkpoints)

    def curve(self) -> Curve:
        """Losses step by step."""
        return Curve.of(self.events(), self.checkpoints())

    async def curve_async(self) -> Curve:
        """Losses step by step, without blocking the event loop."""
        return await asyncio.to_thread(self.curve)

    def best_checkpoint(self) -> BestCheckpoint | None:
        """The checkpoint to use, as a model, and why; None while there is none."""
        return best_checkpoint(self.checkpoints(), self.checkpoint_model)

    async def best_checkpoint_async(self) -> BestCheckpoint | None:
        """The checkpoint to use and why, without blocking the event loop."""
        return await asyncio.to_thread(self.best_checkpoint)

    def checkpoint_model(self, checkpoint: Checkpoint) -> Model:
        """A checkpoint as a model."""
        return self._model(checkpoint.model)

    def verdict(self) -> Verdict:
        """What the losses say: good, overfitting, underfitting, diverged, too few steps, or not validated."""
        return verdict(self.curve())

    async def verdict_async(self) -> Verdict:
        """What the losses say, without blocking the event loop."""
        return await asyncio.to_thread(self.verdict)

    def progress(self) -> Progress:
        """Share, epoch, losses, time left and cost so far, as far as anybody tells."""
        return Progress.of(self.snapshot, self.events(), now=SYSTEM_CLOCK.now(), total_usd=self._total_usd())

    async def progress_async(self) -> Progress:
        """Share, epoch, losses, time left and cost so far, without blocking the event loop."""
        return await asyncio.to_thread(self.progress)

    # -- private ---------------------------------------------------------------------------------------------------

    @property
    def _trainer(self) -> Trainer:
        return trainer_of(self._connection)

    def _total_usd(self) -> float | None:
        """What the whole training costs, as far as the tokens and their price are known here."""
        entry = self._connection.catalog.find(self.snapshot.model)
        price = None if entry is None else entry.prices.training
        if not price:
            return price
        if self.snapshot.trained_tokens is not None:
            return self.snapshot.trained_tokens * price / _PER_MILLION
        data = None if self.training_fingerprint is None else local_copy(self.training_fingerprint, self._journal)
        if data is None:
            return None
        epochs = self.snapshot.hyperparameters.get("epochs")
        times = epochs if isinstance(epochs, int) else DEFAULT_EPOCHS
        return count_dataset(data, self.snapshot.model).total * times * price / _PER_MILLION

    def _model(self, name: str) -> Model:
        return Model(ModelReference(self.provider, name), provider=self._connection)
