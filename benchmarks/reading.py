"""Open, check and count the realistic chat file, beside what people write by hand; every ratio is from this one run.

Run: python benchmarks/reading.py [rows]    (20,000 rows are 94 MB; 300,000 are 1.4 GB)
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median

from chats import write

from finetuner.data.dataset import Dataset
from finetuner.data.engines import ENGINES
from finetuner.data.tokenizers import Reference
from finetuner.data.tokens import _encoding

ROUNDS = 5
COUNTED = 4_000


def cpu_seconds():
    """CPU time of this process and of those that it has started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(rounds=ROUNDS, **works):
    """Median wall time and CPU time (children included) of each work, in seconds; rounds take turns."""
    took = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before, start = cpu_seconds(), time.perf_counter()
            work()
            took[name].append((time.perf_counter() - start, cpu_seconds() - before))
    return {name: tuple(map(median, zip(*times, strict=True))) for name, times in took.items()}


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


def table(took, base):
    for name, (wall, cpu) in took.items():
        print(f"{name:<36}{wall:>8.3f}{took[base][0] / wall:>8.2f}{cpu:>10.4f}{took[base][1] / max(cpu, 0.001):>8.2f}")
    print()


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FINETUNER_CACHE"] = str(folder / "cache")
        path = write(folder / "chats.jsonl", rows)
        print(
            f"{rows:,} rows, {path.stat().st_size:,} bytes, {os.cpu_count()} cores; × is how much faster than the first"
        )
        print(f"{'seconds':<36}{'wall':>8}{'×':>8}{'CPU':>10}{'×':>8}\n")
        time.sleep(0.2)  # a file must have settled before its offsets are kept

        def first():
            for entry in (folder / "cache").glob("offsets/*"):
                entry.unlink()
            opened(path)

        works = {
            "cat": partial(subprocess.run, ["cat", path], stdout=subprocess.DEVNULL, check=True),
            "open, len, ds[i], ds[-1]": first,
            "the same, a second time": partial(opened, path),
        }
        if find_spec("datasets"):
            from datasets import load_dataset

            works["Hugging Face datasets, first load"] = lambda: load_dataset(
                "json", data_files=str(path), cache_dir=tempfile.mkdtemp(dir=folder), split="train"
            )
        table(timed(**works), "cat")

        data = Dataset.load(path)
        checks = {f"Dataset.check, {engine}": partial(data.check, "openai", engine=engine) for engine in ENGINES[:2]}
        table(
            timed(**{"json.loads and a check by hand": partial(by_hand, path)}, **checks),
            "json.loads and a check by hand",
        )

        encode = _encoding("o200k_base")
        if encode is None:
            return
        with path.open("rb") as file:
            (folder / "head.jsonl").write_bytes(b"".join(islice(file, COUNTED)))
        some = Dataset.load(folder / "head.jsonl")
        texts = [message.text for example in some for message in example.messages]
        two = Reference(encode.encode_ordinary, 2)
        some.tokens()  # a faster tokenizer, where one is installed, is loaded on the way
        works = {
            f"tiktoken, {len(some):,} examples": lambda: [len(encode.encode_ordinary(text)) for text in texts],
            "tiktoken, two threads": partial(two.count, texts),
            "Dataset.tokens": some.tokens,
        }
        table(timed(**works), next(iter(works)))

        def read():
            for _ in data:
                pass

        passes = {
            "read every example": read,
            "analyze, without tokens": partial(data.analyze, tokens=False),
            "analyze": data.analyze,
            "review": data.review,
            "redact every example": lambda: [None for _ in data.redact()],
        }
        print(f"{'one pass':<36}{'CPU, s':>8}{'ms a row':>12}")
        for what, (_, cpu) in timed(rounds=1, **passes).items():
            print(f"{what:<36}{cpu:>8.2f}{cpu / rows * 1000:>12.3f}")


if __name__ == "__main__":
    main()
