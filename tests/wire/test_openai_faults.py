"""Bad days: what a user reads, and that nothing is paid twice."""

import math

import attrs
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.emulator import Fault
from finetuner.emulator.faults import (
    EXPIRED_UPLOAD,
    FILE_ERROR,
    GARBAGE,
    HANGING,
    LOST_CREATE,
    PAUSED,
    TRAINING_NOT_AVAILABLE,
    UNKNOWN_STATUS,
    UNSAFE_FILE,
    rate_limit,
    server_error,
)
from finetuner.errors import (
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    TrainingNotAvailableError,
    UnexpectedAnswerError,
)
from finetuner.providers.openai import connect
from finetuner.providers.ports import FAILED, JobRequest
from finetuner.providers.ports import PAUSED as PAUSED_STATUS

BASE = "gpt-4.1-mini-2025-04-14"
CREATE = "/fine_tuning/jobs"


@pytest.fixture
def request_(training_file):
    return JobRequest(model=BASE, training_file=training_file.id, hyperparameters={"epochs": 2})


def once(provider):
    """The provider, whose calls are sent once: what a user reads after the SDK has given up."""
    client = provider.trainer.client
    client._sync.max_retries = 0
    return provider


def jobs_with(provider, key):
    return [job for job in provider.trainer.list(100) if job.key == key]


class TestCreate:
    @pytest.mark.parametrize(
        ("fault", "kind", "words"),
        [
            (LOST_CREATE, ProviderConnectionError, "can't be reached"),
            (attrs.evolve(LOST_CREATE, drop=False, status=502, message="Bad gateway"), UnexpectedAnswerError, "502"),
            (attrs.evolve(LOST_CREATE, drop=False, status=200, body="<html>"), UnexpectedAnswerError, "promises"),
            (attrs.evolve(LOST_CREATE, drop=False, status=200, body="{", content_type="application/json"),
             UnexpectedAnswerError, "promises"),
            (attrs.evolve(LOST_CREATE, drop=False, cut=20), ProviderConnectionError, "can't be reached"),
        ],
        ids=["dropped", "bad gateway", "a page", "half of JSON", "half of the answer"],
    )  # fmt: skip
    def test_after_a_doubtful_answer_the_one_job_is_found(self, emulator, provider, request_, fault, kind, words):
        key = f"doubtful-{words}-{fault.status}-{fault.body}-{fault.cut}"
        emulator.faults.add(fault)
        with pytest.raises(kind, match=words):
            provider.trainer.create(attrs.evolve(request_, key=key))
        found = provider.trainer.find(key)
        assert found is not None
        assert [job.id for job in jobs_with(provider, key)] == [found.id]
        provider.trainer.cancel(found.id)

    def test_a_create_that_hangs_ends_by_its_time_limit_and_its_job_is_found(self, emulator, request_):
        provider = connect(base_url=emulator.url, api_key="any", timeout=0.3)
        emulator.faults.add(Fault(path=CREATE, delay=math.inf, drop=True, accepted=True))
        with pytest.raises(ProviderTimeoutError, match=r"may have been accepted.*timeout="):
            provider.trainer.create(attrs.evolve(request_, key="hanging"))
        patient = connect(base_url=emulator.url, api_key="any")
        found = patient.trainer.find("hanging")
        assert found is not None
        assert len(jobs_with(patient, "hanging")) == 1
        patient.trainer.cancel(found.id)

    @pytest.mark.parametrize("fault", [server_error(path=CREATE), rate_limit(1, path=CREATE)])
    def test_a_create_is_never_sent_again(self, emulator, provider, request_, fault):
        emulator.faults.add(fault)
        with pytest.raises((UnexpectedAnswerError, RateLimitError)) as caught:
            provider.trainer.create(attrs.evolve(request_, key="never"))
        assert caught.value.retryable
        assert emulator.faults.ordered() == ()
        assert jobs_with(provider, "never") == []

    def test_a_locked_out_organization_reads_why_and_where_else(self, emulator, provider, request_):
        emulator.faults.add(TRAINING_NOT_AVAILABLE)
        with pytest.raises(TrainingNotAvailableError) as caught:
            provider.trainer.create(request_)
        text = str(caught.value)
        assert "no new fine-tuning jobs from this organization" in text
        assert "2026-07-02" in text
        assert "train with another provider" in text.lower()
        assert {"local", "vertex"} <= set(text.replace(",", " ").replace(")", " ").replace("(", " ").split())


class TestFiles:
    def test_a_file_that_the_service_cannot_use_is_explained(self, emulator, provider, tmp_path):
        emulator.faults.add(FILE_ERROR)
        path = tmp_path / "odd.jsonl"
        path.write_text('{"a": 1}\n')
        with pytest.raises(RequestRejectedError, match=r"can't use odd\S*\.jsonl .*line 3 isn't a JSON object"):
            provider.files.upload(path, name="odd.jsonl", sha256=file_sha256(path))

    def test_an_upload_that_expired_says_so_and_leaves_nothing(self, emulator, provider, training_path):
        small = attrs.evolve(provider.files.client.flavour, max_single_bytes=100)
        files = attrs.evolve(provider.files, client=attrs.evolve(provider.files.client, flavour=small))
        emulator.faults.add(EXPIRED_UPLOAD)
        with pytest.raises(RequestRejectedError, match="expired; start a new one") as caught:
            files.upload(training_path, name="late.jsonl", sha256="")
        assert caught.value.code == "upload_expired"
        assert not caught.value.retryable

    def test_a_part_whose_answer_is_lost_is_sent_again(self, emulator, provider, training_path):
        small = attrs.evolve(provider.files.client.flavour, max_single_bytes=100)
        files = attrs.evolve(provider.files, client=attrs.evolve(provider.files.client, flavour=small), part_bytes=500)
        emulator.faults.add(Fault(path="/uploads/[^/]+/parts", drop=True, accepted=True))
        sent = files.upload(training_path, name="parts.jsonl", sha256="")
        assert sent.bytes == training_path.stat().st_size
        assert "".join(f"{line}\n" for line in files.lines(sent.id)) == training_path.read_text()


class TestJobs:
    @pytest.fixture
    def job(self, provider, request_):
        job = provider.trainer.create(request_)
        yield job
        provider.trainer.cancel(job.id)

    def test_an_unsafe_file_is_a_failure_with_its_code(self, emulator, provider, job):
        emulator.faults.add(UNSAFE_FILE)
        seen = provider.trainer.get(job.id)
        assert (seen.status, seen.failure.code, seen.failure.param) == (FAILED, "unsafe_file", "training_file")
        assert "usage policies" in seen.failure.message

    def test_a_paused_job_has_not_ended(self, emulator, provider, job):
        emulator.faults.add(PAUSED)
        seen = provider.trainer.get(job.id)
        assert (seen.status, seen.ended) == (PAUSED_STATUS, False)

    def test_an_unknown_status_is_shown_as_it_is(self, emulator, provider, job):
        emulator.faults.add(UNKNOWN_STATUS)
        seen = provider.trainer.get(job.id)
        assert (seen.status, seen.ended) == ("awaiting_moderation", False)

    def test_garbage_says_what_came(self, emulator, provider, job):
        emulator.faults.add(GARBAGE)
        with pytest.raises(UnexpectedAnswerError, match="We'll be back soon"):
            provider.trainer.get(job.id)

    def test_reads_are_repeated_where_it_may_help(self, emulator, provider, job):
        emulator.faults.add(Fault(method="GET", path=f"{CREATE}/.*", drop=True))
        emulator.faults.add(server_error(method="GET", path=f"{CREATE}/.*"))
        assert provider.trainer.get(job.id).id == job.id

    def test_a_read_that_hangs_ends_by_its_time_limit(self, emulator, job):
        provider = once(connect(base_url=emulator.url, api_key="any", timeout=0.2))
        emulator.faults.add(attrs.evolve(HANGING, method="GET"))
        with pytest.raises(ProviderTimeoutError) as caught:
            provider.trainer.get(job.id)
        assert caught.value.retryable

    def test_a_long_rate_limit_is_passed_on(self, emulator, provider, job):
        """The SDK itself gives up where it should wait longer than two minutes."""
        emulator.faults.add(rate_limit(900, method="GET", path=f"{CREATE}/.*"))
        with pytest.raises(RateLimitError, match="asked too often") as caught:
            provider.trainer.get(job.id)
        assert caught.value.retry_after == 900
