"""Open, check and count the realistic chat file, beside what people write by hand; every ratio is from this one run.

Run: python benchmarks/reading.py [rows]    (20,000 rows are 94 MB; 300,000 are 1.4 GB)
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from chats import write

from finetuner.data.dataset import Dataset
from finetuner.data.tokens import _encoding

ROUNDS = 3
COUNTED = 4_000


def timed(work, rounds=ROUNDS):
    """The best wall time of a few rounds, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def by_hand(path):
    """What a cookbook does: json.loads, then look at each message."""
    bad = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                bad += 1
                continue
            messages = record.get("messages") if isinstance(record, dict) else None
            if not isinstance(messages, list) or not messages:
                bad += 1
                continue
            for place, message in enumerate(messages):
                role, content = message.get("role"), message.get("content")
                bad += role not in ("system", "user", "assistant") or (role == "system" and place > 0)
                bad += not isinstance(content, str) or not content.strip()
                bad += any(key not in ("role", "content", "name", "weight") for key in message)
            bad += messages[-1].get("role") != "assistant"
    return bad


def opened(path):
    data = Dataset.load(path)
    assert len(data) > 0
    return data[len(data) // 2], data[-1]


def table(rows):
    print(f"{'what':<34}{'seconds':>9}{'ratio':>8}  to")
    for what, seconds, base, name in rows:
        print(f"{what:<34}{seconds:>9.3f}{seconds / base:>8.2f}  {name}" if base else f"{what:<34}{seconds:>9.3f}")


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FINETUNER_CACHE"] = str(Path(folder) / "none")
        path = write(Path(folder) / "chats.jsonl", rows)
        print(f"{rows:,} rows, {path.stat().st_size:,} bytes, {os.cpu_count()} cores\n")
        time.sleep(0.2)  # a file must have settled before its offsets are kept
        cat = timed(lambda: subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True))

        def first():
            for entry in Path(os.environ["FINETUNER_CACHE"]).glob("offsets/*"):
                entry.unlink()
            opened(path)

        results = [("cat", cat, None, "")]
        results.append(("open, len, ds[i], ds[-1]", timed(first), cat, "cat"))
        results.append(("the same, a second time", timed(lambda: opened(path)), cat, "cat"))
        if find_spec("datasets"):
            from datasets import load_dataset

            peer = timed(lambda: load_dataset("json", data_files=str(path), cache_dir=folder, split="train"), rounds=1)
            results.append(("Hugging Face datasets, first load", peer, cat, "cat"))
        hand = timed(lambda: by_hand(path))
        data = Dataset.load(path)
        results.append(("json.loads and a check by hand", hand, None, ""))
        for engine in ("serial", "processes"):
            seconds = timed(partial(data.check, "openai", engine=engine))
            results.append((f"Dataset.check, {engine}", seconds, hand, "by hand"))
        with path.open("rb") as file:
            head = b"".join(next(file) for _ in range(COUNTED))
        (Path(folder) / "head.jsonl").write_bytes(head)
        some, encode = Dataset.load(Path(folder) / "head.jsonl"), _encoding("o200k_base")
        if encode is not None:
            texts = [message.text for example in some for message in example.messages]
            plain = timed(lambda: [len(encode.encode_ordinary(text)) for text in texts], rounds=1)
            some.tokens()  # a faster tokenizer is loaded on the way
            results.append((f"tiktoken, {COUNTED:,} examples", plain, None, ""))
            results.append(("Dataset.tokens, the same", timed(some.tokens), plain, "tiktoken"))
        table(results)


if __name__ == "__main__":
    main()
