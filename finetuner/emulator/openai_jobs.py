"""Fine-tuning jobs and models of the emulated OpenAI: written down here, played by the provider behind it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.checks.openai import check_chat, check_pair
from finetuner.data.checks.rules import RecordRule
from finetuner.data.examples import Example
from finetuner.data.formats import openai, preference
from finetuner.data.shapes import is_object
from finetuner.emulator import playing
from finetuner.emulator.backend import Backend
from finetuner.emulator.checking import refused
from finetuner.emulator.openai_files import Files, made_id
from finetuner.emulator.routing import RefusedError
from finetuner.errors import DataError, RequestRejectedError
from finetuner.providers.catalog import Catalog
from finetuner.providers.ports import FAILED, PAUSED, Checkpoint, JobFailure, JobRequest, JobSnapshot

_FEWEST: Final = 10
_KEPT_CHECKPOINTS: Final = 3
_MODEL_ID_LETTERS: Final = 8
_TRAINING: Final = "training"
_STEP: Final = ":ckpt-step-"
_PURPOSE: Final = "fine-tune"
_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})
_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})
_READ: Final = {"dpo": preference.from_record}
_CHECKED: Final[Mapping[str, RecordRule]] = {"supervised": check_chat, "dpo": check_pair}


@attrs.frozen(kw_only=True)
class JobBody:
    """A request for a job, checked.

    Attributes:
        model: The base's name at OpenAI, or a tuned model's.
        training_file: File id.
        validation_file: File id, or None.
        method: `supervised`, `dpo` or `reinforcement`.
        hyperparameters: Under OpenAI's names.
        inner: The other fields of the method, such as the grader.
        suffix: Part of the tuned model's name.
        seed: As given.
        metadata: Pairs of text.
        integrations: As given.
    """

    model: str
    training_file: str
    validation_file: str | None = None
    method: str = "supervised"
    hyperparameters: Mapping[str, Json] = _NOTHING
    inner: Mapping[str, Json] = _NOTHING
    suffix: str | None = None
    seed: int | None = None
    metadata: Mapping[str, str] = _NO_TEXTS
    integrations: tuple[Mapping[str, Json], ...] = ()


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
    created_at: float
    body: JobBody
    played_by: str | None = None
    failure: JobFailure | None = None
    deleted: bool = False
    pausing: bool = False


@attrs.frozen
class Jobs:
    """Jobs in a folder. Safe in several threads and after a restart."""

    folder: Path
    backend: Backend
    files: Files
    catalog: Catalog
    _behind: dict[str, str] = attrs.field(factory=dict[str, str], init=False, eq=False, repr=False)  # never change

    def add(self, body: JobBody) -> StoredJob:
        """Start a job. Two equal requests make two jobs, as at OpenAI. Raises `RefusedError`."""
        self._check_model(body)
        for param, identity in (("training_file", body.training_file), ("validation_file", body.validation_file)):
            if identity is not None and self.files.get(identity, param).purpose != _PURPOSE:
                raise refused(param, f"File {identity} wasn't uploaded for fine-tuning", "invalid_file_purpose")
        job = StoredJob(id=made_id("ftjob-"), created_at=self.backend.clock.now(), body=body)
        try:
            job = attrs.evolve(job, played_by=self._play(job))
        except _UnusableError as error:
            job = attrs.evolve(job, failure=error.failure)
        except (DataError, RequestRejectedError) as error:
            job = attrs.evolve(job, failure=JobFailure(code="invalid_training_file", message=str(error)))
        self.keep(job)
        return job

    def get(self, identity: str) -> StoredJob:
        """A job. Raises `RefusedError`."""
        try:
            return codec.from_json(self._path(identity).read_bytes(), StoredJob)
        except OSError as error:
            message = f"Could not find fine tune: {identity:.100}"
            raise RefusedError(404, message, code="fine_tune_not_found") from error

    def all(self) -> list[StoredJob]:
        """All jobs, newest first."""
        found = [codec.from_json(path.read_bytes(), StoredJob) for path in self.folder.glob("ftjob-*.json")]
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def keep(self, job: StoredJob) -> None:
        """Write a job down. The models of a deleted one are forgotten."""
        if job.deleted:
            self._behind.clear()
        codec.write_atomically(self._path(job.id), codec.to_json(job).encode())

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
        if known is None or not known.methods or model.startswith("ft:"):
            return None
        small, medium, large = self.backend.bases()
        return small if "nano" in model else medium if "mini" in model else large

    def tuned_name(self, job: StoredJob, step: int | None = None) -> str:
        """The name of a job's model, or of its checkpoint: `ft:<base>:<org>:<suffix>:<id>[:ckpt-step-N]`."""
        letters = job.id.removeprefix("ftjob-")[:_MODEL_ID_LETTERS]
        base = self.catalog.find(job.body.model)
        name = base.name if base is not None else job.body.model
        name = f"ft:{name}:{self.backend.organization}:{job.body.suffix or ''}:{letters}"
        return name if step is None else f"{name}{_STEP}{step}"

    def tuned(self, model: str) -> StoredJob:
        """The job whose model or checkpoint has this name. Raises `RefusedError`."""
        name, _, step = model.partition(_STEP)
        for job in self.all():
            if self.tuned_name(job) == name and not job.deleted:
                found = self.snapshot(job).tuned_model if not step else self._checkpoint_model(job, step)
                if found:
                    return job
        message = f"The model '{model:.200}' does not exist or you do not have access to it"
        raise RefusedError(404, message, code="model_not_found", param="model")

    def answers(self, model: str) -> str:
        """The provider's name of a model, base or tuned. Raises `RefusedError`."""
        known = self.base(model) or self._behind.get(model)
        if known is None:
            job, step = self.tuned(model), model.partition(_STEP)[2]
            known = (self._checkpoint_model(job, step) if step else self.snapshot(job).tuned_model) or ""
            self._behind[model] = known
        return known

    # -- within --------------------------------------------------------------------------------------------------------

    def _check_model(self, body: JobBody) -> None:
        known = self.catalog.find(body.model)
        if known is None or not known.methods:
            message = f"The model {body.model:.200} isn't available for fine-tuning"
            raise RefusedError(400, message, code="model_not_available", param="model")
        if body.method not in known.methods:
            message = f"{known.name} can't be trained by {body.method}, only by {', '.join(known.methods)}"
            raise refused("method.type", message, "invalid_value")
        if body.model.startswith("ft:"):
            self.tuned(body.model)

    def _checkpoint_model(self, job: StoredJob, step: str) -> str | None:
        return next((each.model for each in self.checkpoints(job) if str(each.step) == step), None)

    def _play(self, job: StoredJob) -> str:
        body = job.body
        training = self._sent(job, body.training_file, _TRAINING)
        validation = self._sent(job, body.validation_file, "validation") if body.validation_file is not None else None
        ours = {"n_epochs": "epochs"}
        known = ("n_epochs", "batch_size", "learning_rate_multiplier")  # others belong to methods that are played
        base = self._origin(body.model)
        request = JobRequest(
            model=self.base(base) or base,
            training_file=training,
            validation_file=validation,
            hyperparameters={
                ours.get(name, name): value for name, value in body.hyperparameters.items() if name in known
            },
            seed=body.seed,
            suffix=body.suffix,
            key=job.id,
        )
        return self.backend.trainer.create(request).id

    def _sent(self, job: StoredJob, identity: str, role: str) -> str:
        """The provider's id of a file whose lines are checked and translated.

        What a job learns is kept: a job that goes on from its model learns that again, and then its own.
        """
        path = self._lines(job, role)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as target:
                if role == _TRAINING and job.body.model.startswith("ft:"):
                    target.write(self._lines(self.tuned(job.body.model), role).read_bytes())
                target.writelines(playing.lines(self._examples(identity, role, job.body)))
            return self.backend.sent(path, self.files.get(identity).name)
        except DataError as error:
            raise _UnusableError(str(error), f"invalid_{role}_file", f"{role}_file") from error

    def _lines(self, job: StoredJob, role: str) -> Path:
        return self.folder / f"{job.id}.{role}.jsonl"

    def _origin(self, model: str) -> str:
        """The base at the beginning of a chain of tuned models."""
        while model.startswith("ft:"):
            model = self.tuned(model).body.model
        return model

    def _examples(self, identity: str, role: str, body: JobBody) -> Iterator[Example]:
        code, param, read = f"invalid_{role}_file", f"{role}_file", 0
        with self.files.path(identity).open("rb") as source:
            for number, line in enumerate(source, start=1):
                if not line.strip():
                    continue
                try:
                    yield _example(codec.decode(line), body)
                except (ValueError, AttributeError) as error:
                    raise _UnusableError(f"line {number} can't be used: {error}", code, param) from error
                read += 1
        if role == _TRAINING and read < _FEWEST:
            message = f"Training file has {read} example(s), but must have at least {_FEWEST} examples"
            raise _UnusableError(message, "invalid_n_examples", param)

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity if identity.replace('-', '').isalnum() else 'none'}.json"


class _UnusableError(RequestRejectedError):
    """A job that fails because of its file."""

    def __init__(self, message: str, code: str, param: str) -> None:
        super().__init__(message, code=code)
        self.failure = JobFailure(message=message, code=code, param=param)


def _example(record: Json, body: JobBody) -> Example:
    """The example of a line, checked as OpenAI checks it. Raises `ValueError`."""
    if not is_object(record):
        raise ValueError("it isn't a JSON object")
    for problem in _CHECKED[body.method](record) if body.method in _CHECKED else ():
        if problem.severity == "error":
            raise ValueError(f"{problem.field or 'it'}: {problem.message}")
    example = _READ.get(body.method, openai.from_record)(record)
    grader: JsonObject | None = body.inner.get("grader")
    return example if grader is None else playing.rewarded(example, grader)
