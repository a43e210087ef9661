"""Creating a job exactly once: journalled before and after, and looked for after any doubtful answer."""

from pathlib import Path

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.hashing import file_sha256
from finetuner._core.retry import retrying
from finetuner.data.dataset import Dataset
from finetuner.errors import (
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    UnexpectedAnswerError,
    UsageError,
)
from finetuner.providers.ports import (
    CANCELLED,
    FAILED,
    FileReference,
    FileStore,
    JobRequest,
    JobSnapshot,
    Provider,
    Trainer,
)
from finetuner.records.jobs import INTENT, REFUSED, DatasetRecords, JobRecord, JobRecords, UploadRecord, UploadRecords
from finetuner.records.journal import Journal
from finetuner.records.leases import Leases
from finetuner.training.spec import TrainingSpec

_DOUBTFUL = (ProviderConnectionError, ProviderTimeoutError, UnexpectedAnswerError)
_LOOKS = (0.0, 1.0, 2.0, 4.0)  # seconds before each look for a job whose creation was answered doubtfully
_MOST_ATTEMPTS = 100


@attrs.frozen(kw_only=True)
class TrainingData:
    """A file at the provider, and what is known of its content.

    Attributes:
        file_id: What the job names.
        content: Hash of the file's bytes, or the id where the content isn't known.
        fingerprint: Of the data set in it, where known.
    """

    file_id: str
    content: str
    fingerprint: str | None = None


def upload(data: Dataset | str | Path, provider: Provider, journal: Journal, *, role: str = "train") -> FileReference:
    """A file with the data at the provider; data that is already there isn't sent again.

    Args:
        data: A data set, or the path of a file to load.
        provider: Where to.
        journal: Remembers uploads.
        role: `train` or `validation`.

    Raises:
        UsageError: The provider takes no files.
        ProviderError: The upload failed.
    """
    dataset = data if isinstance(data, Dataset) else Dataset.load(data)
    if provider.files is None:
        raise UsageError(f"{provider.name} takes no training files")
    path = _written(dataset, provider, journal)
    sha256 = file_sha256(path)
    records = UploadRecords(journal)
    known = records.find(provider.name, sha256)
    if known is not None and _still_there(provider.files, known.file):
        return known.file
    fingerprint = dataset.fingerprint
    DatasetRecords(journal).add(
        fingerprint, role=role, source=dataset.source, row_hashes=tuple(dataset.prompt_hashes())
    )
    file = provider.files.upload(path, name=f"{_stem(dataset)}.jsonl", sha256=sha256)
    records.add(UploadRecord(provider=provider.name, sha256=sha256, file=file, fingerprint=fingerprint))
    return file


def training_data(
    data: Dataset | str | Path, provider: Provider, journal: Journal, *, role: str = "train"
) -> TrainingData:
    """The provider's file for data in any form: a data set, a local path, or the id of an uploaded file."""
    if isinstance(data, str) and not Path(data).exists():
        if Path(data).suffix in {".jsonl", ".json", ".csv", ".tsv", ".gz"} and "://" not in data:
            raise UsageError(f"no file {data!r}; give a path that exists, or the id of an uploaded file")
        record = UploadRecords(journal).by_file(provider.name, data)
        if record is None:
            return TrainingData(file_id=data, content=data)
        return TrainingData(file_id=data, content=record.sha256, fingerprint=record.fingerprint)
    file = upload(data, provider, journal, role=role)
    record = UploadRecords(journal).by_file(provider.name, file.id)
    assert record is not None  # upload() wrote it
    return TrainingData(file_id=file.id, content=record.sha256, fingerprint=record.fingerprint)


def create_once(
    spec: TrainingSpec,
    training: TrainingData,
    validation: TrainingData | None,
    *,
    provider: Provider,
    journal: Journal,
    clock: Clock = SYSTEM_CLOCK,
) -> JobSnapshot:
    """The one job that this specification means.

    The same specification and data give the same job as long as it runs or has succeeded; after a failed or cancelled
    one a new attempt is made. Another process that creates the same job at the same moment is waited for.

    Raises:
        UsageError: The provider doesn't train.
        ProviderError: It refused, or nobody knows whether the job exists (calling again looks for it first).
    """
    attempts = _Attempts(
        spec=spec, training=training, validation=validation, provider=provider, journal=journal, clock=clock
    )
    for attempt in range(_MOST_ATTEMPTS):
        snapshot = attempts.job(attempt)
        if snapshot is not None:
            return snapshot
    raise UsageError(f"this job failed {_MOST_ATTEMPTS} times; change the data or the specification")


@attrs.frozen(kw_only=True)
class _Attempts:
    """The attempts at one job, each under a key of its own."""

    spec: TrainingSpec
    training: TrainingData
    validation: TrainingData | None
    provider: Provider
    journal: Journal
    clock: Clock

    def job(self, attempt: int) -> JobSnapshot | None:
        """The attempt's job, created where there is none; None when it failed or was cancelled in earlier times."""
        key = self.spec.key(
            provider=self.provider.name,
            training=self.training.content,
            validation=self.validation.content if self.validation else None,
            attempt=attempt,
        )
        with Leases(self.journal, self.clock).hold(f"create:{key}"):
            return self._job_with_lease(key)

    def _job_with_lease(self, key: str) -> JobSnapshot | None:
        trainer = _trainer(self.provider)
        records = JobRecords(self.journal, self.clock)
        known = records.by_key(key)
        if known is not None and known.job_id is not None:
            job_id = known.job_id
            snapshot = retrying(lambda: trainer.get(job_id), clock=self.clock)
            records.seen(self.provider.name, snapshot)
            return None if snapshot.status in (FAILED, CANCELLED) else snapshot
        if known is not None and known.state == INTENT:  # a process died, or an answer was lost, before this one
            found = self._found(trainer, key)
            if found is not None:
                records.created(key, found)
                return found
        request = self._request(key)
        if known is None:
            records.intend(
                JobRecord(
                    key=key,
                    provider=self.provider.name,
                    state=INTENT,
                    request=request,
                    training_fingerprint=self.training.fingerprint,
                    validation_fingerprint=self.validation.fingerprint if self.validation else None,
                )
            )
        elif known.state == REFUSED:
            records.again(key)
        snapshot = self._sent(request, trainer, records)
        records.created(key, snapshot)
        return snapshot

    def _sent(self, request: JobRequest, trainer: Trainer, records: JobRecords) -> JobSnapshot:
        try:
            return trainer.create(request)
        except _DOUBTFUL as doubt:
            found = self._found(trainer, request.key, tolerant=True)
            if found is not None:
                return found
            doubt.add_note("the job may exist all the same; creating it again looks for it first and doesn't pay twice")
            raise
        except ProviderError:
            records.refused(request.key)
            raise

    def _found(self, trainer: Trainer, key: str, *, tolerant: bool = False) -> JobSnapshot | None:
        """The job that has this key, looked for several times: a host may list a job seconds after it took it."""
        for delay in _LOOKS:
            self.clock.sleep(delay)
            found = _looked_for(trainer, key) if tolerant else retrying(lambda: trainer.find(key), clock=self.clock)
            if found is not None:
                return found
        return None

    def _request(self, key: str) -> JobRequest:
        return JobRequest(
            model=self.spec.model,
            training_file=self.training.file_id,
            validation_file=self.validation.file_id if self.validation else None,
            method=self.spec.method,
            hyperparameters=self.spec.wire_hyperparameters(),
            suffix=self.spec.suffix,
            seed=self.spec.seed,
            key=key,
        )


def _trainer(provider: Provider) -> Trainer:
    if provider.trainer is None:
        raise UsageError(f"{provider.name} doesn't train models")
    return provider.trainer


def _looked_for(trainer: Trainer, key: str) -> JobSnapshot | None:
    try:
        return trainer.find(key)
    except ProviderError as error:
        if error.retryable or isinstance(error, _DOUBTFUL):
            return None  # look again after the next delay
        raise


def _still_there(files: FileStore, file: FileReference) -> bool:
    try:
        return files.get(file.id).status != "error"
    except NotFoundError:
        return False


def _written(dataset: Dataset, provider: Provider, journal: Journal) -> Path:
    preference = len(dataset) > 0 and dataset[0].preferred is not None
    name = next((name for name in provider.formats if ("preference" in name) == preference), None)
    if name is None:
        kind = "preference pairs" if preference else "supervised examples"
        raise UsageError(f"{provider.name} doesn't train on {kind}; it takes {', '.join(provider.formats)}")
    path = journal.workspace.path("uploads", f"{dataset.fingerprint[:16]}.{name}.jsonl")
    return path if path.exists() else dataset.write(path, format=name)


def _stem(dataset: Dataset) -> str:
    return Path(dataset.source).name.partition(".")[0] or "data"
