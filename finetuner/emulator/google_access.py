"""Who may ask Google's services of the emulator, and where they are asked.

Google's clients send no key to a plain HTTP address, but all of them send the user and password of an address along:
the token stands there, as in `http://emulator:TOKEN@127.0.0.1:8000`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from finetuner.emulator.routing import Call, RefusedError, bearer, same

_USER: Final = "emulator"


def authorize(headers: Mapping[str, str], token: str | None) -> None:
    """Refuse whoever doesn't show the token, as password or as bearer token. Raises `RefusedError`.

    Never with 401: Google's anonymous clients would try to sign in again, and fail with words of their own.
    """
    shown = password(headers) or bearer(headers)
    if token is not None and (shown is None or not same(shown, token)):
        raise RefusedError(403, "The caller does not have permission", code="PERMISSION_DENIED")


def password(headers: Mapping[str, str]) -> str | None:
    """The password of a call's basic authentication (RFC 7617), None where there is none."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def with_token(address: str, token: str) -> str:
    """An address that holds the token."""
    return address.replace("://", f"://{_USER}:{token}@", 1)


def called_at(call: Call) -> str:
    """The address of a call, with the token that it showed."""
    shown = password(call.headers)
    return with_token(call.address, shown) if shown is not None else call.address
