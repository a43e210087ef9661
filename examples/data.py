"""Phase 1, data: from a folder of production logs to three files that share nothing.

Run with `python examples/data.py LOGS`; writes train.jsonl, val.jsonl and test.jsonl into the current folder.
"""

import sys

import finetuner as ft

raw = ft.Dataset.from_logs(sys.argv[1], sample=5000, seed=0)
print(raw.analyze())

review = raw.review()
print(review)

clean = raw.drop(review).redact().harmonize().dedupe(near=0.9)
parts = clean.validate(provider="openai").split(train=80, val=10, test=10, seed=0)
print(parts.proof)

for name, part in (("train", parts.train), ("val", parts.val), ("test", parts.test)):
    print(part.write(f"{name}.jsonl", format="openai"), part.fingerprint[:12])
