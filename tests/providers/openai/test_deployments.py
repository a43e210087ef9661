"""Azure's step between a tuned model and its answers, against a control plane on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from finetuner.errors import AuthenticationError, NotFoundError, RequestRejectedError, UsageError
from finetuner.providers.openai.deployments import Deployments
from finetuner.testing import FakeClock

ACCOUNT = {"subscription": "s1", "resource_group": "g1", "account": "a1"}
PATH = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.CognitiveServices/accounts/a1/deployments/"


@pytest.fixture
def plane():
    """A control plane whose deployments are ready at the third look; those named `bad` fail."""
    seen = {"requests": [], "deployments": {}}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, value=None):
            body = json.dumps(value if value is not None else {}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle_one(self):
            name = self.path.partition("?")[0].removeprefix(PATH)
            seen["requests"].append((self.command, self.path, self.headers["Authorization"]))
            if self.command == "PUT":
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                seen["deployments"][name] = {"body": body, "looks": 0}
                return self.answer(201, {"properties": {"provisioningState": "Creating"}})
            if name not in seen["deployments"]:
                return self.answer(404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}})
            if self.command == "DELETE":
                del seen["deployments"][name]
                return self.answer(200)
            deployment = seen["deployments"][name]
            deployment["looks"] += 1
            ready = "Failed" if name == "bad" else "Succeeded"
            state = ready if deployment["looks"] > 2 else "Creating"
            return self.answer(200, {"properties": {"provisioningState": state}})

        do_GET = handle_one  # noqa: N815  # the server's names
        do_PUT = handle_one  # noqa: N815  # likewise
        do_DELETE = handle_one  # noqa: N815  # likewise

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


def test_a_tuned_model_is_put_into_service_and_waited_for(plane):
    address, seen = plane
    clock = FakeClock()
    deployments = Deployments.at(token="secret-token", base_url=address, clock=clock, **ACCOUNT)
    deployments.create("tickets", "gpt-4.1-mini.ft-1", sku="DeveloperTier")
    body = seen["deployments"]["tickets"]["body"]
    assert body["properties"]["model"] == {"format": "OpenAI", "name": "gpt-4.1-mini.ft-1", "version": "1"}
    assert body["sku"] == {"name": "DeveloperTier", "capacity": 1}
    assert len(clock.sleeps) == 2
    assert all(path.startswith(PATH) and "api-version=" in path for _, path, _ in seen["requests"])
    assert {header for *_, header in seen["requests"]} == {"Bearer secret-token"}
    assert "secret-token" not in repr(deployments)


def test_taking_it_out_twice_is_no_error(plane):
    address, _ = plane
    deployments = Deployments.at(token="t", base_url=address, clock=FakeClock(), **ACCOUNT)
    deployments.create("tickets", "m")
    deployments.delete("tickets")
    deployments.delete("tickets")
    with pytest.raises(NotFoundError, match="no such deployment"):
        deployments.state("tickets")


def test_a_failed_deployment_is_told(plane):
    address, _ = plane
    deployments = Deployments.at(token="t", base_url=address, clock=FakeClock(), **ACCOUNT)
    with pytest.raises(RequestRejectedError, match=r"couldn't deploy m as bad: Failed"):
        deployments.create("bad", "m")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.delenv("AZURE_MANAGEMENT_TOKEN", raising=False)
    with pytest.raises(UsageError, match="resource_group, account"):
        Deployments.at(token="t", subscription="s")
    with pytest.raises(AuthenticationError, match="AZURE_MANAGEMENT_TOKEN"):
        Deployments.at(**ACCOUNT)
    with pytest.raises(UsageError, match="no deployment"):
        Deployments.at("openai", token="t")
