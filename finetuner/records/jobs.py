"""Jobs, uploads and data sets in the journal: what was meant, what came of it, what a model has seen."""

import attrs
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.engine import Row

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.codec import decode, encode, from_json, to_json
from finetuner.providers.ports import FileReference, JobRequest, JobSnapshot
from finetuner.providers.reference import ModelReference
from finetuner.records.journal import Journal
from finetuner.records.tables import datasets, jobs, uploads

INTENT = "intent"
CREATED = "created"
REFUSED = "refused"

_CHECKPOINT_MARK = ":ckpt-"


@attrs.frozen(kw_only=True)
class JobRecord:
    """A job as the journal knows it.

    Attributes:
        key: Our idempotency key.
        provider: The provider's name.
        state: `intent` (sent or about to be sent, no answer known), `created`, or `refused`.
        request: What was asked for.
        job_id: The provider's id, once known.
        snapshot: The last that was seen of it.
        training_fingerprint: Of the training data set, where it is known.
        validation_fingerprint: Of the validation data set, where it is known.
        created_at: Seconds since the epoch.
    """

    key: str
    provider: str
    state: str
    request: JobRequest
    job_id: str | None = None
    snapshot: JobSnapshot | None = None
    training_fingerprint: str | None = None
    validation_fingerprint: str | None = None
    created_at: float = 0.0


@attrs.frozen
class JobRecords:
    """The journal's jobs."""

    journal: Journal
    clock: Clock = SYSTEM_CLOCK

    def intend(self, record: JobRecord) -> JobRecord:
        """Write down that a job is about to be created; returns what is already there under the same key."""
        existing = self.by_key(record.key)
        if existing is not None:
            return existing
        now = self.clock.now()
        with self.journal.transaction() as connection:
            connection.execute(
                insert(jobs).values(
                    key=record.key,
                    provider=record.provider,
                    state=record.state,
                    job_id=record.job_id,
                    request=to_json(record.request),
                    snapshot=None if record.snapshot is None else to_json(record.snapshot),
                    training_fingerprint=record.training_fingerprint,
                    validation_fingerprint=record.validation_fingerprint,
                    tuned_model=None if record.snapshot is None else record.snapshot.tuned_model,
                    created_at=now,
                    updated_at=now,
                )
            )
        return attrs.evolve(record, created_at=now)

    def created(self, key: str, snapshot: JobSnapshot) -> None:
        """Write down the provider's answer to a creation."""
        self._update(jobs.c.key == key, state=CREATED, job_id=snapshot.id, snapshot=snapshot)

    def refused(self, key: str) -> None:
        """Write down that the provider refused: no job exists under this key."""
        self._update(jobs.c.key == key, state=REFUSED)

    def again(self, key: str, request: JobRequest) -> None:
        """Write down that a job that was refused, or never arrived, is about to be sent once more."""
        self._update(jobs.c.key == key, state=INTENT, request=to_json(request))

    def seen(self, provider: str, snapshot: JobSnapshot) -> None:
        """Write down a newer state of a job; a job from elsewhere is left alone."""
        self._update((jobs.c.provider == provider) & (jobs.c.job_id == snapshot.id), snapshot=snapshot)

    def by_key(self, key: str) -> JobRecord | None:
        """The job with this key."""
        return self._first(jobs.c.key == key)

    def by_job_id(self, job_id: str) -> JobRecord | None:
        """The job with this id of its provider."""
        return self._first(jobs.c.job_id == job_id)

    def by_training(self, fingerprint: str) -> tuple[JobRecord, ...]:
        """Jobs on the training data set with this fingerprint, newest first.

        Args:
            fingerprint: In full, or its first twelve digits or more.
        """
        whose = jobs.c.training_fingerprint.startswith(fingerprint, autoescape=True)
        statement = select(jobs).where(whose).order_by(jobs.c.created_at.desc())
        with self.journal.transaction() as connection:
            return tuple(_record(row) for row in connection.execute(statement).all())

    def by_model(self, model: str | ModelReference) -> JobRecord | None:
        """The job that a tuned model, or one of its checkpoints, comes from."""
        reference = ModelReference.parse(model)
        tuned = reference.model.partition(_CHECKPOINT_MARK)[0]
        return self._first((jobs.c.provider == reference.provider) & (jobs.c.tuned_model == tuned))

    def recent(self, limit: int = 20) -> tuple[JobRecord, ...]:
        """The newest jobs, newest first."""
        with self.journal.transaction() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.created_at.desc()).limit(limit)).all()
        return tuple(_record(row) for row in rows)

    def training_hashes(self, model: str | ModelReference) -> frozenset[str]:
        """Prompt hashes (16 hexadecimal digits) of all examples that a tuned model was trained on.

        Empty where the journal doesn't know the model or its data.
        """
        record = self.by_model(model)
        if record is None or record.training_fingerprint is None:
            return frozenset()
        return frozenset(DatasetRecords(self.journal, self.clock).row_hashes(record.training_fingerprint))

    def _first(self, condition: ColumnElement[bool]) -> JobRecord | None:
        statement = select(jobs).where(condition).order_by(jobs.c.created_at.desc())
        with self.journal.transaction() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _record(row)

    def _update(self, condition: ColumnElement[bool], *, snapshot: JobSnapshot | None = None, **values: str) -> None:
        changes: dict[str, object] = {**values, "updated_at": self.clock.now()}
        if snapshot is not None:
            changes |= {"snapshot": to_json(snapshot), "tuned_model": snapshot.tuned_model}
        with self.journal.transaction() as connection:
            connection.execute(update(jobs).where(condition).values(changes))


def _record(row: Row[tuple[object, ...]]) -> JobRecord:
    return JobRecord(
        key=row.key,
        provider=row.provider,
        state=row.state,
        request=from_json(row.request, JobRequest),
        job_id=row.job_id,
        snapshot=None if row.snapshot is None else from_json(row.snapshot, JobSnapshot),
        training_fingerprint=row.training_fingerprint,
        validation_fingerprint=row.validation_fingerprint,
        created_at=row.created_at,
    )


@attrs.frozen(kw_only=True)
class UploadRecord:
    """A file that was sent to a provider.

    Attributes:
        provider: The provider's name.
        sha256: Of the file's bytes.
        file: As the provider answered.
        fingerprint: Of the data set in it, where known.
    """

    provider: str
    sha256: str
    file: FileReference
    fingerprint: str | None = None


@attrs.frozen
class UploadRecords:
    """The journal's uploads."""

    journal: Journal
    clock: Clock = SYSTEM_CLOCK

    def add(self, record: UploadRecord) -> None:
        """Write down an upload; the same content at the same provider replaces the older one."""
        same = (uploads.c.provider == record.provider) & (uploads.c.sha256 == record.sha256)
        with self.journal.transaction() as connection:
            connection.execute(uploads.delete().where(same))
            connection.execute(
                insert(uploads).values(
                    provider=record.provider,
                    sha256=record.sha256,
                    file_id=record.file.id,
                    name=record.file.name,
                    bytes=record.file.bytes,
                    fingerprint=record.fingerprint,
                    created_at=self.clock.now(),
                )
            )

    def find(self, provider: str, sha256: str) -> UploadRecord | None:
        """The upload of this content to this provider."""
        return self._first((uploads.c.provider == provider) & (uploads.c.sha256 == sha256))

    def by_file(self, provider: str, file_id: str) -> UploadRecord | None:
        """The upload that has this file id."""
        return self._first((uploads.c.provider == provider) & (uploads.c.file_id == file_id))

    def _first(self, condition: ColumnElement[bool]) -> UploadRecord | None:
        with self.journal.transaction() as connection:
            row = connection.execute(select(uploads).where(condition)).first()
        if row is None:
            return None
        file = FileReference(id=row.file_id, name=row.name, bytes=row.bytes)
        return UploadRecord(provider=row.provider, sha256=row.sha256, file=file, fingerprint=row.fingerprint)


@attrs.frozen(kw_only=True)
class DatasetRecord:
    """A data set that the journal has seen, without its rows.

    Attributes:
        fingerprint: Of its content, 64 hexadecimal digits.
        examples: How many.
        source: Where it came from, for people.
        role: `train`, `validation` or `test`.
        created_at: Seconds since the epoch when it was first seen.
    """

    fingerprint: str
    examples: int
    source: str
    role: str
    created_at: float


@attrs.frozen
class DatasetRecords:
    """The data sets that the journal has seen."""

    journal: Journal
    clock: Clock = SYSTEM_CLOCK

    def add(self, fingerprint: str, *, role: str, source: str, row_hashes: tuple[str, ...]) -> None:
        """Write down a data set; seeing it again changes nothing.

        Args:
            fingerprint: Of the data set.
            role: `train`, `validation` or `test`.
            source: Where it came from, for people.
            row_hashes: Prompt hashes in order, 16 hexadecimal digits each.
        """
        with self.journal.transaction() as connection:
            known = select(datasets.c.fingerprint).where(datasets.c.fingerprint == fingerprint)
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(datasets).values(
                        fingerprint=fingerprint,
                        examples=len(row_hashes),
                        source=source,
                        role=role,
                        row_hashes=encode(row_hashes).decode(),
                        created_at=self.clock.now(),
                    )
                )

    def get(self, fingerprint: str) -> DatasetRecord | None:
        """What is known of a data set; None where it was never seen."""
        with self.journal.transaction() as connection:
            found = connection.execute(select(datasets).where(datasets.c.fingerprint == fingerprint)).mappings().first()
        if found is None:
            return None
        return DatasetRecord(**{field.name: found[field.name] for field in attrs.fields(DatasetRecord)})

    def row_hashes(self, fingerprint: str) -> tuple[str, ...]:
        """Prompt hashes of a data set; empty where it isn't known."""
        with self.journal.transaction() as connection:
            statement = select(datasets.c.row_hashes).where(datasets.c.fingerprint == fingerprint)
            found = connection.execute(statement).scalar()
        return () if found is None else tuple(decode(found))
