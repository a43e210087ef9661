"""Who may ask Google's services, and where the token stands."""

import base64

import pytest

from finetuner.emulator.google_access import authorize, called_at, password, with_token
from finetuner.emulator.routing import Call, RefusedError


def basic(text):
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize("headers", [basic("emulator:right"), basic("anyone:right"), {"authorization": "Bearer right"}])
def test_the_token_is_a_password_or_a_bearer_token(headers):
    authorize(headers, "right")


@pytest.mark.parametrize(
    "headers", [{}, basic("emulator:wrong"), {"authorization": "Bearer wrong"}, {"authorization": "Basic %%%"}]
)
def test_whoever_lacks_it_is_refused_but_never_asked_to_sign_in(headers):
    """A 401 would make Google's anonymous clients try to sign in, and fail with words of their own."""
    with pytest.raises(RefusedError) as caught:
        authorize(headers, "right")
    assert caught.value.status == 403


def test_without_a_token_anyone_is_answered():
    authorize({}, None)


def test_an_address_that_is_handed_out_holds_the_token_that_was_shown():
    address = with_token("http://127.0.0.1:8000", "right")
    assert address == "http://emulator:right@127.0.0.1:8000"
    call = Call(method="POST", path="/", headers=basic("emulator:right"), address="http://127.0.0.1:8000")
    assert called_at(call) == address
    assert called_at(Call(method="POST", path="/", address="http://127.0.0.1:8000")) == "http://127.0.0.1:8000"


def test_a_password_may_hold_colons():
    assert password(basic("emulator:a:b")) == "a:b"
    assert password(basic("emulator")) is None
