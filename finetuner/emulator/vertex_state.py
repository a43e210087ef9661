"""Tuning jobs of the emulated Vertex AI: written down here, played by the provider behind it."""

import hashlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example
from finetuner.data.formats import as_object, vertex, vertex_preference
from finetuner.data.shapes import is_list
from finetuner.emulator import playing
from finetuner.emulator.backend import Backend
from finetuner.emulator.gcs_objects import Objects
from finetuner.emulator.routing import RefusedError
from finetuner.emulator.vertex_requests import ADAPTER_SIZES, bad
from finetuner.errors import DataError, RequestRejectedError
from finetuner.providers.catalog import BaseModel, Catalog, load_catalog
from finetuner.providers.ports import FAILED, Checkpoint, JobFailure, JobRequest, JobSnapshot

_PREFERENCE: Final = "preferenceOptimizationSpec"
_NUMBERS: Final = {"epochCount": "epochs", "learningRateMultiplier": "learning_rate_multiplier"}
_LETTERS_PER_TOKEN: Final = 4
_INVALID: Final = "INVALID_ARGUMENT"


@attrs.frozen(kw_only=True)
class StoredTuning:
    """A tuning job as it was asked for, and what plays it.

    Attributes:
        number: The last step of its name.
        parent: `projects/…/locations/…`.
        created_at: Seconds since the epoch.
        body: The request, checked.
        model: The base's name at Vertex AI.
        played_by: The provider's id of the job that does the training; None where it failed before.
        failure: Why it failed before.
        examples: Training rows that are learned.
        dropped: Training rows that are not: number (from 1) and reason.
        cancelling: Whether it was asked to stop.
    """

    number: str
    parent: str
    created_at: float
    body: JsonObject
    model: str
    played_by: str | None = None
    failure: JobFailure | None = None
    examples: int = 0
    dropped: tuple[tuple[int, str], ...] = ()
    cancelling: bool = False

    @property
    def name(self) -> str:
        """`projects/…/locations/…/tuningJobs/…`."""
        return f"{self.parent}/tuningJobs/{self.number}"

    @property
    def model_name(self) -> str:
        """The tuned model's resource."""
        return f"{self.parent}/models/{self.number}@1"

    @property
    def experiment(self) -> str:
        """The experiment that holds its losses."""
        return f"{self.parent}/metadataStores/default/contexts/tuning-experiment-{self.number}"

    @property
    def spec(self) -> JsonObject:
        """The specification, of either method."""
        found: JsonObject = self.body.get("supervisedTuningSpec") or self.body[_PREFERENCE]
        return found

    def endpoint(self, step: int) -> str:
        """The endpoint of the checkpoint at a step: a number of its own."""
        digest = hashlib.sha256(f"{self.number}/{step}".encode()).digest()
        return f"{self.parent}/endpoints/{int.from_bytes(digest[:7], 'big')}"


@attrs.frozen
class Tunings:
    """All tuning jobs of an emulator. Safe in several threads.

    Attributes:
        backend: Trains and answers.
        objects: Where training data lies.
        catalog: Vertex AI's models.
    """

    backend: Backend
    objects: Objects
    catalog: Catalog = attrs.field(factory=lambda: load_catalog("vertex"), repr=False)

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def add(self, parent: str, body: JsonObject) -> StoredTuning:
        """Start a job. Two equal requests make two jobs, as at Vertex AI. Raises `RefusedError`."""
        before = self._before(body)
        model = before.model if before is not None else str(body["baseModel"])
        job = StoredTuning(
            number=str(secrets.randbelow(9 * 10**17) + 10**17),
            parent=parent,
            created_at=time.time(),
            body=body,
            model=model,
        )
        self._check(job, self._base(model))
        try:
            job = self._played(job, before)
        except (DataError, RequestRejectedError) as error:
            job = attrs.evolve(job, failure=JobFailure(code=_INVALID, message=str(error)))
        self.keep(job)
        return job

    def job(self, parent: str, number: str) -> StoredTuning:
        """A job. Raises `RefusedError`."""
        path = self._path(number)
        job = codec.from_json(path.read_bytes(), StoredTuning) if number.isdigit() and path.is_file() else None
        if job is None or job.parent != parent:
            raise RefusedError(404, f"TuningJob {parent}/tuningJobs/{number} is not found.", code="NOT_FOUND")
        return job

    def jobs(self, parent: str) -> list[StoredTuning]:
        """All jobs of a location, newest first."""
        found = [codec.from_json(path.read_bytes(), StoredTuning) for path in self._folder.glob("*.json")]
        here = [job for job in found if job.parent == parent]
        return sorted(here, key=lambda job: job.created_at, reverse=True)

    def keep(self, job: StoredTuning) -> None:
        """Write a job down."""
        codec.write_atomically(self._path(job.number), codec.to_json(job).encode())

    def cancel(self, job: StoredTuning) -> None:
        """Ask a job to stop. Raises `RefusedError`."""
        if job.played_by is None or self.snapshot(job).ended:
            message = f"The job {job.name} has ended and can't be cancelled."
            raise RefusedError(400, message, code="FAILED_PRECONDITION")
        self.backend.trainer.cancel(job.played_by)
        self.keep(attrs.evolve(job, cancelling=True))

    def snapshot(self, job: StoredTuning) -> JobSnapshot:
        """What is known of a job now, in the words of the ports."""
        if job.played_by is not None:
            return self.backend.trainer.get(job.played_by)
        return JobSnapshot(
            id=job.name,
            model=job.model,
            status=FAILED,
            created_at=job.created_at,
            finished_at=job.created_at,
            failure=job.failure,
        )

    def checkpoints(self, job: StoredTuning) -> tuple[Checkpoint, ...]:
        """Checkpoints with an endpoint, earliest first: one for each epoch, or the last one alone where asked so."""
        if job.played_by is None:
            return ()
        found = self.backend.trainer.checkpoints(job.played_by)
        return found[-1:] if job.spec.get("exportLastCheckpointOnly") else found

    # -- models --------------------------------------------------------------------------------------------------------

    def answers(self, model: str) -> str:
        """The provider's name of a base model. Raises `RefusedError`."""
        return self._playing(self._base(model))

    def tuned(self, endpoint: str) -> str:
        """The provider's name of the model at an endpoint. Raises `RefusedError`."""
        for path in self._folder.glob("*.json"):
            job = codec.from_json(path.read_bytes(), StoredTuning)
            for each in self.checkpoints(job):
                if job.endpoint(each.step).rpartition("/")[2] == endpoint.rpartition("/")[2]:
                    return each.model
        raise RefusedError(404, f"Endpoint `{endpoint}` is not found.", code="NOT_FOUND")

    def tuned_model(self, model: str) -> str:
        """The provider's name of a tuned model, by its own resource. Raises `RefusedError`."""
        found = self.snapshot(self._made(model)).tuned_model
        if found is None:
            raise RefusedError(400, f"Model {model} isn't ready.", code="FAILED_PRECONDITION")
        return found

    def content(self, uri: str) -> Path:
        """The file with an object's content. Raises `RefusedError`."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        try:
            return self.objects.path(self.objects.get(bucket, name))
        except RefusedError as error:
            raise bad(f"Failed to read {uri}: no such object.") from error

    # -- within --------------------------------------------------------------------------------------------------------

    def _base(self, model: str) -> BaseModel:
        known = self.catalog.find(model.rpartition("/")[2])
        if known is None:
            message = f"Base model {model} is not supported or your project does not have access to it."
            raise RefusedError(404, f"Publisher Model `{model}` was not found. {message}", code="NOT_FOUND")
        return known

    def _playing(self, base: BaseModel) -> str:
        small, medium, large = self.backend.bases()
        return small if "lite" in base.name else large if "pro" in base.name else medium

    def _before(self, body: JsonObject) -> StoredTuning | None:
        """The job whose model is to be tuned further."""
        if "preTunedModel" not in body:
            return None
        return self._made(str(body["preTunedModel"].get("tunedModelName", "")))

    def _made(self, model: str) -> StoredTuning:
        for path in self._folder.glob("*.json"):
            job = codec.from_json(path.read_bytes(), StoredTuning)
            if job.model_name.partition("@")[0] == model.partition("@")[0]:
                return job
        raise RefusedError(404, f"Model {model} is not found.", code="NOT_FOUND")

    def _check(self, job: StoredTuning, base: BaseModel) -> None:
        location = job.parent.rpartition("/")[2]
        if base.locations and location not in base.locations:
            raise bad(f"Tuning {base.name} is not supported in {location}.")
        adapter = job.spec.get("hyperParameters", {}).get("adapterSize")
        allowed: Json = base.options.get("adapter_sizes")
        if adapter and is_list(allowed) and ADAPTER_SIZES[adapter] not in allowed:
            raise bad(f"{adapter} is not supported for {base.name}.")
        for role in ("trainingDatasetUri", "validationDatasetUri"):
            if role in job.spec:
                self.content(str(job.spec[role]))

    def _played(self, job: StoredTuning, before: StoredTuning | None) -> StoredTuning:
        base = self._base(job.model)
        examples, dropped = self._split(str(job.spec["trainingDatasetUri"]), job, base)
        if not examples:
            raise DataError("The training dataset has no usable examples.")
        # The embedded model can't be tuned further: it is trained again, on what it learned before and the new rows.
        learned = self._split(str(before.spec["trainingDatasetUri"]), before, base)[0] if before is not None else []
        files = [self._sent(learned + examples, "training.jsonl")]
        if "validationDatasetUri" in job.spec:
            validation = self._split(str(job.spec["validationDatasetUri"]), job, base)[0]
            most = base.limits.max_validation_examples
            if most is not None and len(validation) > max(most, 0.3 * len(examples)):
                raise DataError(f"The validation dataset has {len(validation)} examples; {most} are allowed.")
            files.append(self._sent(validation, "validation.jsonl"))
        given = job.spec.get("hyperParameters", {})
        request = JobRequest(
            model=self._playing(base),
            training_file=files[0],
            validation_file=files[1] if len(files) > 1 else None,
            hyperparameters={_NUMBERS[name]: value for name, value in given.items() if name in _NUMBERS},
            key=job.name,
        )
        played = self.backend.trainer.create(request)
        return attrs.evolve(job, played_by=played.id, examples=len(examples), dropped=tuple(dropped))

    def _split(self, uri: str, job: StoredTuning, base: BaseModel) -> tuple[list[Example], list[tuple[int, str]]]:
        """Examples to learn, and rows that are left out as Vertex AI leaves them out."""
        most = base.limits.max_tokens_per_example
        examples: list[Example] = []
        dropped: list[tuple[int, str]] = []
        for row, example in self._rows(uri, preference=_PREFERENCE in job.body):
            letters = sum(len(message.text) for message in example.messages)
            if most is not None and letters > most * _LETTERS_PER_TOKEN:
                dropped.append((row, f"The example has more than {most} tokens."))
            elif example.answer is None or not playing.written(example.answer).strip():
                dropped.append((row, "The example has no model turn with content at its end."))
            else:
                examples.append(example)
        return examples, dropped

    def _rows(self, uri: str, *, preference: bool) -> Iterator[tuple[int, Example]]:
        read = vertex_preference.from_record if preference else vertex.from_record
        lines = self.content(uri).read_bytes().split(b"\n")
        for row, line in enumerate((line for line in lines if line.strip()), start=1):
            try:
                yield row, read(as_object(codec.decode(line)))
            except (DataError, ValueError) as error:
                raise DataError(f"Dataset {uri} is invalid at line {row}: {error}") from error

    def _sent(self, examples: list[Example], name: str) -> str:
        with tempfile.TemporaryDirectory(prefix="finetuner-emulator-") as folder:
            path = Path(folder) / name
            path.write_bytes(b"".join(playing.lines(examples)))
            return self.backend.sent(path, name)

    @property
    def _folder(self) -> Path:
        return self.backend.folder / "vertex" / "jobs"

    def _path(self, number: str) -> Path:
        return self._folder / f"{number}.json"
