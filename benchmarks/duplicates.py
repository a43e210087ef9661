"""Near-duplicates and contamination: CPU time, recall and precision on planted truth, beside peers in one run.

The texts are the requests of the realistic chat file (`benchmarks/chats.py`). A pair counts as right where it was
planted, or where its exact Jaccard index of word 5-grams reaches the threshold (copies of one original are alike too).
The truth is what was planted and reaches the threshold.

Run: python benchmarks/duplicates.py [documents] [threshold]   (pip install datasketch rensa for the peers)
"""

import random
import re
import resource
import sys
import time
from importlib.util import find_spec

from chats import chats

from finetuner.data.contamination import contamination
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.data.sketch import similar_pairs

PERMUTATIONS = 128
WIDTH = 5
WORD = re.compile(r"\w+")


def grams(text, width=WIDTH):
    words = WORD.findall(text.lower())
    return {" ".join(words[n : n + width]) for n in range(max(1, len(words) - width + 1))}


def planted(size):
    texts, copies = [], []
    for record, (row, original, exact) in chats(size):
        texts.append(record["messages"][1]["content"])
        if original is not None and not exact:
            copies.append((original, row))
    return texts, copies


def own(texts, near):
    pairs = similar_pairs(texts, near)
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def datasketch(texts, near):
    from datasketch import MinHash, MinHashLSH

    index, found = MinHashLSH(threshold=near, num_perm=PERMUTATIONS), set()
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([gram.encode() for gram in grams(text)])
        found |= {(other, number) for other in index.query(sketch)}
        index.insert(number, sketch)
    return found


def rensa(texts, near):
    from rensa import RMinHash, RMinHashLSH

    index, found, sketches = RMinHashLSH(near, PERMUTATIONS, 32), set(), []
    for number, text in enumerate(texts):
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=0)
        sketch.update(list(grams(text)))
        found |= {(other, number) for other in index.query(sketch) if sketches[other].jaccard(sketch) >= near}
        index.insert(number, sketch)
        sketches.append(sketch)
    return found


def jaccard(one, other):
    first, second = grams(one), grams(other)
    return len(first & second) / max(1, len(first | second))


def near_duplicates(size, near):
    texts, copies = planted(size)
    truth = {pair for pair in copies if jaccard(texts[pair[0]], texts[pair[1]]) >= near}
    ways = {"finetuner": own}
    ways |= {way.__name__: way for way in (datasketch, rensa) if find_spec(way.__name__)}
    print(f"{size:,} requests, {sum(map(len, texts)) / 1e6:.0f} MB, {len(truth)} planted pairs from {near}")
    print(f"{'way':<11} {'CPU s':>7} {'us each':>8} {'ratio':>6} {'recall':>7} {'precision':>9} {'peak MB':>8}")
    base = None
    for name, way in ways.items():
        start = time.process_time()
        found = way(texts, near)
        took = time.process_time() - start
        base = base or took
        equal = {(one, other) for one, other in found if texts[one] == texts[other]}
        wrong = sum(jaccard(texts[one], texts[other]) < near for one, other in found - truth - equal)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        recall, precision = len(found & truth) / len(truth), 1 - wrong / max(1, len(found))
        print(f"{name:<11} {took:>7.2f} {took / size * 1e6:>8.0f} {took / base:>6.1f}", end=" ")
        print(f"{recall:>7.3f} {precision:>9.3f} {peak:>8.0f}")


def contaminated(size):
    """Quotes of half a test row or more inside training rows, and the way of sets of 13-grams."""
    texts, _ = planted(size)
    dice = random.Random(1)
    test = dice.sample(texts, size // 20)
    rest = [text for text in texts if text not in set(test)]
    truth = set(range(0, len(test), 2))
    for row in truth:
        place = dice.randrange(len(rest))
        rest[place] = f"{rest[place]} {test[row]}"
    data = [
        Dataset.from_examples([Example(messages=(user(t), assistant("yes"))) for t in part]) for part in (rest, test)
    ]
    start = time.process_time()
    hits = {hit.row for hit in contamination(*data, near=None).hits}
    own_time = time.process_time() - start
    start = time.process_time()
    known = [grams(text, 13) for text in test]
    sets = set()
    for text in rest:
        other = grams(text, 13)
        sets |= {row for row, own_grams in enumerate(known) if len(own_grams & other) >= len(own_grams) / 2}
    set_time = time.process_time() - start
    print(f"contamination of {len(test)} rows by {len(rest):,}: recall {len(hits & truth) / len(truth):.3f}, ", end="")
    print(
        f"precision {len(hits & truth) / max(1, len(hits)):.3f}, {own_time / len(rest) * 1e6:.0f} us a document; ",
        end="",
    )
    print(f"Python sets find the same: {hits == sets}, {set_time / len(rest) * 1e6:.0f} us")


if __name__ == "__main__":
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    near_duplicates(documents, float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)
    contaminated(min(documents, 2_000))
