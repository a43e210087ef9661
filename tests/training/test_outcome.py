import pytest

from finetuner.errors import JobCancelledError, JobFailedError
from finetuner.providers.ports import JobFailure, JobSnapshot
from finetuner.training.outcome import require_success


def job(status, failure=None):
    return JobSnapshot(id="ftjob-1", model="m", status=status, created_at=0.0, failure=failure)


def test_a_model_is_a_success():
    require_success(job("succeeded"))


@pytest.mark.parametrize(
    ("code", "what_to_do"),
    [
        ("invalid_n_examples", "add examples"),
        ("invalid_training_file", "fine-tuner-cc validate FILE"),
        ("unsafe_file", "usage policies"),
        ("exceeded_quota", "raise the account's limit"),
        ("something_new", "fine-tuner-cc events ftjob-1"),
        (None, "fine-tuner-cc events ftjob-1"),
    ],
)
def test_a_failure_says_the_providers_reason_and_what_to_do(code, what_to_do):
    with pytest.raises(JobFailedError, match="the provider's own words") as caught:
        require_success(job("failed", JobFailure(message="the provider's own words", code=code)))
    assert what_to_do in str(caught.value)
    assert (caught.value.code, caught.value.reason) == (code, "the provider's own words")


def test_a_failure_without_a_reason_says_so():
    with pytest.raises(JobFailedError, match="gives no reason"):
        require_success(job("failed"))


def test_a_cancelled_job_is_no_success():
    with pytest.raises(JobCancelledError, match="makes a new attempt"):
        require_success(job("cancelled"))
