"""`examples/service.py` on two real uvicorn workers: no request fails because of us, and a kill -9 loses no event."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from finetuner.deployment import observations
from finetuner.deployment.controller import Controller
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout

EXAMPLES = Path(__file__).parents[2] / "examples"
BASE, TUNED = "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14"
# Wide margins, so that a few hundred customers decide.
GATES = Gates(
    stages=(0.5,), quality="none", error_margin=0.6, slow_margin=0.6, invalid_margin=0.6, cost_margin=3.0,
    slow_seconds=30.0, min_units=40, min_seconds=0.0, min_scored=1, planned_units=300,
)  # fmt: skip


class Provider(ThreadingHTTPServer):
    """An OpenAI-shaped provider whose tuned model can be broken."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.broken = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Provider)
        failing = self.server.broken and asked["model"] == TUNED
        answer = {"role": "assistant", "content": asked["model"]}
        body = json.dumps(
            {"error": {"message": "broken", "type": "invalid_request_error"}}
            if failing
            else {
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"],
                "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
            }
        ).encode()  # fmt: skip
        self.send_response(400 if failing else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Load:
    """Customers of the service.

    Attributes:
        answered: Request ids of all answers.
        failures: What wasn't answered with 200, however often it was asked.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered: list[str] = []
        self.failures: list[str] = []
        self.customer = 0
        self._lock = threading.Lock()

    def send(self, requests: int, clients: int = 4, patience: int = 100) -> None:
        share = requests // clients
        threads = [threading.Thread(target=self._client, args=(share, patience)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, requests: int, patience: int) -> None:
        for _ in range(requests):
            with self._lock:
                self.customer += 1
                customer = self.customer
            self._ask(customer, patience)

    def _ask(self, customer: int, patience: int) -> None:
        body = json.dumps({"text": "I lost my card", "customer": customer})
        for _ in range(patience):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("POST", "/answer", body)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):  # its worker was killed: a load balancer asks another
                time.sleep(0.1)
                continue
            finally:
                connection.close()
            if response.status == 200:
                self.answered.append(json.loads(content)["request_id"])
            else:
                self.failures.append(f"{response.status}: {content!r}")
            return
        self.failures.append("no worker answers")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        yield server
        server.shutdown()


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout.create("tickets", base=f"openai:{BASE}", tuned=f"openai:{TUNED}", gates=GATES, store=tmp_path)


@pytest.fixture
def service(provider: Provider, rollout: Rollout, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Load]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "service:app", "--app-dir", str(EXAMPLES), "--workers", "2"]
    environment = os.environ | {
        "FINETUNER_WORKSPACE": str(tmp_path), "ROLLOUT": rollout.name, "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "any", "PYTHONPATH": str(EXAMPLES.parent),
    }  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
    load = Load(port)
    try:
        load.send(4, patience=600)
        assert load.failures == [], (tmp_path / "log").read_text()
        yield server, load
    finally:
        server.terminate()
        server.wait(30)


def workers(server: subprocess.Popen[bytes]) -> list[int]:
    """Processes of the service that have a router: those that write a segment or a spool are the workers."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def events(rollout: Rollout) -> list[Observation]:
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return list(observations.folded(rollout.journal, rollout.name))


def exposures(rollout: Rollout) -> dict[str, Observation]:
    found = [event for event in events(rollout) if event.kind == "exposure"]
    assert len(found) == len({event.request_id for event in found}), "an event was recorded twice"
    return {event.request_id: event for event in found}


def test_no_answered_request_is_lost_over_a_kill_9_of_a_worker(
    service: tuple[subprocess.Popen[bytes], Load], rollout: Rollout
) -> None:
    server, load = service
    rollout.shadow(0.2)
    rollout.ramp(0.5)
    sending = threading.Thread(target=load.send, args=(160,))
    sending.start()
    while len(load.answered) < 60 and not load.failures:
        time.sleep(0.01)
    victim = workers(server)[0]
    os.kill(victim, signal.SIGKILL)
    sending.join()
    assert load.failures == []
    assert set(load.answered) <= set(exposures(rollout))


@pytest.mark.slow
def test_shadow_then_half_the_users_then_a_regression_is_taken_back_by_itself(
    service: tuple[subprocess.Popen[bytes], Load], rollout: Rollout, provider: Provider
) -> None:
    _, load = service
    controller = Controller(rollout, raise_share=True)
    rollout.shadow(1.0)
    drive(load, controller, until=0.5)
    provider.broken = True
    drive(load, controller, until=0.0)
    assert rollout.state.status == "rolled-back"
    time.sleep(1.0)
    before = len(load.answered)
    load.send(80)
    found = exposures(rollout)
    assert load.failures == [], "users felt the regression"
    assert set(load.answered) == set(found)
    assert {found[request].served for request in load.answered[before:]} == {"base"}
    assert {event.served for event in found.values() if event.error} == {"base"}


@pytest.mark.slow
def test_a_good_model_gets_everybody(service: tuple[subprocess.Popen[bytes], Load], rollout: Rollout) -> None:
    server, load = service
    controller = Controller(rollout, raise_share=True)
    rollout.shadow(1.0)
    drive(load, controller, until=0.5)
    os.kill(workers(server)[0], signal.SIGKILL)
    drive(load, controller, until=1.0)
    assert rollout.state.status == "promoted"
    time.sleep(1.0)
    before = len(load.answered)
    load.send(80)
    found = exposures(rollout)
    assert load.failures == []
    assert set(load.answered) <= set(found)
    assert {found[request].served for request in load.answered[before:]} == {"tuned"}


def drive(load: Load, controller: Controller, *, until: float) -> None:
    """Send customers and look, until the share is reached."""
    for _ in range(40):
        load.send(80)
        look = controller.look()
        assert look.state is not None, look.trouble
        if look.state.share == until:
            return
    pytest.fail(f"the share never became {until}: {look.decision}")
