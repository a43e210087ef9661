"""OpenAI's addresses for fine-tuning: jobs, events, checkpoints, permissions, limits and graders."""

from datetime import UTC, datetime
from typing import Final

import attrs
from starlette.responses import Response

from finetuner._core.types import Json, JsonObject
from finetuner.emulator import openai_shapes, openai_wire
from finetuner.emulator.grading import grade
from finetuner.emulator.openai_jobs import JobBody, StoredJob
from finetuner.emulator.openai_permissions import Permission
from finetuner.emulator.openai_state import State
from finetuner.emulator.paging import page
from finetuner.emulator.routing import Call, Route, answer

_JOBS: Final = "/v1/fine_tuning/jobs"
_JOB: Final = f"{_JOBS}/{{id}}"
_PERMISSIONS: Final = "/v1/fine_tuning/checkpoints/{checkpoint}/permissions"
_GRADERS: Final = "/v1/fine_tuning/alpha/graders"
_MOST_JOBS: Final = 1_000
_MOST_AT_ONCE: Final = 100


def job_routes(state: State) -> tuple[Route, ...]:
    """All of them."""
    api = _FineTuning(state)
    return (
        Route("POST", _JOBS, api.create_job),
        Route("GET", _JOBS, api.list_jobs),
        Route("GET", _JOB, api.get_job),
        Route("POST", f"{_JOB}/cancel", api.cancel_job),
        Route("POST", f"{_JOB}/pause", api.pause_job),
        Route("POST", f"{_JOB}/resume", api.resume_job),
        Route("GET", f"{_JOB}/events", api.list_events),
        Route("GET", f"{_JOB}/checkpoints", api.list_checkpoints),
        Route("GET", "/v1/fine_tuning/model_limits", api.model_limits),
        Route("POST", _PERMISSIONS, api.grant),
        Route("GET", _PERMISSIONS, api.list_permissions),
        Route("DELETE", f"{_PERMISSIONS}/{{id}}", api.revoke),
        Route("POST", f"{_GRADERS}/validate", api.validate_grader),
        Route("POST", f"{_GRADERS}/run", api.run_grader),
    )


@attrs.frozen
class _FineTuning:
    state: State

    def create_job(self, call: Call) -> Response:
        job = self.state.jobs.add(job_body(call.json()))
        return answer(self._job(job) | {"status": "validating_files", "error": {}, "finished_at": None})

    def list_jobs(self, call: Call) -> Response:
        wanted = {name[9:-1]: value for name, value in call.query.items() if name.startswith("metadata[")}
        jobs = [job for job in self.state.jobs.all() if wanted.items() <= dict(job.body.metadata).items()]
        return page(call, [self._job(job) for job in jobs])

    def get_job(self, call: Call) -> Response:
        return answer(self._job(self._stored(call)))

    def cancel_job(self, call: Call) -> Response:
        return self._changed(call, "cancel")

    def pause_job(self, call: Call) -> Response:
        return self._changed(call, "pause")

    def resume_job(self, call: Call) -> Response:
        return self._changed(call, "resume")

    def list_events(self, call: Call) -> Response:
        job = self._stored(call)
        found = () if job.played_by is None else self.state.backend.trainer.events(job.played_by)
        jobs = self.state.jobs
        return page(call, openai_wire.events(job, jobs.snapshot(job), found, jobs.tuned_name(job)))

    def list_checkpoints(self, call: Call) -> Response:
        job, jobs = self._stored(call), self.state.jobs
        newest_first = reversed(jobs.checkpoints(job))
        found = [openai_wire.checkpoint(job, each, jobs.tuned_name(job, each.step)) for each in newest_first]
        return page(call, found, default=10)

    def model_limits(self, call: Call) -> Response:
        del call
        jobs = self.state.jobs
        active = [job.body.model for job in jobs.all() if not jobs.snapshot(job).ended]
        limits = {
            model.name: {
                "max_total_jobs": _MOST_JOBS,
                "max_concurrent_jobs": _MOST_AT_ONCE,
                "active_jobs": sum(jobs.catalog.find(name) == model for name in active),
            }
            for model in jobs.catalog.models
            if model.methods
        }
        return answer(limits)

    # -- permissions and graders ---------------------------------------------------------------------------------------

    def grant(self, call: Call) -> Response:
        body = call.json()
        openai_shapes.PERMISSIONS(body, "")
        made = self.state.permissions.grant(self._checkpoint(call), body["project_ids"])
        return page(call, [_permission(each) for each in made])

    def list_permissions(self, call: Call) -> Response:
        project = call.query.get("project_id")
        found = [
            each for each in self.state.permissions.of(self._checkpoint(call)) if project in {None, each.project_id}
        ]
        return page(call, [_permission(each) for each in found], default=10)

    def revoke(self, call: Call) -> Response:
        self.state.permissions.revoke(self._checkpoint(call), call.parameters["id"])
        return answer({"id": call.parameters["id"], "object": "checkpoint.permission", "deleted": True})

    def validate_grader(self, call: Call) -> Response:
        body = call.json()
        openai_shapes.VALIDATE_GRADER(body, "")
        return answer({"grader": body["grader"]})

    def run_grader(self, call: Call) -> Response:
        body = call.json()
        openai_shapes.RUN_GRADER(body, "")
        return answer(grade(body["grader"], body["model_sample"], body.get("item") or {}))

    # -- within --------------------------------------------------------------------------------------------------------

    def _checkpoint(self, call: Call) -> str:
        """The name of a tuned model or checkpoint that is there. Raises `RefusedError`."""
        name = call.parameters["checkpoint"]
        self.state.jobs.tuned(name)
        return name

    def _changed(self, call: Call, verb: str) -> Response:
        self.state.jobs.change(self._stored(call), verb)
        return answer(self._job(self._stored(call)))

    def _stored(self, call: Call) -> StoredJob:
        return self.state.jobs.get(call.parameters["id"])

    def _job(self, job: StoredJob) -> JsonObject:
        jobs = self.state.jobs
        seen = jobs.snapshot(job)
        return openai_wire.job(
            job,
            seen,
            tuned_name=jobs.tuned_name(job),
            organization=self.state.backend.organization,
            pausing=jobs.paused_soon(job, seen),
        )


def job_body(body: JsonObject) -> JobBody:
    """The job that a body asks for. Raises `RefusedError` with the parameter that is wrong."""
    openai_shapes.JOB(body, "")
    method: JsonObject = body.get("method") or {"type": "supervised"}
    kind: str = method["type"]
    inner: JsonObject = dict(method.get(kind) or {})
    hyperparameters: Json = inner.pop("hyperparameters", None) or body.get("hyperparameters") or {}
    if kind == "reinforcement":
        openai_shapes.needs(body, "validation_file")
    return JobBody(
        model=body["model"],
        training_file=body["training_file"],
        validation_file=body.get("validation_file"),
        method=kind,
        hyperparameters={name: value for name, value in hyperparameters.items() if value is not None},
        inner=inner,
        suffix=body.get("suffix"),
        seed=body.get("seed"),
        metadata=body.get("metadata") or {},
        integrations=tuple(body.get("integrations") or ()),
    )


def model_json(state: State, name: str, job: StoredJob | None = None) -> JsonObject:
    """A model object. A date of retirement is told until it is there: here, models go on."""
    base = state.jobs.catalog.find(name)
    today = datetime.fromtimestamp(state.backend.clock.now(), UTC).date()
    retires = base.retires if base is not None and base.retires is not None and base.retires > today else None
    owner = "system" if job is None else state.backend.organization
    return openai_wire.model(name, created=0 if job is None else int(job.created_at), owner=owner, retires=retires)


def _permission(permission: Permission) -> JsonObject:
    return {
        "id": permission.id,
        "object": "checkpoint.permission",
        "created_at": int(permission.created_at),
        "project_id": permission.project_id,
    }
