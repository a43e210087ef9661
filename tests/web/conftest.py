"""Pages as a browser or program sees them, without a socket."""

import pytest
from starlette.testclient import TestClient

from finetuner.web import server

TOKEN = "a-token-of-the-test"


@pytest.fixture
def browse():
    """A browser that has opened the printed address, for the routes given."""

    def open_routes(routes, *, welcome=True):
        app = server.application(routes, token=TOKEN)
        client = TestClient(app, base_url="http://127.0.0.1:8321", follow_redirects=True)
        if welcome:
            client.get("/", params={"token": TOKEN})
        return client

    return open_routes
