"""Exceptions of each of Google's packages, and of the HTTP libraries under them, become our errors."""

import json

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from finetuner.errors import (
    AuthenticationError,
    NotFoundError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    UnexpectedAnswerError,
    UsageError,
)
from finetuner.providers.vertex.failures import VERTEX
from finetuner.providers.vertex.settings import Settings
from finetuner.providers.vertex.translation import Translation
from finetuner.testing import FakeClock

TRANSLATION = Translation(Settings(endpoint="http://emulator:secret@127.0.0.1:9"), FakeClock(), "ya29.canary")


def translated(error):
    try:
        with TRANSLATION.of(VERTEX):
            raise error  # noqa: TRY301  # the error is the subject
    except Exception as found:  # noqa: BLE001  # whatever comes out is looked at
        return found


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api.NotFound("no"), NotFoundError),
        (api.TooManyRequests("slow"), RateLimitError),
        (api.RetryError("gave up", api.ServiceUnavailable("down")), UnexpectedAnswerError),
        (api.RetryError("gave up", requests.exceptions.ConnectionError("refused")), ProviderConnectionError),
        (api.RetryError("gave up", None), ProviderTimeoutError),
        (auth.DefaultCredentialsError("none found"), AuthenticationError),
        (auth.RefreshError("expired"), AuthenticationError),
        (auth.TransportError("unreachable"), ProviderConnectionError),
        (requests.exceptions.ReadTimeout("slow"), ProviderTimeoutError),
        (requests.exceptions.ConnectTimeout("slow"), ProviderTimeoutError),
        (requests.exceptions.ConnectionError("refused"), ProviderConnectionError),
        (requests.exceptions.ChunkedEncodingError("cut"), ProviderConnectionError),
        (requests.exceptions.JSONDecodeError("Expecting value", "<html>", 0), UnexpectedAnswerError),
        (json.JSONDecodeError("Expecting value", "<html>", 0), UnexpectedAnswerError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_each_family(error, kind):
    found = translated(error)
    assert type(found) is kind
    assert found.provider == "vertex"
    assert "secret" not in str(found)


def test_what_is_not_googles_stays_as_it_is():
    for error in (KeyError("ours"), ValueError("ours"), UsageError("ours")):
        assert translated(error) is error


def test_no_cause_that_could_quote_a_token_is_kept():
    found = translated(api.Forbidden("the token ya29.canary is wrong"))
    assert "canary" not in str(found)
    assert found.__cause__ is None
    assert found.__suppress_context__
