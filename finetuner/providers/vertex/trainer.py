"""Jobs at Vertex AI: supervised tuning through the stable API, preference tuning through v1beta1."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import NotFoundError, ProviderError, RequestRejectedError
from finetuner.providers.ports import Checkpoint, Finding, JobEvent, JobRequest, JobSnapshot
from finetuner.providers.vertex import history, losses, mapping, resources
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.failures import NAME
from finetuner.providers.vertex.requests import METHODS, job_body, label

_JOB: Final = re.compile(r"projects/[^/]+/locations/[^/]+/tuningJobs/[^/]+")
_NUMBER: Final = re.compile(r"\d+")
_MODEL_RESOURCE: Final = re.compile(r"projects/[^/]+/locations/[^/]+/models/.+")


@attrs.frozen
class VertexTrainer:
    """The `Trainer` of Vertex AI."""

    client: Client

    def create(self, request: JobRequest) -> JobSnapshot:
        """Start a job. Sent once, with `request.key` among its labels.

        Raises:
            RequestRejectedError: Vertex AI doesn't take such a job.
            RateLimitError: The project may run no more jobs at a time.
        """
        body = job_body(request, self._base(request.model))
        stable = METHODS[request.method] == mapping.SUPERVISED
        return mapping.job(self.client.create_job(body) if stable else self.client.create_beta_job(body))

    def find(self, key: str) -> JobSnapshot | None:
        """The newest job with this key, or None.

        Asked for by label, and then looked for among the 1,000 newest: a filter that a service doesn't understand must
        not lead to a second job.
        """
        if not key:
            return None
        wanted = label(key)
        filtered = self._with_key(resources.filtered(self.client.jobs, resources.by_key(wanted)), wanted)
        return filtered or self._with_key(self.client.jobs(), wanted)

    def get(self, job_id: str) -> JobSnapshot:
        """The job now. Raises `NotFoundError`."""
        return mapping.job(self._job(job_id))

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs of the location, newest first."""
        return tuple(mapping.job(raw) for raw in islice(self.client.jobs(), limit))

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """What the job itself tells, and its losses, oldest first; rows left out are warnings.

        Raises:
            NotFoundError: There is no such job.
        """
        raw = self._job(job_id)
        return history.events(raw, losses.losses(self.client, raw))

    def findings(self, job_id: str) -> tuple[Finding, ...]:
        """What Vertex AI noted about the training data, once it has read them. Raises `NotFoundError`."""
        return history.findings(self._job(job_id))

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """Checkpoints with their endpoints and losses, earliest step first. Raises `NotFoundError`."""
        raw = self._job(job_id)
        saved = mapping.checkpoints(raw)
        found = losses.losses(self.client, raw) if saved else losses.Losses()
        return tuple(losses.measured(each, found) for each in saved)

    def cancel(self, job_id: str) -> JobSnapshot:
        """Ask the job to stop; one that has ended is returned as it is. Raises `NotFoundError`."""
        name = self._name(job_id)
        try:
            self.client.cancel_job(name)
        except RequestRejectedError:
            current = self.get(name)
            if not current.ended:
                raise
            return current
        return self.get(name)

    def _job(self, job_id: str) -> JsonObject:
        """The job through the stable API; where that shows too little, laid over what v1beta1 shows."""
        name = self._name(job_id)
        raw = self.client.job(name)
        if not mapping.unfinished(raw) and mapping.specification(raw):
            return raw
        try:
            return self.client.beta("GET", name) | raw
        except ProviderError as error:
            if error.retryable:
                raise
            return (
                raw  # a host that serves the stable API alone has no more to tell, nor has one that forbids the other
            )

    def _name(self, job_id: str) -> str:
        if _JOB.fullmatch(job_id):
            return job_id
        if _NUMBER.fullmatch(job_id):
            return f"{self.client.parent}/tuningJobs/{job_id}"
        message = f"{job_id!r} is no tuning job of Vertex AI, such as projects/…/locations/…/tuningJobs/123"
        raise NotFoundError(message, provider=NAME)

    def _base(self, model: str) -> JsonObject:
        if _MODEL_RESOURCE.fullmatch(model):
            return {"preTunedModel": {"tunedModelName": model}}
        if not resources.is_endpoint(model):
            return {"baseModel": model}
        return {"preTunedModel": resources.tuned_at(self.client, model)}

    def _with_key(self, jobs: Iterator[JsonObject], wanted: str) -> JobSnapshot | None:
        snapshots = (mapping.job(raw) for raw in islice(jobs, resources.LOOK_AT))
        return max((job for job in snapshots if job.key == wanted), key=lambda job: job.created_at, default=None)
