"""What the end of a job means to who waited for it: a model, or an error that says why and what to do."""

from collections.abc import Mapping
from typing import Final

from finetuner.errors import JobCancelledError, JobFailedError
from finetuner.providers.ports import CANCELLED, FAILED, JobSnapshot

_WHAT_TO_DO: Final[Mapping[str, str]] = {
    "invalid_n_examples": "add examples: fine-tuner-cc validate FILE tells how many are needed",
    "invalid_training_file": "find the lines with fine-tuner-cc validate FILE, correct them and create the job again",
    "invalid_validation_file": "find the lines with fine-tuner-cc validate FILE, correct them and create the job again",
    "invalid_file_format": "find the lines with fine-tuner-cc validate FILE, correct them and create the job again",
    "unsafe_file": "remove what the provider's usage policies forbid (fine-tuner-cc review FILE helps to find it)",
    "exceeded_quota": "raise the account's limit or wait for the next period, then create the job again",
    "out_of_memory": "then create the job again",
    "process_ended": "",  # the reason itself says it
}
"""Codes as OpenAI and the embedded provider use them (2026-11). An open set."""

_OTHERWISE: Final = "fine-tuner-cc events {id} shows what led there; creating the job again makes a new attempt"


def require_success(job: JobSnapshot) -> None:
    """Nothing, when the job succeeded.

    Raises:
        JobFailedError: It failed; the message has the provider's reason and what to do.
        JobCancelledError: It was cancelled.
    """
    if job.status == CANCELLED:
        raise JobCancelledError(f"job {job.id} was cancelled; creating it again makes a new attempt", job_id=job.id)
    if job.status != FAILED:
        return
    reason = job.failure.message if job.failure else "the provider gives no reason"
    code = job.failure.code if job.failure else None
    advice = _WHAT_TO_DO.get(code or "", _OTHERWISE.format(id=job.id))
    told = f"job {job.id} failed{f' ({code})' if code else ''}: {reason}"
    raise JobFailedError(f"{told}; {advice}" if advice else told, job_id=job.id, code=code, reason=reason)
