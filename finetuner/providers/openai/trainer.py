"""Jobs at OpenAI, and at those who speak its API."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import RequestRejectedError
from finetuner.providers.openai import mapping, results
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import rejected
from finetuner.providers.openai.flavours import Flavour
from finetuner.providers.ports import Checkpoint, JobEvent, JobRequest, JobSnapshot

_PAGE: Final = 100
_LOOK_AT: Final = 1_000
"""Newest jobs that are searched for a key."""

_METHODS: Final = {"preference": "dpo"}
_REINFORCEMENT: Final = "reinforcement"
_INSIDE_REINFORCEMENT: Final = ("grader", "response_format")


@attrs.frozen
class OpenAITrainer:
    """The `Trainer` of a service."""

    client: Client

    def create(self, request: JobRequest) -> JobSnapshot:
        """Start a job. Sent once, with `request.key` among its metadata.

        Raises:
            TrainingNotAvailableError: The organization can't create jobs; the message names other ways.
            RequestRejectedError: The service doesn't take such a job.
        """
        body, extra = job_body(request, self.client.flavour)
        return mapping.job(self._created(body, extra))

    def find(self, key: str) -> JobSnapshot | None:
        """The newest job with this key among the 1,000 newest, or None."""
        if not key:
            return None
        wanted = {mapping.KEY: key} if self.client.flavour.metadata_filter else None
        jobs = (mapping.job(raw) for raw in islice(self._jobs(wanted), _LOOK_AT))
        # Checked again on each: not every service that takes the filter obeys it.
        return max((job for job in jobs if job.key == key), key=lambda job: job.created_at, default=None)

    def get(self, job_id: str) -> JobSnapshot:
        """The job now. Raises `NotFoundError`."""
        return mapping.job(self.client.ask(lambda sdk: sdk.fine_tuning.jobs.retrieve(job_id)))

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs, newest first."""
        return tuple(mapping.job(raw) for raw in islice(self._jobs(None), limit))

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """All events, oldest first. Raises `NotFoundError`."""
        return mapping.events(self.client.each(lambda sdk: sdk.fine_tuning.jobs.list_events(job_id, limit=_PAGE)))

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """Checkpoints that can be used, earliest step first. Raises `NotFoundError`."""
        return mapping.checkpoints(
            self.client.each(lambda sdk: sdk.fine_tuning.jobs.checkpoints.list(job_id, limit=_PAGE))
        )

    def results(self, job_id: str) -> tuple[Mapping[str, float], ...]:
        """The metrics of each step from the files of a finished job, under our names; empty where it has none.

        Raises:
            NotFoundError: There is no such job.
            UnexpectedAnswerError: A file isn't the table that it should be.
        """
        job = self.client.ask(lambda sdk: sdk.fine_tuning.jobs.retrieve(job_id))
        files: Json = job.get("result_files")
        names = [file for file in files if isinstance(file, str)] if is_list(files) else []
        found = ("\n".join(self.client.lines(name)).encode() for name in names)
        return tuple(row for content in found for row in results.rows(content))

    def limits(self) -> Mapping[str, Mapping[str, int]]:
        """How many jobs the organization may have, by model: `max_total_jobs`, `max_concurrent_jobs`, `active_jobs`.

        Empty where the service doesn't tell.
        """
        answer = self.client.at("get", "/fine_tuning/model_limits") if self.client.flavour.limits else None
        if not is_object(answer):
            return {}
        return {
            model: {name: count for name, count in counts.items() if isinstance(count, int)}
            for model, counts in answer.items()
            if is_object(counts)
        }

    def cancel(self, job_id: str) -> JobSnapshot:
        """Ask the job to stop; one that has ended is returned as it is. Raises `NotFoundError`."""
        try:
            return mapping.job(self.client.ask(lambda sdk: sdk.fine_tuning.jobs.cancel(job_id)))
        except RequestRejectedError:
            current = self.get(job_id)
            if current.ended:
                return current
            raise

    def _created(self, body: JsonObject, extra: JsonObject) -> JsonObject:
        return self.client.ask(
            lambda sdk: sdk.fine_tuning.jobs.create(**body, extra_body=extra or None),
            once=True,
        )

    def _jobs(self, metadata: dict[str, str] | None) -> Iterator[JsonObject]:
        """All jobs, newest first; those with this metadata where the service filters."""
        if metadata is None:
            return self.client.each(lambda sdk: sdk.fine_tuning.jobs.list(limit=_PAGE))
        return self.client.each(lambda sdk: sdk.fine_tuning.jobs.list(limit=_PAGE, metadata=metadata))


@attrs.frozen
class OpenAIPauser:
    """The `Pauser` of a service."""

    client: Client

    def pause(self, job_id: str) -> JobSnapshot:
        """Stop the job so that it can go on later. Raises `NotFoundError` and `RequestRejectedError`."""
        return mapping.job(self.client.ask(lambda sdk: sdk.fine_tuning.jobs.pause(job_id)))

    def resume(self, job_id: str) -> JobSnapshot:
        """Let a paused job go on. Raises `NotFoundError` and `RequestRejectedError`."""
        return mapping.job(self.client.ask(lambda sdk: sdk.fine_tuning.jobs.resume(job_id)))


def job_body(request: JobRequest, flavour: Flavour) -> tuple[JsonObject, JsonObject]:
    """The body of a request for a job, and fields that the SDK doesn't know.

    Raises:
        RequestRejectedError: The flavour has no such method, or no such suffix.
    """
    method = _METHODS.get(request.method, request.method)
    _check(request, method, flavour)
    extra = dict(request.extra)
    hyperparameters = mapping.hyperparameters_to(request.hyperparameters)
    metadata = dict(request.metadata) | ({mapping.KEY: request.key} if request.key else {})
    body: JsonObject = {
        "model": request.model,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "suffix": request.suffix,
        "seed": request.seed,
        "metadata": metadata or None,
    }
    if flavour.nested_hyperparameters:
        body["method"] = _method(method, hyperparameters, extra)
    else:
        # Such services have hyperparameters of their own, which the SDK's types would drop.
        extra = {"hyperparameters": hyperparameters} | extra
    return {name: value for name, value in body.items() if value is not None}, extra


def _method(method: str, hyperparameters: JsonObject, extra: dict[str, Json]) -> JsonObject:
    inner: JsonObject = {"hyperparameters": hyperparameters} if hyperparameters else {}
    if method == _REINFORCEMENT:
        inner |= {name: extra.pop(name) for name in _INSIDE_REINFORCEMENT if name in extra}
    return {"type": method, method: inner} if inner else {"type": method}


def _check(request: JobRequest, method: str, flavour: Flavour) -> None:
    if method not in flavour.methods:
        known = ", ".join(flavour.methods)
        raise rejected(f"{flavour.title} doesn't train by {request.method!r}; it takes {known}", code="invalid_method")
    if request.suffix is not None and not flavour.suffix:
        raise rejected(f"{flavour.title} names tuned models itself; leave suffix out", code="invalid_suffix")
    if request.suffix is not None and "." in request.suffix and not flavour.dotted_suffix:
        raise rejected(f"{flavour.title} takes no dots in suffix {request.suffix!r}", code="invalid_suffix")
