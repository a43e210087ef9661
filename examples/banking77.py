"""The whole workflow on Banking77's own files: 77 intents, official train and test part.

Run with `python examples/banking77.py train.csv test.csv [--folder FOLDER]` (columns `text` and `category`).
"""

import argparse
import sys
from pathlib import Path

import attrs

import finetuner as ft
from finetuner.data.examples import Example, system
from finetuner.demo.workflow import run


def main() -> int:
    """Run the workflow; 0 when the tuned model is better with an interval that excludes zero."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", help="the official training part, CSV")
    parser.add_argument("test", help="the official test part, CSV")
    parser.add_argument("--folder", type=Path, default=Path("banking77-output"))
    words = parser.parse_args()
    train = ft.Dataset.load(words.train, text="text", label="category")
    test = ft.Dataset.load(words.test, text="text", label="category")
    instruction = f"Name the customer's intent, one of: {', '.join(sorted({row.label for row in train}))}."

    def instructed(example: Example) -> Example:
        """With the labels named, so that a model that isn't tuned can guess too."""
        return attrs.evolve(example, messages=(system(instruction), *example.messages))

    outcome = run(words.folder, train.map(instructed), test=test.map(instructed), say=print)
    return 0 if outcome.better else 1


if __name__ == "__main__":
    sys.exit(main())
