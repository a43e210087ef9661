"""Jobs of this machine: created here, trained in a process of their own."""

import os
import site
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

import finetuner
from finetuner._core.types import Json
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.detached.liveness import ProcessIdentity
from finetuner.providers.detached.records import JobRecord, same_training
from finetuner.providers.detached.store import CANCEL, PAUSE, JobFolder, Store
from finetuner.providers.ports import (
    CANCELLED,
    PAUSED,
    QUEUED,
    SUCCEEDED,
    Checkpoint,
    JobEvent,
    JobRequest,
    JobSnapshot,
)

_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen
class DetachedTrainer(ABC):
    """The `Trainer` and `Pauser` of a workspace.

    Attributes:
        store: Where jobs lie.
        catalog: The base models.
    """

    store: Store
    catalog: Catalog

    @abstractmethod
    def check(self, request: JobRequest, base: BaseModel) -> None:
        """Refuse what can't be trained, before anything is kept. Raises `ProviderError`."""

    @abstractmethod
    def size(self, base: BaseModel) -> Mapping[str, Json]:
        """What the training process must know about a base model. Raises `NotFoundError`."""

    def environment(self) -> Mapping[str, str]:
        """Variables for the training process."""
        return _NO_SETTINGS

    def create(self, request: JobRequest) -> JobSnapshot:
        """Start a job; a job with the same key is returned as it is.

        A new job whose request equals that of a dead one goes on from its last checkpoint.

        Raises:
            NotFoundError: There is no such base model or file; the message lists the models.
            RequestRejectedError: A parameter is out of range, or the key belongs to another training.
        """
        folder = self.store.place(self.store.kind.job_id(request.key))
        if not folder.exists:
            folder.write_record(self._record(request, folder.id))
        elif not same_training(folder.record().request, request):
            raise RequestRejectedError(
                f"the key {request.key!r} belongs to {folder.id}, which trains something else; use another key",
                provider=self.store.kind.name,
                code="key_reused",
            )
        if folder.claim_launch(1):
            _launch(folder, 1, self.environment())
        return folder.snapshot()

    def find(self, key: str) -> JobSnapshot | None:
        """The job that was created with this key, or None."""
        folder = self.store.place(self.store.kind.job_id(key))
        return folder.snapshot() if key and folder.exists and folder.record().request.key == key else None

    def get(self, job_id: str) -> JobSnapshot:
        """The job now. Raises `NotFoundError`."""
        return self.store.job(job_id).snapshot()

    def list(self, limit: int = 20) -> tuple[JobSnapshot, ...]:
        """The newest jobs, newest first."""
        return tuple(folder.snapshot() for folder in self.store.jobs()[:limit])

    def events(self, job_id: str) -> tuple[JobEvent, ...]:
        """All events, oldest first. Raises `NotFoundError`."""
        return self.store.job(job_id).events()

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """One for each finished epoch, earliest first. Raises `NotFoundError`."""
        return self.store.job(job_id).checkpoints()

    def cancel(self, job_id: str) -> JobSnapshot:
        """Ask the job to stop at its next step; a paused job is cancelled at once. Raises `NotFoundError`."""
        folder = self.store.job(job_id)
        state = folder.state()
        if not folder.snapshot().ended:
            folder.wish(CANCEL)
            if state.status == PAUSED and not folder.alive():
                now = time.time()
                folder.write_state(attrs.evolve(state, status=CANCELLED, finished_at=now, updated_at=now))
                folder.add_event(JobEvent(id="", created_at=now, message="the job was cancelled while it was paused"))
        return folder.snapshot()

    def pause(self, job_id: str) -> JobSnapshot:
        """Ask the job to stop at its next step so that it can go on from the last finished epoch.

        Raises:
            NotFoundError: There is no such job.
            RequestRejectedError: The job has ended.
        """
        folder = self._open(job_id, "paused")
        if folder.state().status != PAUSED:
            folder.wish(PAUSE)
        return folder.snapshot()

    def resume(self, job_id: str) -> JobSnapshot:
        """Let a paused job go on; a job that isn't paused goes on anyway.

        Raises:
            NotFoundError: There is no such job.
            RequestRejectedError: The job has ended.
        """
        folder = self._open(job_id, "resumed")
        folder.withdraw(PAUSE)
        state = folder.state()
        if state.status == PAUSED and folder.claim_launch(state.launch + 1):
            folder.write_state(attrs.evolve(state, status=QUEUED, updated_at=time.time()))
            _launch(folder, state.launch + 1, self.environment())
        return folder.snapshot()

    def _open(self, job_id: str, verb: str) -> JobFolder:
        folder = self.store.job(job_id)
        found = folder.snapshot()
        if found.ended:
            raise RequestRejectedError(
                f"{job_id} has {found.status}; only a job that goes on can be {verb}",
                provider=self.store.kind.name,
                code="job_ended",
            )
        return folder

    def _record(self, request: JobRequest, job_id: str) -> JobRecord:
        base = self._base(request.model)
        self.check(request, base)
        parent = self._parent(request.model)
        for file_id in filter(None, (request.training_file, request.validation_file)):
            if not self.store.content(file_id).is_file():
                raise NotFoundError(
                    f"no file {file_id!r} in {self.store.files}; upload it first", provider=self.store.kind.name
                )
        return JobRecord(
            id=job_id,
            created_at=time.time(),
            request=request,
            seed=request.seed or 0,
            size=parent[0].record().size if parent else self.size(base),
            limits=base.limits,
            continues=next(self._unfinished(request), None),
            parent=parent[0].id if parent else None,
            parent_step=parent[1] if parent else None,
        )

    def _base(self, model: str) -> BaseModel:
        base = self.catalog.find(model)
        if base is None or not base.methods:
            known = ", ".join(entry.name for entry in self.catalog.models if entry.methods)
            raise NotFoundError(
                f"no {self.store.kind.adjective} base model {model!r}; there are {known}", provider=self.store.kind.name
            )
        return base

    def _parent(self, model: str) -> tuple[JobFolder, int] | None:
        """The job that made a tuned model, and the step that the model is; None for a base model.

        Raises:
            NotFoundError: There is no such tuned model in this workspace.
        """
        named = self.store.kind.job_of_model(model)
        if named is None and not model.startswith("ft:"):
            return None
        folder = self.store.place(named[0]) if named else None
        if folder is not None and named is not None and folder.exists:
            steps = [checkpoint.step for checkpoint in folder.checkpoints()]
            step = named[1] if named[1] is not None else folder.model_step()
            if step in steps and model == self.store.kind.tuned_model(folder.record(), named[1]):
                return folder, step
        known = ", ".join(self.store.tuned_models()) or "none"
        raise NotFoundError(
            f"no tuned {self.store.kind.adjective} model {model!r} in {self.store.folder}; there are {known}",
            provider=self.store.kind.name,
        )

    def _unfinished(self, request: JobRequest) -> Iterator[str]:
        for folder in self.store.jobs():
            if same_training(folder.record().request, request) and folder.checkpoints():
                found = folder.snapshot()
                if found.ended and found.status != SUCCEEDED:
                    yield folder.id


def _launch(folder: JobFolder, number: int, settings: Mapping[str, str]) -> None:
    """Start the process; it outlives this one, and is waited for so that it leaves no zombie."""
    environment = {**os.environ, **settings}
    package = str(Path(finetuner.__file__).parent.parent)
    if package not in site.getsitepackages():  # only found because of how this process was started
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    command = (sys.executable, "-P", "-m", folder.kind.process, str(folder.path), str(number))
    with folder.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and module; the folder's name is checked
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    folder.write_process(ProcessIdentity.of(process.pid, number))
    threading.Thread(target=process.wait, name=f"{folder.id}-{number}", daemon=True).start()
