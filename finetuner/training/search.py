"""Several trainings, compared on the same validation data: of settings, or of data sizes. Small on purpose.

Each trial is a job like any other: made exactly once, so that a search that is cut short goes on where it was, and pays
nothing twice.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.money import usd
from finetuner._core.types import Json
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.errors import BudgetExceededError, RateLimitError, UsageError
from finetuner.providers.ports import SUCCEEDED, Provider
from finetuner.training.estimate import estimate
from finetuner.training.job import Job
from finetuner.training.planning import connected
from finetuner.training.verdict import standard_error
from finetuner.training.watching import Watch

_MOST_TRIALS = 100
_OWN = ("method", "epochs", "batch_size", "learning_rate_multiplier", "seed")


@attrs.frozen(kw_only=True)
class Trial:
    """One training of a search.

    Attributes:
        settings: What was varied, by name; `examples` where the size of the data was.
        job: The job.
        loss: Lowest validation loss of its checkpoints; None where it failed or told none.
        accuracy: Validation accuracy at that checkpoint, 0 to 1, where known.
        problem: Why it has no model.
    """

    settings: Mapping[str, Json]
    job: Job
    loss: float | None = None
    accuracy: float | None = None
    problem: str | None = None

    def __str__(self) -> str:
        """`epochs 3: validation loss 0.4211, accuracy 91.2% (ftjob-…)`."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        if self.loss is None:
            return f"{settings}: {self.problem or 'no validation loss'} ({self.job.id})"
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.1%}"
        return f"{settings}: validation loss {self.loss:.4f}{accuracy} ({self.job.id})"


@attrs.frozen(kw_only=True)
class Search:
    """What a search found.

    Attributes:
        trials: The lowest validation loss first, those without one last.
        usd: What all of them cost, in USD; None where a price is unknown.
    """

    trials: tuple[Trial, ...]
    usd: float | None = None

    @property
    def best(self) -> Trial | None:
        """The trial to use; None where none has a validation loss."""
        return next((trial for trial in self.trials if trial.loss is not None), None)

    def __str__(self) -> str:
        """All trials, best first, and what they cost."""
        cost = "unknown" if self.usd is None else usd(self.usd)
        return "\n".join([*map(str, self.trials), f"Cost of all: {cost}"])


@attrs.frozen(kw_only=True)
class LearningCurve:
    """Validation loss by the size of the training data.

    Attributes:
        trials: The fewest examples first.
        usd: What all of them cost, in USD; None where a price is unknown.
    """

    trials: tuple[Trial, ...]
    usd: float | None = None

    @property
    def more_data_helps(self) -> bool | None:
        """Whether the last step in size still lowered the loss by more than noise; None where it can't be told."""
        losses = [trial.loss for trial in self.trials if trial.loss is not None]
        if len(losses) < 2:  # noqa: PLR2004  # one point has no direction
            return None
        return losses[-2] - losses[-1] > standard_error(losses)

    def __str__(self) -> str:
        """All sizes, and what they say about more data."""
        words = {
            True: "more data would help: the loss still fell at the last step",
            False: "more data of this kind would help little: the loss has leveled off",
            None: "too few losses to tell whether more data would help",
        }
        return "\n".join([*map(str, self.trials), words[self.more_data_helps]])


def search(
    training: Dataset,
    *,
    validation: Dataset,
    provider: str | Provider,
    model: str,
    grid: Mapping[str, Sequence[Json]],
    parallel: int = 2,
    max_usd: float | None = None,
    workspace: str | Path | Workspace | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Search:
    """Train with each combination of settings and compare on validation.

    Args:
        training: What to train on.
        validation: What decides.
        provider: A name, or a connected provider.
        model: The base model.
        grid: Values to try, by the name of the setting: `epochs`, `batch_size`, `learning_rate_multiplier`, `seed`, or
            another hyperparameter.
        parallel: Jobs at once; fewer where the provider's quota is lower.
        max_usd: Refuse to start when all trials together would cost more, in USD.
        workspace: Folder or database URL; by default `.finetuner`.
        clock: The clock.

    Raises:
        UsageError: There is nothing to try, or more than 100 combinations.
        BudgetExceededError: It would cost more than `max_usd`; nothing was sent.
        ProviderError: As in `Job.create`.
    """
    names = tuple(grid)
    settings = [dict(zip(names, values, strict=True)) for values in product(*grid.values())]
    plans = [(each, training, each) for each in settings if each]
    trials, cost = _Trials(validation, provider, model, workspace, clock).run(plans, parallel, max_usd)
    return Search(trials=tuple(sorted(trials, key=lambda trial: (trial.loss is None, trial.loss or 0.0))), usd=cost)


def learning_curve(
    training: Dataset,
    *,
    validation: Dataset,
    provider: str | Provider,
    model: str,
    shares: Sequence[float] = (0.25, 0.5, 1.0),
    epochs: int | None = None,
    seed: int = 0,
    parallel: int = 2,
    max_usd: float | None = None,
    workspace: str | Path | Workspace | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> LearningCurve:
    """Train on growing parts of the data: would more data help?

    Args:
        training: What to train on.
        validation: What decides.
        provider: A name, or a connected provider.
        model: The base model.
        shares: Parts of the data, above 0 and at most 1; smaller parts lie in larger ones.
        epochs: For each part; None for the provider's choice.
        seed: Which part is drawn, and the training's seed.
        parallel: Jobs at once; fewer where the provider's quota is lower.
        max_usd: Refuse to start when all trials together would cost more, in USD.
        workspace: Folder or database URL; by default `.finetuner`.
        clock: The clock.

    Raises:
        UsageError: A share is out of range.
        BudgetExceededError: It would cost more than `max_usd`; nothing was sent.
        ProviderError: As in `Job.create`.
    """
    if not shares or not all(0 < share <= 1 for share in shares):
        raise UsageError(f"shares must be above 0 and at most 1, not {list(shares)}")
    sizes = sorted({max(1, round(share * len(training))) for share in shares})
    plans: list[_Plan] = [
        (
            {"examples": size},
            training if size == len(training) else training.sample(size, stratify="label", seed=seed),
            {"epochs": epochs, "seed": seed},
        )
        for size in sizes
    ]
    trials, cost = _Trials(validation, provider, model, workspace, clock).run(plans, parallel, max_usd)
    return LearningCurve(trials=tuple(sorted(trials, key=lambda trial: trial.settings["examples"])), usd=cost)


_Plan = tuple[Mapping[str, Json], Dataset, Mapping[str, Json]]
"""What is varied, as it is shown; the data; and all settings."""


class _Trials:
    """Runs trials, a few at once."""

    def __init__(
        self,
        validation: Dataset,
        provider: str | Provider,
        model: str,
        workspace: str | Path | Workspace | None,
        clock: Clock,
    ) -> None:
        self._validation = validation
        self._workspace = Workspace.at(workspace)
        self._provider = connected(provider, self._workspace)
        self._model = model
        self._clock = clock

    def run(self, plans: Sequence[_Plan], parallel: int, max_usd: float | None) -> tuple[list[Trial], float | None]:
        """All trials, and what they cost."""
        if not 1 <= len(plans) <= _MOST_TRIALS or parallel < 1:
            raise UsageError(f"{len(plans)} trials, {parallel} at once: 1 to {_MOST_TRIALS} trials are possible")
        cost = self._cost(plans, max_usd)
        return list(self._all(deque(plans), parallel)), cost

    def _cost(self, plans: Sequence[_Plan], max_usd: float | None) -> float | None:
        costs = [
            estimate(data, provider=self._provider, model=self._model, epochs=options.get("epochs"))
            for _, data, options in plans
        ]
        known = [cost.usd for cost in costs if cost.usd is not None]
        total = sum(known) if len(known) == len(costs) else None
        if max_usd is not None and (total is None or total > max_usd):
            amount = "an unknown amount" if total is None else usd(total)
            raise BudgetExceededError(
                f"{len(plans)} trials would cost {amount}, more than the limit of {usd(max_usd)}; nothing was sent",
                limit_usd=max_usd,
                estimated_usd=float("inf") if total is None else total,
            )
        return total

    def _all(self, waiting: deque[_Plan], parallel: int) -> Iterator[Trial]:
        running: dict[str, tuple[Mapping[str, Json], Job]] = {}
        while waiting or running:
            while waiting and len(running) < parallel:
                settings, data, options = waiting[0]
                try:
                    job = self._start(data, options)
                except RateLimitError:
                    if not running:
                        raise
                    parallel = len(running)  # the quota is lower than was hoped: go on when one has ended
                    break
                waiting.popleft()
                running[job.id] = (settings, job)
            for job in self._first_ended([job for _, job in running.values()]):
                settings, _ = running.pop(job.id)
                yield _trial(settings, job)

    def _start(self, data: Dataset, settings: Mapping[str, Json]) -> Job:
        return Job.create(
            data,
            provider=self._provider,
            model=self._model,
            validation=self._validation,
            method=settings.get("method", "supervised"),
            epochs=settings.get("epochs"),
            batch_size=settings.get("batch_size"),
            learning_rate_multiplier=settings.get("learning_rate_multiplier"),
            seed=settings.get("seed"),
            hyperparameters={name: value for name, value in settings.items() if name not in _OWN},
            workspace=self._workspace,
        )

    def _first_ended(self, jobs: Sequence[Job]) -> list[Job]:
        watch = Watch([job.watched for job in jobs], timeout=None, clock=self._clock)
        while True:
            delay = watch.look()
            ended = [job.seen(watch.seen[job.id]) for job in jobs if watch.seen[job.id].ended]
            if ended or delay is None:
                return ended
            self._clock.sleep(delay)


def _trial(settings: Mapping[str, Json], job: Job) -> Trial:
    if job.status != SUCCEEDED:
        failure = job.snapshot.failure
        return Trial(settings=settings, job=job, problem=f"{job.status}{f': {failure.message}' if failure else ''}")
    best = job.best_checkpoint()
    metrics = best.checkpoint.metrics if best is not None else dict[str, float]()
    return Trial(settings=settings, job=job, loss=metrics.get("valid_loss"), accuracy=metrics.get("valid_accuracy"))
