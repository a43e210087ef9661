import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.web.conftest import TOKEN


async def hello(_request):
    return PlainTextResponse("hello")


ROUTES = [Route("/", hello, methods=["GET", "POST"])]


def test_without_the_token_nothing_is_shown(browse):
    answer = browse(ROUTES, welcome=False).get("/")
    assert answer.status_code == 401
    assert "it holds the token" in answer.text


@pytest.mark.parametrize("headers", [{"authorization": "Bearer wrong"}, {"cookie": "finetuner_token=wrong"}])
def test_a_wrong_token_is_refused(browse, headers):
    assert browse(ROUTES, welcome=False).get("/", headers=headers).status_code == 401


def test_the_printed_address_opens_the_page_and_leaves_no_token_in_the_history(browse):
    client = browse(ROUTES, welcome=False)
    answer = client.get("/", params={"token": TOKEN})
    assert answer.text == "hello"
    assert TOKEN not in str(answer.url)
    cookie = answer.history[0].headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


def test_a_program_shows_the_token_as_a_header(browse):
    answer = browse(ROUTES, welcome=False).get("/", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.text == "hello"


def test_another_host_name_is_refused(browse):
    assert browse(ROUTES).get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_large_body_is_refused(browse):
    assert browse(ROUTES).post("/", content=b"x" * (4 * 2**20 + 1)).status_code == 413


def test_browsers_are_told_to_be_strict(browse):
    headers = browse(ROUTES).get("/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
