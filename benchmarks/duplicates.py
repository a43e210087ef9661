"""Near-duplicates: time, recall and precision on planted copies, beside datasketch where it is installed.

Run: python benchmarks/duplicates.py [documents]
"""

import random
import sys
import time
from importlib.util import find_spec

from finetuner.data.sketch import similar_pairs

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ne", "pu", "ri") for b in "bdfglmnrst" for c in ("", "ta", "sen", "or")
]
NEAR = 0.8


def planted(size, length):
    """Random documents, the last tenth of them copies of the first with 1 % of the words replaced."""
    dice = random.Random(0)
    originals = size * 9 // 10
    texts = [[dice.choice(WORDS) for _ in range(length)] for _ in range(originals)]
    truth = set()
    for number in range(size - originals):
        copy = list(texts[number])
        for place in dice.sample(range(length), max(1, length // 100)):
            copy[place] = dice.choice(WORDS)
        texts.append(copy)
        truth.add((number, originals + number))
    return [" ".join(text) for text in texts], truth


def own(texts):
    pairs = similar_pairs(texts, NEAR)
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def datasketch(texts):
    from datasketch import MinHash, MinHashLSH

    index, found = MinHashLSH(threshold=NEAR, num_perm=128), set()
    for number, text in enumerate(texts):
        words = text.split()
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))])
        found |= {(other, number) for other in index.query(sketch)}
        index.insert(number, sketch)
    return found


def main():
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    ways = {"finetuner": own} | ({"datasketch": datasketch} if find_spec("datasketch") else {})
    print(f"{'words':>6} {'way':<11} {'seconds':>8} {'recall':>7} {'precision':>9}")
    for length in (20, 60, 400):
        texts, truth = planted(size, length)
        for name, way in ways.items():
            start = time.perf_counter()
            found = way(texts)
            took = time.perf_counter() - start
            hits = len(found & truth)
            print(f"{length:>6} {name:<11} {took:>8.2f} {hits / len(truth):>7.3f} {hits / max(1, len(found)):>9.3f}")


if __name__ == "__main__":
    main()
