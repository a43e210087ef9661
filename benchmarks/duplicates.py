"""Near-duplicates and contamination: CPU time, recall and precision on planted truth, beside peers in one run.

The texts are the requests of the realistic chat file (`benchmarks/chats.py`), and short ones of about 200 characters of
the same words, in which one or two words are replaced. A pair counts as right where it was planted, or where its exact
Jaccard index reaches the threshold (copies of one original are alike too); the truth is what was planted and reaches
it. Long texts are compared as sets of 5 words, by all; short ones by 4 characters here and by 5 words elsewhere, each
with a threshold that suits.

The ways take turns, three rounds (datasketch one); a way's time is the median of its CPU seconds, with the range
beside it.

Run: python benchmarks/duplicates.py [documents]   (pip install datasketch rensa for the peers)
"""

import os
import random
import re
import resource
import statistics
import sys
import time
from importlib.util import find_spec

from chats import ENGLISH, chats, prose

from finetuner.data.contamination import contamination
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.data.sketch import similar_pairs

PERMUTATIONS = 128
ROUNDS = 3
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


def short(size):
    """Texts of about 200 characters; every tenth is an earlier one with one or two words replaced."""
    dice = random.Random(0)
    texts, copies = [], []
    for row in range(size):
        if row % 10 == 9:
            original = dice.randrange(row)
            words = texts[original].split(" ")
            for place in dice.sample(range(len(words)), dice.randint(1, 2)):
                words[place] = dice.choice(ENGLISH)
            copies.append((original, row))
            texts.append(" ".join(words))
        else:
            texts.append(prose(dice, ENGLISH, 200))
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


def jaccard(one, other, sets=grams):
    first, second = sets(one), sets(other)
    return len(first & second) / max(1, len(first | second))


def characters(text):
    words = f" {' '.join(WORD.findall(text.lower()))} "
    return {words[n : n + 4] for n in range(len(words) - 3)}


def near_duplicates(texts, copies, near, sets):
    """A table for some texts; `near` and `sets` are for finetuner, the peers look for .5 by words."""
    ways = {"finetuner": (own, near)}
    ways |= {way.__name__: (way, 0.5) for way in (datasketch, rensa) if find_spec(way.__name__)}

    def alike(pair):
        one, other = texts[pair[0]], texts[pair[1]]
        return jaccard(one, other, sets) >= near or jaccard(one, other) >= 0.5

    truth = {pair for pair in copies if alike(pair) and texts[pair[0]] != texts[pair[1]]}
    took, found = {name: [] for name in ways}, {}
    for turn in range(ROUNDS):
        for name, (way, threshold) in ways.items():
            if turn and way is datasketch:
                continue  # it takes longest, and one run says enough
            start = time.process_time()
            found[name] = way(texts, threshold)
            took[name].append(time.process_time() - start)
    size = len(texts)
    print(f"{size:,} texts of {sum(map(len, texts)) // size:,} characters, {len(truth)} planted pairs")
    print(f"{'way':<11} {'CPU s':>7} {'range':>13} {'us each':>8} {'ratio':>6} {'recall':>7} {'precision':>9}")
    base = statistics.median(took["finetuner"])
    for name, times in took.items():
        median, span = statistics.median(times), f"{min(times):.2f} to {max(times):.2f}"
        recall = len(found[name] & truth) / len(truth)
        precision = 1 - sum(not alike(pair) for pair in found[name] - truth) / max(1, len(found[name]))
        print(f"{name:<11} {median:>7.2f} {span:>13} {median / size * 1e6:>8.0f} {median / base:>6.1f}", end=" ")
        print(f"{recall:>7.3f} {precision:>9.3f}")


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
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    near_duplicates(*planted(documents), 0.5, grams)
    near_duplicates(*short(documents), 0.7, characters)
    contaminated(min(documents, 2_000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak {peak:.0f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
