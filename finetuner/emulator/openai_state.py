"""What the emulator remembers: files, uploads and jobs, on disk where they outlive it."""

import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core import codec
from finetuner.data.formats import openai as wire
from finetuner.emulator.backend import Backend
from finetuner.emulator.openai_requests import JobBody
from finetuner.emulator.routing import RefusedError
from finetuner.errors import DataError, RequestRejectedError
from finetuner.providers.catalog import Catalog, load_catalog
from finetuner.providers.ports import (
    FAILED,
    PAUSED,
    Checkpoint,
    JobFailure,
    JobRequest,
    JobSnapshot,
)

_FEWEST: Final = 10
_KEPT_CHECKPOINTS: Final = 3
_ID_BYTES: Final = 12
_MODEL_ID_LETTERS: Final = 8


@attrs.frozen(kw_only=True)
class StoredFile:
    """A training file."""

    id: str
    name: str
    bytes: int
    created_at: int


@attrs.frozen(kw_only=True)
class StoredJob:
    """A job as it was asked for, and what plays it.

    Attributes:
        id: `ftjob-…`.
        created_at: Seconds since the epoch.
        body: The request.
        played_by: The provider's id of the job that does the training; None where it failed before.
        failure: Why it failed before.
        deleted: Whether its model was deleted.
        pausing: Whether a pause was asked for.
    """

    id: str
    created_at: int
    body: JobBody
    played_by: str | None = None
    failure: JobFailure | None = None
    deleted: bool = False
    pausing: bool = False


@attrs.frozen(kw_only=True)
class Upload:
    """A file that arrives in parts."""

    id: str
    name: str
    size: int
    created_at: int
    parts: Mapping[str, bytes] = attrs.field(default=MappingProxyType({}), repr=False)
    status: str = "pending"


def _no_uploads() -> dict[str, Upload]:
    return {}


@attrs.define(eq=False)
class State:
    """Files, uploads and jobs of one emulator, and the provider behind it. Safe in several threads.

    Attributes:
        backend: Trains and answers.
        catalog: OpenAI's models.
    """

    backend: Backend
    catalog: Catalog = attrs.field(factory=lambda: load_catalog("openai"))
    uploads: dict[str, Upload] = attrs.field(factory=_no_uploads, init=False, repr=False)
    lock: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False)

    @property
    def folder(self) -> Path:
        """Where files and jobs are kept."""
        return self.backend.folder / "openai"

    # -- files ---------------------------------------------------------------------------------------------------------

    def add_file(self, name: str, content: bytes) -> StoredFile:
        """Keep a file."""
        file = StoredFile(id=_identity("file-"), name=name, bytes=len(content), created_at=_now())
        codec.write_atomically(self._content(file.id), content)
        codec.write_atomically(self._file(file.id), codec.to_json(file).encode())
        return file

    def file(self, identity: str, param: str | None = None) -> StoredFile:
        """A file. Raises `RefusedError`."""
        try:
            return codec.from_json(self._file(identity).read_bytes(), StoredFile)
        except OSError as error:
            status = 404 if param is None else 400
            raise RefusedError(
                status, f"No such File object: {identity}", code="file_not_found", param=param
            ) from error

    def files(self) -> list[StoredFile]:
        """All files, newest first."""
        found = [codec.from_json(path.read_bytes(), StoredFile) for path in self.folder.glob("files/*.json")]
        return sorted(found, key=lambda file: (file.created_at, file.id), reverse=True)

    def content(self, identity: str) -> bytes:
        """A file's bytes. Raises `RefusedError`."""
        self.file(identity)
        return self._content(identity).read_bytes()

    def delete_file(self, identity: str) -> None:
        """Remove a file; jobs that read it go on. Raises `RefusedError`."""
        self.file(identity)
        self._file(identity).unlink(missing_ok=True)
        self._content(identity).unlink(missing_ok=True)

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def add_job(self, body: JobBody) -> StoredJob:
        """Start a job. Two equal requests make two jobs, as at OpenAI. Raises `RefusedError`."""
        base = self.base(body.model)
        if base is None:
            message = f"The model {body.model} isn't available for fine-tuning"
            raise RefusedError(400, message, code="model_not_available", param="model")
        self.file(body.training_file, "training_file")
        if body.validation_file is not None:
            self.file(body.validation_file, "validation_file")
        job = StoredJob(id=_identity("ftjob-"), created_at=_now(), body=body)
        try:
            self._check_lines(body.training_file, "training")
            if body.validation_file is not None:
                self._check_lines(body.validation_file, "validation")
            job = attrs.evolve(job, played_by=self._play(job, base))
        except _UnusableError as error:
            job = attrs.evolve(job, failure=error.failure)
        except (DataError, RequestRejectedError) as error:
            job = attrs.evolve(job, failure=JobFailure(code="invalid_training_file", message=str(error)))
        self.keep(job)
        return job

    def job(self, identity: str) -> StoredJob:
        """A job. Raises `RefusedError`."""
        try:
            return codec.from_json(self._job(identity).read_bytes(), StoredJob)
        except OSError as error:
            raise RefusedError(404, f"Could not find fine tune: {identity}", code="fine_tune_not_found") from error

    def jobs(self) -> list[StoredJob]:
        """All jobs, newest first."""
        paths = sorted(self.folder.glob("jobs/*.json"), key=lambda path: path.stat().st_mtime_ns)
        found = [codec.from_json(path.read_bytes(), StoredJob) for path in paths]
        newest_first = found[::-1]  # by when it was written, which tells those of one second apart
        return sorted(newest_first, key=lambda job: job.created_at, reverse=True)

    def keep(self, job: StoredJob) -> None:
        """Write a job down."""
        codec.write_atomically(self._job(job.id), codec.to_json(job).encode())

    def snapshot(self, job: StoredJob) -> JobSnapshot:
        """What is known of a job now, in the words of the ports."""
        if job.played_by is not None:
            return self.backend.trainer.get(job.played_by)
        return JobSnapshot(
            id=job.id,
            model=job.body.model,
            status=FAILED,
            created_at=job.created_at,
            finished_at=job.created_at,
            failure=job.failure,
        )

    def checkpoints(self, job: StoredJob) -> tuple[Checkpoint, ...]:
        """The last three checkpoints, earliest first."""
        return () if job.played_by is None else self.backend.trainer.checkpoints(job.played_by)[-_KEPT_CHECKPOINTS:]

    def change(self, job: StoredJob, verb: str) -> None:
        """Cancel, pause or resume a job. Raises `RefusedError`."""
        if job.played_by is None or self.snapshot(job).ended:
            raise RefusedError(400, f"Job {job.id} has already ended; it can't {verb}", code="invalid_job_state")
        if verb == "cancel":
            self.backend.trainer.cancel(job.played_by)
            return
        pauser = self.backend.pauser
        (pauser.pause if verb == "pause" else pauser.resume)(job.played_by)
        self.keep(attrs.evolve(job, pausing=verb == "pause"))

    def paused_soon(self, job: StoredJob, snapshot: JobSnapshot) -> bool:
        """Whether a pause was asked for and isn't reached yet."""
        return job.pausing and snapshot.status != PAUSED and not snapshot.ended

    # -- models --------------------------------------------------------------------------------------------------------

    def base(self, model: str) -> str | None:
        """The provider's base that plays one of OpenAI's: the smaller by the smaller; None where it can't be tuned."""
        known = self.catalog.find(model)
        if known is None or "supervised" not in known.methods or model.startswith("ft:"):
            return None
        small, medium, large = self.backend.bases()
        return small if "nano" in model else medium if "mini" in model else large

    def tuned_name(self, job: StoredJob, step: int | None = None) -> str:
        """The name of a job's model, or of its checkpoint: `ft:<base>:<org>:<suffix>:<id>[:ckpt-step-N]`."""
        letters = job.id.removeprefix("ftjob-")[:_MODEL_ID_LETTERS]
        name = f"ft:{job.body.model}:{self.backend.organization}:{job.body.suffix or ''}:{letters}"
        return name if step is None else f"{name}:ckpt-step-{step}"

    def tuned(self, model: str) -> StoredJob:
        """The job whose model or checkpoint has this name. Raises `RefusedError`."""
        name, _, step = model.partition(":ckpt-step-")
        for job in self.jobs():
            if self.tuned_name(job) == name and not job.deleted:
                found = self.snapshot(job).tuned_model if not step else self._checkpoint_model(job, step)
                if found:
                    return job
        raise _no_model(model)

    def answers(self, model: str) -> str:
        """The provider's name of a model, base or tuned. Raises `RefusedError`."""
        base = self.base(model)
        if base is not None:
            return base
        job = self.tuned(model)
        step = model.partition(":ckpt-step-")[2]
        return (self._checkpoint_model(job, step) if step else self.snapshot(job).tuned_model) or ""

    # -- within --------------------------------------------------------------------------------------------------------

    def _checkpoint_model(self, job: StoredJob, step: str) -> str | None:
        return next((each.model for each in self.checkpoints(job) if str(each.step) == step), None)

    def _play(self, job: StoredJob, base: str) -> str:
        body = job.body
        stored = [
            self.file(identity) for identity in (body.training_file, body.validation_file) if identity is not None
        ]
        sent = [self.backend.sent(self._content(file.id), file.name) for file in stored]
        names = {"n_epochs": "epochs"}
        request = JobRequest(
            model=base,
            training_file=sent[0],
            validation_file=sent[1] if len(sent) > 1 else None,
            method=body.method,
            hyperparameters={names.get(name, name): value for name, value in body.hyperparameters.items()},
            seed=body.seed,
            suffix=body.suffix,
            key=job.id,
        )
        return self.backend.trainer.create(request).id

    def _check_lines(self, identity: str, role: str) -> None:
        lines = [line for line in self._content(identity).read_bytes().split(b"\n") if line.strip()]
        code, param = f"invalid_{role}_file", f"{role}_file"
        for number, line in enumerate(lines, start=1):
            try:
                wire.from_record(codec.decode(line))
            except (ValueError, AttributeError) as error:
                raise _UnusableError(f"line {number} can't be read: {error}", code, param) from error
        if role == "training" and len(lines) < _FEWEST:
            message = f"Training file has {len(lines)} example(s), but must have at least {_FEWEST} examples"
            raise _UnusableError(message, "invalid_n_examples", param)

    def _content(self, identity: str) -> Path:
        return self.folder / "files" / f"{identity}.content"

    def _file(self, identity: str) -> Path:
        return self.folder / "files" / f"{identity}.json"

    def _job(self, identity: str) -> Path:
        return self.folder / "jobs" / f"{identity}.json"


class _UnusableError(RequestRejectedError):
    """A job that fails because of its file."""

    def __init__(self, message: str, code: str, param: str) -> None:
        super().__init__(message, code=code)
        self.failure = JobFailure(message=message, code=code, param=param)


def _no_model(model: str) -> RefusedError:
    message = f"The model '{model}' does not exist or you do not have access to it"
    return RefusedError(404, message, code="model_not_found", param="model")


def _identity(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(_ID_BYTES)}"


def _now() -> int:
    return int(time.time())
