"""Jobs at Vertex AI: supervised tuning through the stable API, preference tuning through v1beta1."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.lenient import as_list, as_object, as_text
from finetuner.providers.ports import Checkpoint, Finding, JobEvent, JobRequest, JobSnapshot
from finetuner.providers.vertex import history, mapping
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.failures import NAME, rejected
from finetuner.providers.vertex.requests import METHODS, job_body, label

_LOOK_AT: Final = 1_000
"""Newest jobs that are searched for a key."""

_JOB: Final = re.compile(r"projects/[^/]+/locations/[^/]+/tuningJobs/[^/]+")
_NUMBER: Final = re.compile(r"\d+")
_MODEL_RESOURCE: Final = re.compile(r"projects/[^/]+/locations/[^/]+/models/.+")
_ENDPOINT: Final = re.compile(r"projects/[^/]+/locations/[^/]+/endpoints/[^/]+")


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
        filtered = self._with_key(self._filtered(f'labels.{mapping.KEY}="{wanted}"'), wanted)
        return filtered or self._with_key(self.client.jobs(), wanted)

    def get(self, job_id: str) -> JobSnapshot:
        """The job now. Raises `NotFoundError`."""
        return mapping.job(self._job(job_id))

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs of the location, newest first."""
        return tuple(mapping.job(raw) for raw in islice(self.client.jobs(), limit))

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """What the job itself tells, oldest first; rows that were left out are warnings. Raises `NotFoundError`."""
        return history.events(self._job(job_id))

    def findings(self, job_id: str) -> tuple[Finding, ...]:
        """What Vertex AI noted about the training data, once it has read them. Raises `NotFoundError`."""
        return history.findings(self._job(job_id))

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """Checkpoints with their endpoints, earliest step first. Raises `NotFoundError`."""
        return mapping.checkpoints(self._job(job_id))

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
        """The job through the stable API; where that shows too little, laid under what v1beta1 shows."""
        name = self._name(job_id)
        raw = self.client.job(name)
        if not mapping.unfinished(raw) and mapping.specification(raw):
            return raw
        try:
            return self.client.beta("GET", name) | raw
        except NotFoundError:
            return raw  # a host that serves the stable API alone has no more to tell

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
        if not _ENDPOINT.fullmatch(model):
            return {"baseModel": model}
        for raw in islice(self.client.jobs(), _LOOK_AT):
            tuned = as_object(raw.get("tunedModel"))
            name = as_text(tuned.get("model"))
            if name is None:
                continue
            if tuned.get("endpoint") == model:
                return {"preTunedModel": {"tunedModelName": name}}
            for saved in map(as_object, as_list(tuned.get("checkpoints"))):
                if saved.get("endpoint") == model:
                    return {"preTunedModel": {"tunedModelName": name, "checkpointId": saved.get("checkpointId")}}
        raise rejected(
            f"no job of {self.client.parent} has the endpoint {model}; give the tuned model's own name, "
            "projects/…/locations/…/models/…@1",
            code="unknown_model",
        )

    def _filtered(self, wanted: str) -> Iterator[JsonObject]:
        try:
            yield from self.client.jobs(wanted)
        except RequestRejectedError:
            return  # not every host filters by labels; all jobs are looked at next

    def _with_key(self, jobs: Iterator[JsonObject], wanted: str) -> JobSnapshot | None:
        snapshots = (mapping.job(raw) for raw in islice(jobs, _LOOK_AT))
        return max((job for job in snapshots if job.key == wanted), key=lambda job: job.created_at, default=None)
