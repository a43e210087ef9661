"""The pages in a real browser: keyboard, screen widths, and no word to anyone outside.

Needs Chromium on the path and playwright (both in the slow suite only): `scripts/test --slow tests/web`.
"""

import shutil
import threading

import pytest
import uvicorn

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, system, user
from finetuner.records.journal import Journal
from finetuner.web import dashboard, review, server
from finetuner.web.opinions import OpinionLog

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TOKEN = "a-token-of-the-test"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the path")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser, unused_port):
    """Opens routes in a page that records every address it asks for."""
    stops = []

    def opened(routes, width=1100):
        config = uvicorn.Config(
            server.application(routes, token=TOKEN), host=server.HOST, port=unused_port, log_level="critical"
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, daemon=True)
        thread.start()
        while not running.started:
            thread.join(0.02)
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(server.address(unused_port, TOKEN))
        stops.append((page, running, thread))
        return page

    yield opened
    for page, running, thread in stops:
        page.close()
        running.should_exit = True
        thread.join(10)


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind((server.HOST, 0))
        return probe.getsockname()[1]


@pytest.fixture
def desk(tmp_path):
    examples = [
        Example(messages=(system("Name the topic."), user(f"question {n} {'long ' * 40}"), assistant("billing")))
        for n in range(3)
    ]
    data = Dataset.from_examples(examples)
    return review.ReviewDesk(data=data, reviewer="ann", log=OpinionLog(tmp_path / "opinions.jsonl"))


def test_a_person_reviews_with_the_keyboard_alone(open_page, desk):
    page = open_page(review.routes(desk))
    page.keyboard.press("a")
    page.wait_for_url("**/row/1")
    page.keyboard.press("r")
    page.wait_for_url("**/row/2")
    page.focus("#note")
    page.keyboard.type("a rare case")  # keys that are text press no button
    assert page.url.endswith("/row/2")
    page.click("text=Approve")
    page.wait_for_url("**/done")
    assert "Reviewed: 3 of 3 (2 approved, 1 not)" in page.inner_text("#summary")
    assert desk.opinions()[2].note == "a rare case"


def test_a_page_asks_nobody_outside_and_its_rules_hold(open_page, desk):
    page = open_page(review.routes(desk))
    assert {address.split("/")[2].split(":")[0] for address in page.asked} == {server.HOST}
    assert [text for text in page.complaints if "Content Security Policy" in text] == []
    assert TOKEN not in page.url


@pytest.mark.parametrize("width", [360, 1100])
def test_nothing_runs_over_the_edge_of_the_screen(open_page, desk, width):
    page = open_page(review.routes(desk), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_empty_dashboard_says_so(open_page, tmp_path):
    page = open_page(dashboard.routes(Journal.open(tmp_path)))
    assert page.inner_text("h1") == "finetuner"
    assert "None yet." in page.inner_text("body")
    assert [text for text in page.complaints if "Content Security Policy" in text] == []
