"""A batch whose emulator died goes on with the next one."""

import json
import time

import openai

from finetuner.emulator import Emulator

BASE = "gpt-4.1-mini-2025-04-14"


def test_a_batch_that_was_cut_short_starts_over_when_it_is_looked_at(tmp_path):
    body = {"model": BASE, "messages": [{"role": "user", "content": "hi"}]}
    lines = [{"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(3)]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with Emulator(workspace=tmp_path) as emulator, openai.OpenAI(base_url=emulator.url, api_key="any") as client:
        file = client.files.create(file=("b.jsonl", content), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        while client.batches.retrieve(batch.id).status != "completed":
            time.sleep(0.02)
    path = tmp_path / "emulator" / "openai" / "batches" / f"{batch.id}.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"status": "in_progress", "completed": 1, "output_file": None}))
    with Emulator(workspace=tmp_path) as emulator, openai.OpenAI(base_url=emulator.url, api_key="any") as client:
        assert client.batches.retrieve(batch.id).status == "in_progress"
        while (seen := client.batches.retrieve(batch.id)).status != "completed":
            time.sleep(0.02)
        assert seen.request_counts.completed == 3
        assert len(client.files.content(seen.output_file_id).text.splitlines()) == 3
