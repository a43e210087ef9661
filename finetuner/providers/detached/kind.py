"""What differs between providers that train in a process of their own: names, and the form of ids."""

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Final

import attrs

from finetuner.errors import RequestRejectedError
from finetuner.providers.catalog import base_name

if TYPE_CHECKING:
    from finetuner.providers.detached.records import JobRecord

_ID_DIGITS: Final = 12


@attrs.frozen(kw_only=True)
class Kind:
    """A provider of this family.

    Attributes:
        name: As in `provider:model`.
        adjective: What its models are called in messages, such as `embedded`.
        process: The module that trains: `python -m <process> JOB_FOLDER LAUNCH`.
        weights: The file in a checkpoint's folder without which it is none.
    """

    name: str
    adjective: str
    process: str
    weights: str

    @property
    def job_prefix(self) -> str:
        """What ids of jobs start with: `ftjob-<name>-`."""
        return f"ftjob-{self.name}-"

    def job_id(self, key: str) -> str:
        """The id of the job with this key, the same in every process; a new id where there is no key."""
        digits = hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS] if key else secrets.token_hex(_ID_DIGITS // 2)
        return f"{self.job_prefix}{digits}"

    def file_id(self, sha256: str) -> str:
        """The id of the file with this content."""
        return f"file-{self.name}-{sha256[:_ID_DIGITS]}"

    def checkpoint_id(self, job_id: str, step: int) -> str:
        """The id of a job's checkpoint."""
        return f"ftckpt-{self.name}-{job_id.removeprefix(self.job_prefix)}-{step}"

    def tuned_model(self, record: "JobRecord", step: int | None = None) -> str:
        """The name of the model that a job makes, or of its checkpoint at a step.

        The form is OpenAI's, `ft:<base>:<organization>:<suffix>:<id>[:ckpt-step-N]`, with the provider's name as the
        organization; a base that is a folder is called by the folder's name.
        """
        suffix = re.sub(r"[^A-Za-z0-9._-]+", "-", record.request.suffix or "")
        base, digits = _label(record.request.model), record.id.removeprefix(self.job_prefix)
        name = f"ft:{base}:{self.name}:{suffix}:{digits}"
        return name if step is None else f"{name}:ckpt-step-{step}"

    def job_of_model(self, model: str) -> tuple[str, int | None] | None:
        """The job that made a tuned model, and the step where a checkpoint is named; None for other names."""
        found = re.fullmatch(rf"ft:[^:]+:{self.name}:[^:]*:([0-9a-f]{{12}})(?::ckpt-step-(\d{{1,12}}))?", model)
        return None if found is None else (f"{self.job_prefix}{found[1]}", int(found[2]) if found[2] else None)

    def rejected(self, param: str, problem: str) -> RequestRejectedError:
        """The error of a parameter that can't be right."""
        return RequestRejectedError(f"{param} {problem}", provider=self.name, code="invalid_request")


def _label(model: str) -> str:
    """A base model's name as a part of another name."""
    if not model.startswith(("/", ".", "~")):
        return base_name(model)
    last = [part for part in model.rstrip("/").split("/") if part][-1:]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "".join(last)) or "folder"
