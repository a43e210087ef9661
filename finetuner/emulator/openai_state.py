"""All that the emulated OpenAI remembers, in one folder."""

from typing import Self

import attrs

from finetuner.emulator.backend import Backend
from finetuner.emulator.openai_batches import Batches
from finetuner.emulator.openai_chat import Chat
from finetuner.emulator.openai_files import Files, Uploads
from finetuner.emulator.openai_jobs import Jobs
from finetuner.emulator.openai_permissions import Permissions
from finetuner.providers.catalog import load_catalog


@attrs.frozen(kw_only=True)
class State:
    """The parts of the service.

    Attributes:
        backend: Trains and answers.
        files: Files.
        uploads: Files on their way.
        jobs: Fine-tuning jobs, and models.
        chat: Completions.
        batches: Batches.
        permissions: Who may use checkpoints.
    """

    backend: Backend
    files: Files
    uploads: Uploads
    jobs: Jobs
    chat: Chat
    batches: Batches
    permissions: Permissions

    @classmethod
    def of(cls, backend: Backend) -> Self:
        """The service in front of a backend."""
        folder = backend.folder / "openai"
        files = Files(folder / "files", backend.clock)
        jobs = Jobs(folder / "jobs", backend, files, load_catalog("openai"))
        chat = Chat(jobs)
        return cls(
            backend=backend,
            files=files,
            uploads=Uploads(folder / "uploads", files),
            jobs=jobs,
            chat=chat,
            batches=Batches(folder / "batches", files, chat),
            permissions=Permissions(folder / "permissions.json", backend.clock),
        )
