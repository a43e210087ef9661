import pytest

from finetuner.errors import (
    AuthenticationError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    UnexpectedAnswerError,
)
from finetuner.providers.refusals import Answer
from finetuner.providers.vertex import failures
from finetuner.providers.vertex.failures import STORAGE, VERTEX


def test_a_quota_says_how_long_to_wait():
    answer = Answer(status=429, message="quota exceeded", code="RATE_LIMIT", headers={"retry-after": "12"})
    error = failures.failure(answer, service=VERTEX, now=0.0)
    assert (type(error), error.retryable, error.retry_after, error.code) == (RateLimitError, True, 12.0, "RATE_LIMIT")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [(0, UnexpectedAnswerError, False), (418, RequestRejectedError, False), (502, UnexpectedAnswerError, True)],
)
def test_statuses_without_a_meaning_of_their_own(status, kind, retryable):
    error = failures.failure(Answer(status=status, message=""), service=STORAGE, now=0.0)
    assert (type(error), error.retryable) == (kind, retryable)
    assert "no reason given" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "token ya29.a0AfB_secret here",
        "Authorization: Bearer secret-token",
        "key AIzaSySecretSecretSecret",
        "GET http://emulator:secret@127.0.0.1:9/v1: no",
    ],
)
def test_no_token_in_any_text(text):
    assert "secret" not in str(failures.unreachable(VERTEX, text, text)).lower()


def test_each_says_what_to_do_next():
    assert isinstance(failures.unknown_caller("no credentials"), AuthenticationError)
    assert "gcloud auth application-default login" in str(failures.unknown_caller("no credentials"))
    assert isinstance(failures.timed_out(VERTEX), ProviderTimeoutError)
    assert "timeout=" in str(failures.timed_out(VERTEX))
    assert isinstance(failures.unreachable(STORAGE, "http://a", "refused"), ProviderConnectionError)
    assert "STORAGE_EMULATOR_HOST" in str(failures.unreachable(STORAGE, "http://a", "refused"))
    assert "FINETUNER_VERTEX_ENDPOINT" in str(failures.unreachable(VERTEX, "http://a", "refused"))
