"""Bad days of a service, over real sockets: the run ends, and every row is accounted for."""

import asyncio
import random
import threading
import time

import attrs
import pytest

from finetuner.evaluation.run import evaluate
from finetuner.providers.model import Model
from finetuner.providers.openai import connect
from finetuner.providers.ports import CompletionOptions

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(200)]
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"billing"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}'
)
JSON, HTML = "application/json", "text/html"


@attrs.define
class Weather:
    """What goes wrong, and what was answered.

    Attributes:
        most: Calls at once beyond which the service asks for patience; None for any number.
        broken: Share of calls that end in a 500.
        silent: Share of calls that are never answered.
        pages: Share of calls that get a gateway's page, with status 200.
        garbled: Share of calls whose answer breaks off.
        answered: Bodies of the requests that got an answer.
        throttled: Refusals for too many calls.
        at_once: Most calls in flight.
    """

    most: int | None = None
    broken: float = 0.0
    silent: float = 0.0
    pages: float = 0.0
    garbled: float = 0.0
    answered: list[bytes] = attrs.field(factory=list)
    throttled: int = 0
    at_once: int = 0
    _now: int = 0
    _random: random.Random = attrs.field(factory=lambda: random.Random(0))

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                self._now += 1
                self.at_once = max(self.at_once, self._now)
                try:
                    await self._answer(writer, body)
                finally:
                    self._now -= 1
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer, body):
        if self.most is not None and self._now > self.most:
            self.throttled += 1
            return self._send(writer, b"429 Too Many Requests", b'{"error":{"message":"slow"}}', "Retry-After: 0.05")
        await asyncio.sleep(0.01)
        chance = self._random.random()
        if chance < self.broken:
            return self._send(writer, b"500 Internal", b'{"error":{"message":"sorry"}}', "retry-after-ms: 10")
        if chance < self.broken + self.silent:
            return await asyncio.sleep(30)
        if chance < self.broken + self.silent + self.pages:
            return self._send(writer, b"200 OK", b"<html>Login</html>", "retry-after-ms: 1", HTML)
        if chance < self.broken + self.silent + self.pages + self.garbled:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
            return writer.close()
        self.answered.append(body)
        return self._send(writer, b"200 OK", ANSWER)

    def _send(self, writer, status, body, header="X: y", kind=JSON):
        writer.write(b"HTTP/1.1 %b\r\nContent-Type: %b\r\n" % (status, kind.encode()))
        writer.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (header.encode(), len(body), body))


@pytest.fixture
def service():
    """Serves by a weather in a thread of its own; gives the provider."""
    loops = []

    def of(weather):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(weather.serve, "127.0.0.1", 0), loop).result()
        loops.append((loop, thread, listening))
        port = listening.sockets[0].getsockname()[1]
        return connect(api_key="sk-test", base_url=f"http://127.0.0.1:{port}/v1")

    yield of
    for loop, thread, listening in loops:

        async def close(listening=listening):
            listening.close()
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Hasty:
    """Real time, with the pauses between tries a hundredth as long."""

    now, monotonic = staticmethod(time.time), staticmethod(time.monotonic)

    def sleep(self, seconds):
        time.sleep(seconds / 100)

    async def sleep_async(self, seconds):
        await asyncio.sleep(seconds / 100)


def evaluated(provider, rows, place, **options):
    call = CompletionOptions(timeout=0.5)
    return evaluate(
        Model("openai:m", provider=provider), rows(PAIRS), workspace=place, options=call, clock=Hasty(), **options
    )


def accounted(result):
    counts = result.counts
    assert counts.attempted == len(result.rows) == 200
    assert counts.answered + counts.errored == 200
    assert all((row.answer is None) == (row.error is not None) for row in result.rows)
    return counts


def test_a_storm_of_rate_limits_costs_nothing(service, rows, place):
    """429 with Retry-After at more than 8 in flight: all rows are answered, each once."""
    weather = Weather(most=8)
    counts = accounted(evaluated(service(weather), rows, place, concurrency=32))
    assert counts.errored == 0
    assert weather.throttled > 0
    assert len(set(weather.answered)) == len(weather.answered) == 200


def test_five_percent_of_breakdowns_cost_nothing(service, rows, place):
    """5xx answers are asked again; nothing that was answered is."""
    weather = Weather(broken=0.05)
    counts = accounted(evaluated(service(weather), rows, place, concurrency=16))
    assert counts.errored == 0
    assert len(set(weather.answered)) == len(weather.answered) == 200


def test_silence_pages_and_halves_are_all_accounted_for(service, rows, place):
    """Hanging sockets, HTML instead of JSON and answers that break off: tried again, and counted where that fails."""
    weather = Weather(silent=0.03, pages=0.05, garbled=0.05)
    counts = accounted(evaluated(service(weather), rows, place, concurrency=32))
    assert counts.answered >= 195
    assert len(set(weather.answered)) == len(weather.answered) == counts.answered


def test_a_service_that_only_sends_pages_fails_row_by_row(service, rows, place):
    """Nothing is made up: no metric, and each row has its error."""
    result = evaluated(service(Weather(pages=1.0)), rows, place, concurrency=32)
    assert accounted(result).errored == 200
    assert result.metrics == {}
    assert "isn't as its API promises" in result.rows[0].error


def test_concurrency_is_bounded(service, rows, place):
    weather = Weather()
    accounted(evaluated(service(weather), rows, place, concurrency=12))
    assert weather.at_once <= 12


def test_a_running_loop_is_no_obstacle(service, rows, place):
    """In a notebook the bulk path runs in a thread of its own."""
    provider = service(Weather())

    async def cell():
        return evaluated(provider, rows, place)

    assert accounted(asyncio.run(cell())).answered == 200
