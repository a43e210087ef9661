"""Tells people what a rollout does: a webhook of the standard library, and any service that Apprise knows.

Telling never stops anything: what couldn't be delivered is reported as an error and counted, and the rollout goes on.
"""

import hmac
import urllib.error
import urllib.request
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Literal, Protocol, cast

import attrs

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.extras import require
from finetuner.errors import UsageError

Event = Literal["advance", "rollback", "inconclusive", "retirement", "drift", "test"]

SIGNATURE_HEADER = "X-Finetuner-Signature"
"""`sha256=` and the HMAC-SHA256 of the body, in hexadecimal digits, under the shared secret."""

_TRIES = 3
_FIRST_PAUSE = 0.5
_SERVER_ERRORS = 500


@attrs.frozen(kw_only=True)
class Notice:
    """Something that people should know.

    Attributes:
        event: What happened.
        rollout: Its name.
        text: In words, without anything secret.
        share: Of units that have the tuned model now, 0 to 1.
        at: Seconds since the epoch.
    """

    event: Event
    rollout: str
    text: str
    share: float
    at: float

    @property
    def title(self) -> str:
        """One line."""
        return f"rollout {self.rollout}: {self.event}"


class Notifier(Protocol):
    """Delivers notices."""

    def __call__(self, notice: Notice, /) -> str | None:
        """Deliver one; None when it arrived, else why it didn't. Never raises for what the other side does."""
        ...


@attrs.frozen
class Webhook:
    """Posts notices as JSON. Tried three times; redirects aren't followed, so that the body stays where it was sent.

    Attributes:
        url: `https://…`, or `http://…` inside a network.
        secret: Signs the body, so that the receiver knows who sent it.
        timeout: Seconds of a try.
        clock: Waits between tries.
    """

    url: str = attrs.field(repr=False)  # many services put their token there
    secret: str | None = attrs.field(default=None, repr=False)
    timeout: float = 5.0
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise UsageError("a webhook's address begins with https:// or http://")

    def __call__(self, notice: Notice, /) -> str | None:
        """Post it; None when it arrived, else why it didn't."""
        body = codec.to_json(notice).encode()
        error = ""
        for attempt in range(_TRIES):
            if attempt:
                self.clock.sleep(_FIRST_PAUSE * 2.0**attempt)
            error, again = self._post(body)
            if not again:
                break
        return error or None

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Why it failed (empty when it didn't), and whether to try again."""
        headers = {"Content-Type": "application/json"}
        if self.secret is not None:
            headers[SIGNATURE_HEADER] = f"sha256={signature(body, self.secret)}"
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310  # http(s) alone
        try:
            with _OPENER.open(request, timeout=self.timeout):
                return "", False
        except urllib.error.HTTPError as failure:
            with failure:
                return f"the webhook answered {failure.code}", failure.code >= _SERVER_ERRORS
        except OSError as failure:
            return f"the webhook can't be reached: {getattr(failure, 'reason', failure)}", True


def signature(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of a body under a shared secret, for the receiver to compare."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


@attrs.frozen
class Apprise:
    """Delivers through Apprise, which reaches mail, Slack, Teams, PagerDuty and many others.

    Needs the extra `notify`.

    Attributes:
        urls: Addresses as Apprise writes them, such as `slack://…`.
    """

    urls: tuple[str, ...] = attrs.field(repr=False)  # they hold tokens

    def __call__(self, notice: Notice, /) -> str | None:
        """Deliver it to all of them; None when it arrived everywhere, else that it didn't."""
        library = cast("Any", require("apprise", extra="notify", feature="notifying other services"))
        sender = library.Apprise()
        if not all(sender.add(url) for url in self.urls):
            return "Apprise doesn't know one of the addresses"
        done = sender.notify(title=notice.title, body=notice.text)
        return None if done else "Apprise could not deliver it everywhere"


def deliver(notice: Notice, notifiers: Iterable[Notifier]) -> tuple[str, ...]:
    """Deliver a notice through all; what went wrong, empty where nothing did."""
    return tuple(error for notifier in notifiers if (error := notifier(notice)) is not None)


def _without_redirects() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


_OPENER = _without_redirects()
