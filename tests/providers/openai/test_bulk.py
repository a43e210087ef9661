"""The bulk path sends what the SDK sends, reads what the SDK reads, and steps aside where it can't."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest

from finetuner.data.examples import user
from finetuner.errors import (
    AuthenticationError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    UnexpectedAnswerError,
)
from finetuner.providers.openai import connect
from finetuner.providers.openai.bulk import OpenAIBulk, Window, duration, place_of
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.completer import OpenAICompleter
from finetuner.providers.ports import CompletionOptions

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "ünïcode",
                "refusal": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
OPTIONS = CompletionOptions(max_tokens=5, seed=3, stop=("x",), max_retries=0, timeout=5.0)
VARYING = {"host", "content-length", "connection", "accept-encoding", "x-stainless-read-timeout"}


@attrs.define
class Service:
    """What it answers next, and what it was asked."""

    status: int = 200
    body: bytes = json.dumps(ANSWER).encode()
    headers: dict[str, str] = attrs.field(factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = attrs.field(factory=list)
    url: str = ""
    delay: float = 0.0


@pytest.fixture
def service():
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(state.delay)
            self.send_response(state.status)
            headers = {"Content-Type": "application/json", "x-request-id": "req-1", **state.headers}
            for name, value in {**headers, "Content-Length": str(len(state.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No proxies and no organization but those of a test."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def asked(provider, options=OPTIONS):
    """The bulk path's answer."""

    async def run():
        async with provider.bulk.open(4) as session:
            return await session.complete_async("m", (user("häi"),), options)

    return asyncio.run(run())


def through_sdk(provider):
    return asyncio.run(provider.completer.complete_async("m", (user("häi"),), OPTIONS))


def test_the_request_is_the_sdks(service, monkeypatch):
    """Path, headers (key, organization, project, user agent) and body are the same in both ways."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    provider = connect(api_key="sk-test", base_url=service.url)
    through_sdk(provider)
    asked(provider)
    (path, headers, body), (lean_path, lean_headers, lean_body) = service.requests
    assert lean_path == path == "/v1/chat/completions"
    assert json.loads(lean_body) == json.loads(body)
    kept = {name: value for name, value in headers.items() if name not in VARYING}
    assert {name: value for name, value in lean_headers.items() if name not in VARYING} == kept
    assert lean_headers["authorization"] == "Bearer sk-test"
    assert lean_headers["openai-organization"] == "org-1"


def test_the_answer_is_the_sdks(service):
    """Text, calls, usage, request id: equal but for the latency."""
    provider = connect(api_key="sk-test", base_url=service.url)
    lean, full = asked(provider), through_sdk(provider)
    assert attrs.evolve(lean, latency=0.0) == attrs.evolve(full, latency=0.0)
    assert lean.request_id == "req-1"
    assert lean.latency > 0


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, {"Retry-After": "7"}, RateLimitError),
        (500, {}, UnexpectedAnswerError),
        (503, {"retry-after-ms": "1500"}, UnexpectedAnswerError),
        (401, {}, AuthenticationError),
    ],
)
def test_refusals_are_the_sdks(service, status, headers, error):
    """The same class, text, code and pauses as through the SDK."""
    service.status, service.headers = status, headers
    service.body = json.dumps({"error": {"message": "slow down sk-test", "code": "busy", "param": None}}).encode()
    provider = connect(api_key="sk-test", base_url=service.url)
    with pytest.raises(error) as lean:
        asked(provider)
    with pytest.raises(error) as full:
        through_sdk(provider)
    for name in ("code", "retryable", "retry_after", "request_id", "provider"):
        assert getattr(lean.value, name) == getattr(full.value, name)
    assert str(lean.value) == str(full.value)
    assert "sk-test" not in str(lean.value)


def test_a_refusal_may_forbid_another_try(service):
    service.status, service.headers, service.body = 500, {"x-should-retry": "false"}, b"{}"
    with pytest.raises(UnexpectedAnswerError) as caught:
        asked(connect(api_key="sk-test", base_url=service.url))
    assert not caught.value.retryable


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[1]", b"", b'{"choices": []}'])
def test_what_is_no_completion_may_be_asked_again(service, body):
    """A page of a gateway, or half an answer, is an error that another try may cure."""
    service.body = body
    with pytest.raises(UnexpectedAnswerError) as caught:
        asked(connect(api_key="sk-test", base_url=service.url))
    assert caught.value.retryable


def test_silence_and_absence_have_their_errors(service):
    provider = connect(api_key="sk-test", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ProviderConnectionError) as caught:
        asked(provider)
    assert caught.value.retryable
    service.delay = 0.3
    with pytest.raises(ProviderTimeoutError):
        asked(connect(api_key="sk-test", base_url=service.url), attrs.evolve(OPTIONS, timeout=0.05))


def test_without_a_key_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        asked(connect(base_url="http://127.0.0.1:1/v1"))


@pytest.mark.parametrize(
    "url", ["http://user:word@127.0.0.1/v1", "ftp://127.0.0.1/v1", "unix:/run/s", "http+unix://x/v1"]
)
def test_addresses_that_only_the_sdk_understands(url):
    assert place_of((url, ())) is None


def test_a_proxy_is_left_to_the_sdk(monkeypatch):
    """Where the environment asks for a proxy, the session is the usual completer."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client = Client(api_key="sk-test", base_url="https://api.example.com/v1")
    completer = OpenAICompleter(client)

    async def run():
        async with OpenAIBulk(client, completer).open(1) as session:
            return session

    assert asyncio.run(run()) is completer
    monkeypatch.setenv("NO_PROXY", "api.example.com")
    assert asyncio.run(run()) is not completer


def test_an_address_in_full():
    place = place_of(("https://[::1]/v1/chat/completions?api-version=1", (("Host", "x"), ("A", "b"))))
    assert (place.host, place.port, place.path) == ("::1", 443, "/v1/chat/completions?api-version=1")
    assert place.headers == (("A", "b"), ("Accept-Encoding", "identity"))
    assert place.head().startswith(b"POST /v1/chat/completions?api-version=1 HTTP/1.1\r\nHost: [::1]\r\n")


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("6m0s", 360), ("12ms", 0.012), ("1h2m3.5s", 3723.5), ("", 0), ("soon", 0)]
)
def test_durations_are_read(text, seconds):
    assert duration(text) == pytest.approx(seconds)


def test_an_empty_window_is_waited_out():
    """Nothing is sent while no request is left, as the service itself says."""
    window = Window()
    window.note({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "9s"}, 100.0)
    assert window.pause(100.0) == 0
    window.note({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}, 100.0)
    assert window.pause(100.5) == 1.5
    assert window.pause(103.0) == 0
