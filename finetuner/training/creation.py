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
    TrainingNotAvailableError,
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
from finetuner.records.jobs import INTENT, DatasetRecords, JobRecord, JobRecords, UploadRecord, UploadRecords
from finetuner.records.journal import Journal
from finetuner.records.leases import Leases
from finetuner.training.spec import TrainingSpec

_DOUBTFUL = (ProviderConnectionError, ProviderTimeoutError, UnexpectedAnswerError)
_LOOKS = (0.0, 1.0, 2.0, 4.0)  # seconds before each look for a job whose creation was answered doubtfully
_MOST_ATTEMPTS = 100
_PATHS = frozenset({".jsonl", ".json", ".csv", ".tsv", ".parquet", ".gz", ".zst"})
_NAME_DIGITS = 16


@attrs.frozen(kw_only=True)
class TrainingData:
    """Data of a job, before or after it is at the provider.

    Attributes:
        content: Hash of the file's bytes, or the id where the content isn't known; empty before it is `located`.
        fingerprint: Of the data set in it, where known.
        file_id: The provider's file, where it was given by its id.
        dataset: The data itself, where it is here.
    """

    content: str = ""
    fingerprint: str | None = None
    file_id: str | None = None
    dataset: Dataset | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class Creation:
    """What came of a creation.

    Attributes:
        snapshot: The job.
        existing: Whether it was there before: nothing is paid again.
    """

    snapshot: JobSnapshot
    existing: bool


def upload(
    data: Dataset | str | Path, provider: Provider, journal: Journal, *, role: str = "train", again: bool = False
) -> FileReference:
    """A file with the data at the provider; data that is already there isn't sent again.

    Args:
        data: A data set, or the path of a file to load.
        provider: Where to.
        journal: Remembers uploads.
        role: `train` or `validation`.
        again: Send it even if it is there, such as to another place at the same provider.

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
    if known is not None and not again and _still_there(provider.files, known.file):
        return known.file
    fingerprint = dataset.fingerprint
    DatasetRecords(journal).add(
        fingerprint, role=role, source=dataset.source, row_hashes=tuple(dataset.prompt_hashes())
    )
    file = provider.files.upload(path, name=f"{_stem(dataset)}.jsonl", sha256=sha256)
    records.add(UploadRecord(provider=provider.name, sha256=sha256, file=file, fingerprint=fingerprint))
    return file


def located(data: Dataset | str, provider: Provider, journal: Journal) -> TrainingData:
    """What a job's data is, told without sending anything.

    Args:
        data: A data set, or the id of an uploaded file.
        provider: Where the job is to run.
        journal: Knows what was uploaded.

    Raises:
        UsageError: It looks like a path, and there is no such file.
    """
    if isinstance(data, Dataset):
        sha256 = file_sha256(_written(data, provider, journal))
        return TrainingData(content=sha256, fingerprint=data.fingerprint, dataset=data)
    if Path(data).suffix in _PATHS and "://" not in data:
        raise UsageError(f"no file {data!r}; give a path that exists, or the id of an uploaded file")
    record = UploadRecords(journal).by_file(provider.name, data)
    if record is None:
        return TrainingData(content=data, file_id=data)
    return TrainingData(content=record.sha256, fingerprint=record.fingerprint, file_id=data)


def local_copy(fingerprint: str, journal: Journal) -> Dataset | None:
    """The data set with this fingerprint, from what was written for an upload; None where it isn't here."""
    for path in sorted(journal.workspace.folder.glob(f"uploads/{fingerprint[:_NAME_DIGITS]}.*.jsonl")):
        found = Dataset.load(path, format=path.name.split(".")[1])
        if found.fingerprint == fingerprint:
            return found
    return None


def format_for(data: Dataset, provider: Provider) -> str:
    """The wire format in which a provider takes this data.

    Raises:
        UsageError: It doesn't train on such data.
    """
    preference = len(data) > 0 and data[0].preferred is not None
    name = next((name for name in provider.formats if ("preference" in name) == preference), None)
    if name is None:
        kind = "preference pairs" if preference else "supervised examples"
        raise UsageError(f"{provider.name} doesn't train on {kind}; it takes {', '.join(provider.formats)}")
    return name


def create_once(
    spec: TrainingSpec,
    training: TrainingData,
    validation: TrainingData | None,
    *,
    provider: Provider,
    journal: Journal,
    clock: Clock = SYSTEM_CLOCK,
) -> Creation:
    """The one job that this specification means.

    The same specification and data give the same job as long as it runs or has succeeded; after a failed or cancelled
    one a new attempt is made. Another process that creates the same job at the same moment is waited for, and a job of
    another machine is found at the provider. Nothing is uploaded where the job exists.

    Raises:
        UsageError: The provider doesn't train.
        ProviderError: It refused, or nobody knows whether the job exists (calling again looks for it first).
    """
    attempts = _Attempts(
        spec=spec, training=training, validation=validation, provider=provider, journal=journal, clock=clock
    )
    for attempt in range(_MOST_ATTEMPTS):
        found = attempts.job(attempt)
        if found is not None:
            return found
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

    def job(self, attempt: int) -> Creation | None:
        """The attempt's job, created where there is none; None when it failed or was cancelled in earlier times."""
        key = self.spec.key(
            provider=self.provider.name,
            training=self.training.content,
            validation=self.validation.content if self.validation else None,
            attempt=attempt,
        )
        with Leases(self.journal, self.clock).hold(f"create:{key}"):
            return self._job_with_lease(key)

    def _job_with_lease(self, key: str) -> Creation | None:
        trainer = trainer_of(self.provider)
        records = JobRecords(self.journal, self.clock)
        known = records.by_key(key)
        found = self._existing(key, known, trainer)
        if found is not None:
            records.intend(self._record(key, self._request(key, found.training_file, found.validation_file)))
            records.created(key, found)
            return None if found.status in (FAILED, CANCELLED) else Creation(snapshot=found, existing=True)
        sent: list[str] = []
        request = self._request(
            key, self._file(self.training, "train", sent), self._file(self.validation, "validation", sent)
        )
        if known is None:
            records.intend(self._record(key, request))
        else:
            records.again(key, request)
        snapshot = self._sent(request, trainer, records, sent)
        records.created(key, snapshot)
        return Creation(snapshot=snapshot, existing=False)

    def _existing(self, key: str, known: JobRecord | None, trainer: Trainer) -> JobSnapshot | None:
        """The job that this key has at the provider, of whichever process or machine."""
        if known is not None and known.job_id is not None:
            job_id = known.job_id
            try:
                return retrying(lambda: trainer.get(job_id), clock=self.clock)
            except NotFoundError:
                return None  # it was deleted there: the same job may be made anew
        if known is not None and known.state == INTENT:  # a process died, or an answer was lost, before this one
            return self._looked_for(trainer, key)
        return retrying(lambda: trainer.find(key), clock=self.clock)

    def _sent(self, request: JobRequest, trainer: Trainer, records: JobRecords, sent: list[str]) -> JobSnapshot:
        try:
            return trainer.create(request)
        except _DOUBTFUL as doubt:
            found = self._looked_for(trainer, request.key, tolerant=True)
            if found is not None:
                return found
            doubt.add_note("the job may exist all the same; creating it again looks for it first and doesn't pay twice")
            raise
        except ProviderError as error:
            records.refused(request.key)
            if isinstance(error, TrainingNotAvailableError):
                self._remove(sent, error)
            raise

    def _looked_for(self, trainer: Trainer, key: str, *, tolerant: bool = False) -> JobSnapshot | None:
        """The job that has this key, looked for several times: a host may list a job seconds after it took it."""
        for delay in _LOOKS:
            self.clock.sleep(delay)
            found = _glimpse(trainer, key) if tolerant else retrying(lambda: trainer.find(key), clock=self.clock)
            if found is not None:
                return found
        return None

    def _file(self, data: TrainingData | None, role: str, sent: list[str]) -> str | None:
        """The provider's file with the data, uploaded where it isn't there; its id is noted in `sent` then."""
        if data is None:
            return None
        if data.file_id is not None or data.dataset is None:
            return data.file_id
        before = UploadRecords(self.journal).find(self.provider.name, data.content)
        file = upload(data.dataset, self.provider, self.journal, role=role)
        if before is None or before.file.id != file.id:
            sent.append(file.id)
        return file.id

    def _remove(self, sent: list[str], refusal: ProviderError) -> None:
        """Take back files that were only sent for a job that nobody can have."""
        for file_id in sent:
            try:
                assert self.provider.files is not None  # it took them
                self.provider.files.delete(file_id)
            except ProviderError as error:
                refusal.add_note(f"{file_id} was uploaded for this job and couldn't be deleted: {error}")

    def _record(self, key: str, request: JobRequest) -> JobRecord:
        return JobRecord(
            key=key,
            provider=self.provider.name,
            state=INTENT,
            request=request,
            training_fingerprint=self.training.fingerprint,
            validation_fingerprint=self.validation.fingerprint if self.validation else None,
        )

    def _request(self, key: str, training_file: str | None, validation_file: str | None) -> JobRequest:
        return JobRequest(
            model=self.spec.model,
            training_file=training_file or self.training.content,
            validation_file=validation_file,
            method=self.spec.method,
            hyperparameters=self.spec.wire_hyperparameters(),
            suffix=self.spec.suffix,
            seed=self.spec.seed,
            key=key,
        )


def trainer_of(provider: Provider) -> Trainer:
    """Who runs a provider's jobs.

    Raises:
        UsageError: It doesn't train.
    """
    if provider.trainer is None:
        raise UsageError(f"{provider.name} doesn't train models")
    return provider.trainer


def _glimpse(trainer: Trainer, key: str) -> JobSnapshot | None:
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
    name = format_for(dataset, provider)
    path = journal.workspace.path("uploads", f"{dataset.fingerprint[:_NAME_DIGITS]}.{name}.jsonl")
    return path if path.exists() else dataset.write(path, format=name, manifest=False)


def _stem(dataset: Dataset) -> str:
    return Path(dataset.source).name.partition(".")[0] or "data"
