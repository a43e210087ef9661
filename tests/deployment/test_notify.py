"""People are told, the receiver can check who told them, and a dead receiver holds up nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from finetuner.deployment.notify import SIGNATURE_HEADER, Apprise, Notice, Webhook, deliver, signature
from finetuner.errors import UsageError
from finetuner.testing.clock import FakeClock

NOTICE = Notice(event="rollback", rollout="tickets", text="errors: 9 units", share=0.0, at=1.0)


class Receiver:
    """A loopback server that answers with given statuses, the last of them for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.posts: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((dict(self.headers), body))
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=canary"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_notice_arrives_as_json_and_signed(receiver: Receiver) -> None:
    assert Webhook(receiver.url, "secret")(NOTICE) is None
    ((headers, body),) = receiver.posts
    assert json.loads(body)["text"] == "errors: 9 units"
    assert headers[SIGNATURE_HEADER] == f"sha256={signature(body, 'secret')}"
    assert signature(body, "secret") != signature(body, "another")


def test_a_receiver_that_stumbles_is_asked_again_and_a_refusal_is_final(receiver: Receiver) -> None:
    clock = FakeClock()
    receiver.statuses = [503, 500, 200]
    assert Webhook(receiver.url, clock=clock)(NOTICE) is None
    assert clock.sleeps == [1.0, 2.0]
    receiver.statuses = [404]
    assert Webhook(receiver.url, clock=clock)(NOTICE) == "the webhook answered 404"
    assert len(receiver.posts) == 4


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.statuses = [302]
    assert Webhook(receiver.url, clock=FakeClock())(NOTICE) == "the webhook answered 302"


def test_nobody_there_is_an_answer_and_secrets_stay_out_of_it(receiver: Receiver) -> None:
    dead = Webhook("http://127.0.0.1:1/hook?token=canary", "canary", clock=FakeClock())
    error = dead(NOTICE)
    assert error is not None
    assert "can't be reached" in error
    assert "canary" not in f"{error} {dead!r} {Apprise(('json://canary',))!r}"
    assert deliver(NOTICE, [dead, Webhook(receiver.url)]) == (error,)
    assert len(receiver.posts) == 1, "one that fails keeps nothing from the others"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "host/x"])
def test_only_the_web_is_a_webhook(url: str) -> None:
    with pytest.raises(UsageError):
        Webhook(url)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise imports modules that newer Pythons drop
def test_any_service_of_apprise_is_reached(receiver: Receiver) -> None:
    pytest.importorskip("apprise", reason="the extra notify isn't installed")
    assert Apprise((receiver.url.replace("http:", "json:"),))(NOTICE) is None
    assert json.loads(receiver.posts[0][1])["title"] == "rollout tickets: rollback"
    receiver.statuses = [500]
    assert Apprise((receiver.url.replace("http:", "json:"),))(NOTICE) is not None
    assert "one of the addresses" in (Apprise(("nonsense",))(NOTICE) or "")
