"""A job as it is planned: what to train, on what, where; what it costs and what speaks against it. Nothing is sent."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TypedDict

import attrs

from finetuner._core.types import Json
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.errors import UnknownNameError, UsageError
from finetuner.providers.ports import Finding, Provider
from finetuner.providers.registry import connect
from finetuner.records.jobs import JobRecords
from finetuner.records.journal import Journal
from finetuner.training.creation import Creation, TrainingData, create_once, local_copy, located
from finetuner.training.estimate import CostEstimate, estimate
from finetuner.training.preflight import preflight, refuse_errors, require_validation, similar_jobs
from finetuner.training.spec import TrainingSpec

Data = Dataset | str | Path
"""A data set, a path, or the id of a file at the provider."""


class JobOptions(TypedDict, total=False):
    """The options of `Job.create`, for calls that pass them on; each is described there."""

    validation: Data | None
    method: str
    epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    seed: int | None
    suffix: str | None
    hyperparameters: Mapping[str, Json] | None
    max_usd: float | None
    workspace: str | Path | Workspace | None


@attrs.frozen(kw_only=True)
class Plan:
    """A planned job.

    Attributes:
        spec: How to train.
        findings: What preflight has to say: errors, and warnings.
        cost: What it costs; None where nobody asked, only the provider has the data, or the catalog doesn't know the
            model.
        max_usd: Refuse to start when it costs more.
        training: What to train on.
        validation: What to validate on.
    """

    spec: TrainingSpec
    findings: tuple[Finding, ...]
    cost: CostEstimate | None
    max_usd: float | None = None
    training: TrainingData
    validation: TrainingData | None = None
    _connection: Provider = attrs.field(eq=False, repr=False, alias="connection")
    _journal: Journal = attrs.field(eq=False, repr=False, alias="journal")

    @classmethod
    def make(
        cls,
        training: Data,
        spec: TrainingSpec,
        *,
        connection: Provider,
        journal: Journal,
        validation: Data | None = None,
        max_usd: float | None = None,
        priced: bool = False,
        on: date | None = None,
    ) -> "Plan":
        """The plan of a job.

        Args:
            training: Data set, local path, or id of an uploaded file.
            spec: How to train.
            connection: Where.
            journal: What happened before.
            validation: Likewise as `training`.
            max_usd: Refuse to start when the training would cost more, in USD.
            priced: Tell the cost also where there is no limit; counting the tokens of much data takes seconds.
            on: The day of the job, today in UTC by default.

        Raises:
            UsageError: Something is missing.
            DataFormatError: A file can't be read.
        """
        require_validation(spec, validation)
        trained = _here(training, connection, journal)
        validated = None if validation is None else _here(validation, connection, journal)
        data = trained.dataset
        findings = preflight(connection, spec, data, validated.dataset if validated else None, on)
        if not any(finding.severity == "error" for finding in findings):
            trained = _located(trained, connection, journal)
            validated = validated and _located(validated, connection, journal)
            earlier = JobRecords(journal).by_training(trained.fingerprint) if trained.fingerprint else ()
            key = spec.key(
                provider=connection.name, training=trained.content, validation=validated.content if validated else None
            )
            others = tuple(record for record in earlier if not record.key.startswith(key.rpartition("-")[0]))
            findings += similar_jobs(spec, connection.name, others)
        return cls(
            spec=spec,
            findings=findings,
            cost=_cost(data, connection, spec) if data is not None and (priced or max_usd is not None) else None,
            max_usd=max_usd,
            training=trained,
            validation=validated,
            connection=connection,
            journal=journal,
        )

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What to know and may be ignored."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def require_start(self) -> None:
        """Nothing, when the job may start.

        Raises:
            TrainingNotAvailableError: The model takes no such jobs.
            InvalidDataError: The data has errors.
            BudgetExceededError: It would cost more than `max_usd`.
            UsageError: There is a limit, and nobody here knows the data or the model.
        """
        refuse_errors(self.findings)
        if self.max_usd is None:
            return
        if self.training.dataset is None:
            raise UsageError("max_usd needs the data itself; give a data set or a path instead of a file id")
        if self.cost is None:
            raise UsageError(
                f"the catalog doesn't know {self.spec.model!r}, so max_usd can't be kept; add its price to it"
            )
        self.cost.within(self.max_usd)

    def start(self) -> Creation:
        """The job, exactly once. Raises what `require_start` and `create_once` raise."""
        self.require_start()
        return create_once(self.spec, self.training, self.validation, provider=self._connection, journal=self._journal)


def connected(provider: str | Provider, workspace: Workspace) -> Provider:
    """A provider as it is, or the one of that name."""
    return connect(provider, workspace=workspace) if isinstance(provider, str) else provider


def dataset_of(data: Data) -> Dataset | None:
    """The data set that is meant; None where it is the id of a file at the provider."""
    if isinstance(data, Dataset):
        return data
    return Dataset.load(data) if "://" not in str(data) and Path(data).exists() else None


def _here(data: Data, connection: Provider, journal: Journal) -> TrainingData:
    """The data, read from a local copy where it is named by a file that was uploaded from here."""
    dataset = dataset_of(data)
    if dataset is not None:
        return TrainingData(dataset=dataset)
    found = located(str(data), connection, journal)
    copy = local_copy(found.fingerprint, journal) if found.fingerprint else None
    return attrs.evolve(found, dataset=copy)


def _located(data: TrainingData, connection: Provider, journal: Journal) -> TrainingData:
    """The data with the hash of its content; not sooner, for data with errors may not fit the provider's format."""
    if data.file_id is not None or data.dataset is None:
        return data
    return located(data.dataset, connection, journal)


def _cost(data: Dataset, connection: Provider, spec: TrainingSpec) -> CostEstimate | None:
    try:
        return estimate(data, provider=connection, model=spec.model, epochs=spec.epochs)
    except UnknownNameError:
        return None
