"""The gateway as OpenAI's own client sees it."""

import contextlib
import socket
import threading

import openai
import pytest
import uvicorn
from starlette.testclient import TestClient

import finetuner as ft
from finetuner.errors import FinetunerError
from finetuner.web import gateway, server
from tests.web.conftest import TOKEN


@contextlib.contextmanager
def served(service):
    """A client of a really running server."""
    listener = socket.create_server((server.HOST, 0))
    app = server.application(gateway.routes(service), token=TOKEN, errors={FinetunerError: gateway.refused})
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        with openai.OpenAI(base_url=f"http://{server.HOST}:{port}/v1", api_key=TOKEN, max_retries=0) as client:
            yield client
    finally:
        running.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def rollout(tmp_path):
    rollout = ft.Rollout.create("tickets", base="local:ngram-small", tuned="local:ngram-base", store=tmp_path)
    rollout.ramp(0.5)
    return rollout


def labeled(question):
    return [
        {"role": "system", "content": "Answer with one of: refund, delivery."},
        {"role": "user", "content": question},
    ]


def test_an_openai_client_gets_answers_and_each_user_keeps_an_arm(rollout):
    service = gateway.RolloutService("tickets", ft.Router(rollout))
    arms = {}
    with served(service) as client:
        for user in map(str, range(12)):
            for _ in range(2):
                raw = client.chat.completions.with_raw_response.create(
                    model="tickets", messages=labeled("where is my delivery"), user=user
                )
                assert raw.parse().choices[0].message.content in {"refund", "delivery"}
                arms.setdefault(user, set()).add(raw.headers["x-finetuner-arm"])
    service.close()
    assert all(len(seen) == 1 for seen in arms.values())
    assert {"base", "tuned"} == set.union(*arms.values())


def test_streams_arrive_in_pieces_and_feedback_joins_them(rollout):
    service = gateway.RolloutService("tickets", ft.Router(rollout))
    with served(service) as client:
        stream = client.chat.completions.create(
            model="tickets", messages=labeled("I want a refund"), user="7", stream=True
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text in {"refund", "delivery"}
        assert chunks[-1].choices[0].finish_reason == "stop"
        request_id = chunks[0].id.removeprefix("chatcmpl-")
        client.post("/feedback", body={"request_id": request_id, "quality": 1.0}, cast_to=dict)
    service.close()
    report = rollout.report()
    assert report.base.requests + report.tuned.requests == 1
    assert 1.0 in {report.base.quality, report.tuned.quality}


def test_a_model_alone_is_served_and_takes_no_feedback():
    service = gateway.ModelService(ft.Model("local:ngram-small"))
    with served(service) as client:
        assert [model.id for model in client.models.list()] == ["local:ngram-small"]
        answer = client.chat.completions.create(model="any", messages=labeled("refund please"))
        assert answer.choices[0].message.content == "refund"
        assert answer.usage.total_tokens > 0
        with pytest.raises(openai.BadRequestError, match="feedback needs a rollout"):
            client.post("/feedback", body={"request_id": "x", "quality": 1.0}, cast_to=dict)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"content": "x"}]}, "role"),
        ({"messages": labeled("x"), "temperature": "hot"}, "temperature: give a number"),
        ({"messages": labeled("x"), "max_tokens": 1.5}, "max_tokens: give a whole number"),
        ({"messages": labeled("x"), "user": 7}, "user: give text"),
        ({"messages": labeled("x"), "tools": "all"}, "give a list"),
    ],
)
def test_a_bad_request_is_refused_in_openais_shape(body, message):
    service = gateway.ModelService(ft.Model("local:ngram-small"))
    app = server.application(gateway.routes(service), token=TOKEN, errors={FinetunerError: gateway.refused})
    client = TestClient(app, base_url="http://127.0.0.1:8321")
    answer = client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_without_the_token_openais_client_is_told_so():
    service = gateway.ModelService(ft.Model("local:ngram-small"))
    with served(service) as client, pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
