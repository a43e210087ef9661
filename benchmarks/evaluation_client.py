"""What an evaluated row costs: `finetuner.evaluate` (journal and cache included) beside plain `AsyncOpenAI`.

Both ask a loopback server that answers each request after 200 ms, in a process of its own. CPU is of the client's
process alone, over the middle of the run; the physical limit is calls in flight divided by 0.2 s.

Run: python benchmarks/evaluation_client.py [in flight …]     (64 256 1000 by default)
"""

import asyncio
import subprocess
import sys
import tempfile
import time

import openai

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.run import evaluate
from finetuner.providers.model import Model
from finetuner.providers.openai import connect

DELAY = 0.2
BODY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"billing","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,'
    b'"completion_tokens":2,"total_tokens":122}}'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
START, END = 0.4, 0.9  # shares of the rows between which the steady state is measured


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = self.buffer[:head].lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            end = head + 4 + int(length or 0)
            if len(self.buffer) < end:
                return
            self.buffer = self.buffer[end:]
            asyncio.get_running_loop().call_later(DELAY, self.answer)

    def answer(self):
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Meter:
    """Steady rate and CPU between two shares of the rows."""

    def __init__(self, rows):
        self.rows, self.marks = rows, []

    def note(self, done):
        self.marks.append((done, time.perf_counter(), time.process_time()))

    def result(self):
        low = next(mark for mark in self.marks if mark[0] >= START * self.rows)
        high = next(mark for mark in self.marks if mark[0] >= END * self.rows)
        count = high[0] - low[0]
        return count / (high[1] - low[1]), 1000 * (high[2] - low[2]) / count


def texts(rows):
    return [f"request {i} " + "word " * 80 for i in range(rows)]


def ours(url, rows, in_flight):
    meter = Meter(rows)
    data = Dataset.from_examples(
        [Example(messages=(user(text), assistant(("billing", "bug")[i % 2]))) for i, text in enumerate(texts(rows))]
    )
    model = Model("openai:m", provider=connect(api_key="sk-none", base_url=url))
    with tempfile.TemporaryDirectory() as place:
        start = time.process_time()
        result = evaluate(
            model, data, workspace=place, concurrency=in_flight, on_progress=lambda progress: meter.note(progress.done)
        )
        whole = 1000 * (time.process_time() - start) / rows
    assert result.counts.answered == rows
    return *meter.result(), whole


def plain(url, rows, in_flight):
    meter = Meter(rows)

    async def run():
        client, gate, done = openai.AsyncOpenAI(api_key="sk-none", base_url=url), asyncio.Semaphore(in_flight), 0

        async def ask(text):
            nonlocal done
            async with gate:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            done += 1
            meter.note(done)

        await asyncio.gather(*map(ask, texts(rows)))
        await client.close()

    try:
        asyncio.run(run())
    except openai.APIConnectionError as error:
        return f"gives up: {error}"
    return meter.result()


def main():
    levels = [int(word) for word in sys.argv[1:]] or [64, 256, 1000]
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    try:
        plain(url, 40, 8)  # both have loaded what they need
        ours(url, 40, 8)
        print("in flight   client        requests/s   of the limit   CPU ms/request   with all around it   ratio")
        for level in levels:
            rate, cpu, whole = ours(url, min(20_000, 25 * level), level)
            theirs = plain(url, min(1_500, 8 * level), level)
            limit = level / DELAY
            print(f"{level:9}   finetuner     {rate:10.0f} {rate / limit:13.0%} {cpu:16.3f} {whole:20.3f}")
            if isinstance(theirs, str):
                print(f"{level:9}   AsyncOpenAI   {theirs}")
                continue
            print(
                f"{level:9}   AsyncOpenAI   {theirs[0]:10.0f} {theirs[0] / limit:13.0%} {theirs[1]:16.3f} "
                f"{'':20} {theirs[1] / cpu:7.1f}"
            )
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
