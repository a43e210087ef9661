"""Accuracy and seconds of the embedded model on Banking77, epoch by epoch.

Usage: python benchmarks/local_classifier.py FOLDER [--model NAME] [--epochs N] [--seed N] [--held-out]

FOLDER holds `train.csv` and `test.csv` with the columns `text` and `category`. With `--held-out`, one training row in
seven is set aside and scored instead of the test part: that is how settings are chosen.
"""

import argparse
import csv
import resource
import time
from pathlib import Path

from finetuner.providers.catalog import load_catalog
from finetuner.providers.local.learning import EpochEnd, Plan, Texts, train
from finetuner.providers.local.sizes import size_from


def read(path: Path) -> Texts:
    """Texts and labels of one part."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def held_out(part: Texts) -> tuple[Texts, Texts]:
    """Six sevenths to learn from and one seventh to score; rows lie label by label, so each label is in both."""
    pairs = list(zip(*part, strict=True))
    kept = [pair for number, pair in enumerate(pairs) if number % 7]
    aside = pairs[::7]
    return ([text for text, _ in kept], [label for _, label in kept]), (
        [text for text, _ in aside],
        [label for _, label in aside],
    )


def main() -> None:
    """Train once and print a row for each epoch."""
    parser = argparse.ArgumentParser(description="Accuracy and seconds of the embedded model on Banking77.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="ngram-base")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    options = parser.parse_args()

    training = read(options.folder / "train.csv")
    if options.held_out:
        training, scored = held_out(training)
    else:
        scored = read(options.folder / "test.csv")
    size = size_from(load_catalog("local").get(options.model).options)
    plan = Plan(size=size, epochs=options.epochs, seed=options.seed)
    print(f"{options.model}, seed {options.seed}: {len(training[0]):,} to learn from, {len(scored[0]):,} scored")
    print("epoch  train loss  loss   accuracy  seconds")
    start = time.perf_counter()
    for event in train(training, plan, validation=scored):
        if isinstance(event, EpochEnd):
            seconds = time.perf_counter() - start
            print(
                f"{event.epoch:5}  {event.train_loss:10.3f}  {event.full_valid_loss:.3f}  "
                f"{event.full_valid_accuracy:8.4f}  {seconds:7.1f}",
                flush=True,
            )
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
