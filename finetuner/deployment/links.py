"""What a card and a checklist know of a tuned model: plain values, linked from data to decisions."""

import attrs

from finetuner._core.types import Json


@attrs.frozen(kw_only=True)
class DataLink:
    """A data set that a model was made from.

    Attributes:
        role: `train` or `validation`.
        fingerprint: Of its content; None where the file came from elsewhere.
        examples: How many; None where unknown.
        source: Where it came from, for people.
        license: Under which it may be used, an SPDX expression; None where nobody said.
        steps: What was done to it, in order; empty where the data itself wasn't given.
        redacted: Whether personal data was taken out; None where the data itself wasn't given.
    """

    role: str
    fingerprint: str | None
    examples: int | None = None
    source: str | None = None
    license: str | None = None
    steps: tuple[str, ...] = ()
    redacted: bool | None = None


@attrs.frozen(kw_only=True)
class LossLink:
    """What the losses of a training say.

    Attributes:
        shape: `good`, `overfitting`, `underfitting`, `diverged` or `too few steps`.
        reason: The numbers that led there.
        train_first: Training loss at the first step; None where unknown, as the next two.
        train_last: At the last step.
        valid_last: Validation loss at the end.
    """

    shape: str
    reason: str
    train_first: float | None
    train_last: float | None
    valid_last: float | None


@attrs.frozen(kw_only=True)
class JobLink:
    """The training job.

    Attributes:
        id: The provider's id.
        provider: Its name.
        base: `provider:model` that was trained from.
        tuned: `provider:model` that came out; None while there is none.
        method: `supervised`, `dpo`, …
        hyperparameters: As far as the provider tells.
        seed: As given or chosen.
        status: The provider's word.
        created_at: Seconds since the epoch.
        finished_at: Likewise; None while it runs.
        trained_tokens: What is billed; None where unknown.
        losses: What they say; None where the provider couldn't be asked.
    """

    id: str
    provider: str
    base: str
    tuned: str | None
    method: str
    hyperparameters: Json
    seed: int | None
    status: str
    created_at: float
    finished_at: float | None
    trained_tokens: int | None
    losses: LossLink | None


@attrs.frozen(kw_only=True)
class CheckpointLink:
    """The checkpoint to use.

    Attributes:
        model: `provider:model`.
        step: Training step.
        reason: Why this one.
    """

    model: str
    step: int
    reason: str


@attrs.frozen(kw_only=True)
class Measure:
    """A measured value.

    Attributes:
        name: Such as `accuracy`.
        value: In the metric's own units.
        low: Lower end of its interval.
        high: Upper end.
        n: Independent units behind it.
    """

    name: str
    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """`accuracy 0.945 [0.904, 0.969] (n=200)`."""
        return f"{self.name} {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


@attrs.frozen(kw_only=True)
class EvaluationLink:
    """An evaluation, comparison or benchmark of the tuned model.

    Attributes:
        id: The same model, data and options have the same.
        kind: `evaluation`, `comparison` or `benchmark`.
        model: `provider:model` that was measured.
        dataset: The data set's fingerprint.
        source: Where its data came from; the benchmark's name for one.
        task: `classification` or `generation`.
        measures: What was measured; a comparison's and benchmark's is tuned minus base.
        outcome: A comparison's verdict or a benchmark's outcome; None otherwise.
        finished_at: Seconds since the epoch.
    """

    id: str
    kind: str
    model: str
    dataset: str
    source: str
    task: str
    measures: tuple[Measure, ...]
    outcome: str | None
    finished_at: float

    def measure(self, name: str) -> Measure | None:
        """The value of that name."""
        return next((measure for measure in self.measures if measure.name == name), None)


@attrs.frozen(kw_only=True)
class DecisionLink:
    """One entry of a rollout's audit.

    Attributes:
        sequence: 0 for the first.
        kind: What was done.
        summary: In words.
        hash: Of the entry and all before it.
        created_at: Seconds since the epoch.
    """

    sequence: int
    kind: str
    summary: str
    hash: str
    created_at: float


@attrs.frozen(kw_only=True)
class RolloutLink:
    """A rollout of the tuned model.

    Attributes:
        name: Its name.
        base: `provider:model` to roll back to.
        tuned: `provider:model` that it brings.
        status: Where it is.
        share: Of units that get the tuned model, 0 to 1.
        approver: Who raised the share last.
        decisions: Its audit, oldest first.
    """

    name: str
    base: str
    tuned: str
    status: str
    share: float
    approver: str | None
    decisions: tuple[DecisionLink, ...]


@attrs.frozen(kw_only=True)
class Lineage:
    """Everything that the journal links to one job.

    Attributes:
        data: Training data, then validation data where there is any.
        job: The training.
        checkpoint: The one to use; None while there is none.
        evaluations: Of the tuned model and its checkpoints, newest first.
        rollouts: That brought one of them to users.
    """

    data: tuple[DataLink, ...]
    job: JobLink
    checkpoint: CheckpointLink | None
    evaluations: tuple[EvaluationLink, ...]
    rollouts: tuple[RolloutLink, ...]

    def newest(self, kind: str) -> EvaluationLink | None:
        """The newest evaluation of a kind."""
        return next((link for link in self.evaluations if link.kind == kind), None)
