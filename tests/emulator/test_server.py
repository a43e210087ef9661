"""The server as a plain HTTP client sees it."""

import http.client
import json
import math
import socket
import subprocess
import sys
import threading
import time

import pytest

from finetuner.emulator import Emulator, Fault
from finetuner.errors import UsageError


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Emulator(workspace=tmp_path_factory.mktemp("emulator"), token="secret", max_body_bytes=10_000) as emulator:
        yield emulator


@pytest.fixture
def emulator(running):
    running.faults.clear()
    yield running
    running.faults.clear()


def ask(emulator, method, path, body=None, headers=None, timeout=10.0):
    host, port = emulator.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(method, path, body, {"Authorization": "Bearer secret", **(headers or {})})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_every_answer_has_a_request_id_of_its_own(emulator):
    ids = {ask(emulator, "GET", path)[1]["x-request-id"] for path in ("/v1/models", "/v1/nothing", "/v1/models")}
    assert len(ids) == 3
    assert all(each.startswith("req_") for each in ids)


def test_unknown_addresses_are_refused_in_openais_words(emulator):
    status, _, body = ask(emulator, "GET", "/v1/nothing")
    assert status == 404
    assert json.loads(body)["error"]["code"] == "unknown_url"
    status, _, body = ask(emulator, "DELETE", "/v1/files")
    assert status == 405
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_only_callers_with_the_token_are_answered(emulator):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        status, _, body = ask(emulator, "GET", "/v1/models", headers=headers)
        assert status == 401
        assert "secret" not in body.decode()


def test_a_page_of_another_host_is_not_answered(emulator):
    assert ask(emulator, "GET", "/v1/models", headers={"Host": "evil.example"})[0] == 400


@pytest.mark.parametrize("body", [b"x" * 20_000, iter([b"x" * 9_000] * 3)], ids=["announced", "in chunks"])
def test_too_large_a_body_is_refused(emulator, body):
    status, _, answer = ask(emulator, "POST", "/v1/fine_tuning/jobs", body)
    assert status == 413
    assert json.loads(answer)["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "body", [b"no form", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", b"--x\r\n"]
)
def test_a_form_that_is_none_is_refused_by_the_missing_field(emulator, body):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, _, _ = ask(emulator, "POST", "/v1/files", body, headers)
    assert status == 400


def test_it_listens_on_the_loopback_address_only(emulator):
    assert emulator.address.startswith("http://127.0.0.1:")


def test_a_taken_port_is_an_error_that_says_what_to_do(emulator):
    port = int(emulator.address.rpartition(":")[2])
    with pytest.raises(UsageError, match="another port"):
        Emulator(port=port).start()


def test_an_emulator_that_is_not_started_has_no_address():
    with pytest.raises(UsageError, match="start"):
        _ = Emulator().url


def test_stopping_twice_is_no_error_and_lets_go_who_hangs(tmp_path):
    emulator = Emulator(workspace=tmp_path).start()
    emulator.faults.add(Fault(method="GET", path="/models", delay=math.inf, drop=True))
    failures = []

    def hang():
        try:
            ask(emulator, "GET", "/v1/models", timeout=60.0)
        except (http.client.RemoteDisconnected, ConnectionResetError) as error:
            failures.append(error)

    caller = threading.Thread(target=hang)
    caller.start()
    while emulator.faults.ordered():
        time.sleep(0.01)
    emulator.stop()
    emulator.stop()
    caller.join(30)
    assert len(failures) == 1


def test_without_its_extra_it_says_what_to_install():
    program = "import sys; sys.modules['starlette'] = None; import finetuner.emulator"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "finetuner-sdk[web]" in done.stderr.splitlines()[-1]


class TestFaults:
    def test_a_dropped_connection_gives_no_byte(self, emulator):
        emulator.faults.add(Fault(method="GET", drop=True))
        with socket.create_connection(("127.0.0.1", int(emulator.address.rpartition(":")[2])), timeout=10) as raw:
            raw.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n")
            assert raw.recv(1_000) == b""

    def test_a_cut_answer_ends_in_the_middle(self, emulator):
        emulator.faults.add(Fault(method="GET", path="/models", cut=10))
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(emulator, "GET", "/v1/models")
        assert len(caught.value.partial) == 10

    def test_garbage_is_sent_as_it_is(self, emulator):
        emulator.faults.add(Fault(method="GET", status=200, body="<html>maintenance</html>"))
        status, headers, body = ask(emulator, "GET", "/v1/models")
        assert (status, body) == (200, b"<html>maintenance</html>")
        assert headers["content-type"].startswith("text/html")

    def test_fields_are_laid_over_an_object_and_over_each_item_of_a_list(self, emulator):
        emulator.faults.add(Fault(method="GET", path="/models.*", merge={"shutdown_date": "2026-01-01"}), times=2)
        listed = json.loads(ask(emulator, "GET", "/v1/models")[2])["data"]
        one = json.loads(ask(emulator, "GET", f"/v1/models/{listed[0]['id']}")[2])
        assert {model["shutdown_date"] for model in [*listed, one]} == {"2026-01-01"}

    def test_one_ordered_for_good_serves_until_it_is_cleared(self, emulator):
        emulator.faults.add(Fault(method="GET", status=500), times=None)
        assert [ask(emulator, "GET", "/v1/models")[0] for _ in range(3)] == [500] * 3
        emulator.faults.clear()
        assert ask(emulator, "GET", "/v1/models")[0] == 200

    def test_they_are_ordered_listed_and_forgotten_over_http(self, emulator):
        def order(**body):
            return ask(emulator, "POST", "/emulator/faults", json.dumps(body))

        assert order(fault="rate-limit:7", times=2)[0] == 200
        fault = {"method": "GET", "path": "/models", "status": 503, "headers": {"Retry-After": "3"}}
        assert order(fault=fault, times=None)[0] == 200
        listed = json.loads(ask(emulator, "GET", "/emulator/faults")[2])["ordered"]
        assert [each["times"] for each in listed] == [2, None]
        assert listed[0]["fault"]["headers"] == {"Retry-After": "7"}
        status, headers, _ = ask(emulator, "GET", "/v1/models")
        assert (status, headers["Retry-After"]) == (503, "3")
        assert json.loads(ask(emulator, "DELETE", "/emulator/faults")[2])["ordered"] == []
        assert ask(emulator, "GET", "/v1/models")[0] == 200

    @pytest.mark.parametrize(
        "body", [{"fault": "nope"}, {"fault": {"nope": 1}}, {"fault": 3}, {"fault": "hanging", "times": 0}]
    )
    def test_an_order_that_means_nothing_is_refused(self, emulator, body):
        status, _, answer = ask(emulator, "POST", "/emulator/faults", json.dumps(body))
        assert status == 400
        assert json.loads(answer)["error"]["param"] in {"fault", "times"}
        assert emulator.faults.ordered() == ()
