import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.refusals import redacted, retry_after


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect key sk-secret0123456789",
        "token ya29.a0AfB_secret here",
        "Authorization: Bearer secret-token",
        "key AIzaSySecretSecretSecret",
        "GET http://emulator:secret@127.0.0.1:9/v1: no",
    ],
)
def test_no_key_of_any_service_is_shown(text):
    assert "secret" not in redacted(text).lower()


@given(st.text(), st.text(min_size=6))
def test_a_secret_that_was_given_is_never_shown_and_the_text_is_short_and_one_line(text, secret):
    shown = redacted(f"{text} {secret} {text}", secret)
    assert len(shown) < 620
    assert "\n" not in shown
    if secret.strip() == secret and secret not in "[key] //":
        assert secret not in shown.replace("[key]", "")


def test_times_to_wait():
    assert retry_after({"retry-after": "7"}, 0.0) == 7.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}, 0.0) == 0.25
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 10.0) == 20.0
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 100.0) == 0.0
    assert retry_after({"retry-after": "soon"}, 0.0) is None
    assert retry_after({"retry-after": "-1"}, 0.0) is None
    assert retry_after({}, 0.0) is None
